"""Dialogs that wait for a person: recorded, and answered by the test.

A dialog nobody has an answer for raises, so that a test never hangs and never misses one.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from PySide6 import QtWidgets


@dataclass(frozen=True)
class Shown:
    """One dialog as the user would have seen it."""

    kind: str
    title: str
    text: str


class UnansweredDialog(AssertionError):
    """The panel asked something that the test did not expect."""


@dataclass
class Dialogs:
    """What was shown, oldest first, and the answers that are still to give."""

    shown: list[Shown] = field(default_factory=list)
    answers: deque[Any] = field(default_factory=deque)

    def answer(self, *values: Any) -> None:
        """Queues the user's choices: a button, a path, a text; a callable gets the dialog."""
        self.answers.extend(values)

    def clear(self) -> None:
        """Forgets what was shown and what was to be answered."""
        self.shown.clear()
        self.answers.clear()

    def _ask(self, dialog: Any, kind: str, title: str, text: str) -> Any:
        self.shown.append(Shown(kind, title, text))
        if not self.answers:
            raise UnansweredDialog(f"{kind}: {title}: {text}")
        answer = self.answers.popleft()
        return answer(dialog) if callable(answer) else answer


def record_dialogs() -> Dialogs:
    """Makes every modal dialog of Qt go through the `Dialogs` that it returns."""
    dialogs = Dialogs()

    def run(self: Any, *_: Any) -> Any:
        text = getattr(self, "text", getattr(self, "labelText", ""))
        details = getattr(self, "informativeText", "")
        text = "\n".join(part for part in (text, details) if isinstance(part, str) and part)
        return dialogs._ask(self, type(self).__name__, self.windowTitle, text)

    for cls in (
        QtWidgets.QDialog,
        QtWidgets.QMessageBox,
        QtWidgets.QFileDialog,
        QtWidgets.QInputDialog,
        QtWidgets.QProgressDialog,
    ):
        cls.exec = run
        cls.exec_ = run
    QtWidgets.QMenu.exec = run
    QtWidgets.QMenu.exec_ = run
    for cls, names in _STATIC.items():
        for name in names:
            setattr(cls, name, staticmethod(_static(dialogs, f"{cls.__name__}.{name}")))
    return dialogs


_STATIC: dict[type, tuple[str, ...]] = {
    QtWidgets.QMessageBox: ("information", "question", "warning", "critical", "about"),
    QtWidgets.QFileDialog: (
        "getOpenFileName",
        "getOpenFileNames",
        "getSaveFileName",
        "getExistingDirectory",
    ),
    QtWidgets.QInputDialog: ("getText", "getItem", "getInt", "getDouble", "getMultiLineText"),
}


def _static(dialogs: Dialogs, kind: str) -> Any:
    def ask(parent: Any = None, title: str = "", text: str = "", *_: Any, **__: Any) -> Any:
        return dialogs._ask(None, kind, title, text)

    return ask
