"""`slicer.i18n`: marks text for translation; the harness speaks English."""

from __future__ import annotations

import types


def tr(text: str) -> str:
    """The text in the language of the application."""
    return translate("", text)


def translate(context: str, text: str) -> str:
    """The text in the language of the application, from the given context."""
    if not isinstance(text, str):
        raise TypeError(f"Only text can be translated, not {type(text).__name__}.")
    return text


def make_module() -> types.ModuleType:
    """Returns `slicer.i18n`."""
    module = types.ModuleType("slicer.i18n", __doc__)
    module.tr = tr
    module.translate = translate
    return module
