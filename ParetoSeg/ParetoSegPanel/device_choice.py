"""What computes: automatic, a GPU by its name, or the CPU; the worker is asked what is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from slicer.i18n import tr as _

from ParetoSegPanel.choices import AUTO_DEVICE, CPU_DEVICE, Choice


class DeviceChoice:
    """The device selector.

    Args:
        ui: the widgets of the panel.
        chosen: called with the new value of ``device``.
    """

    def __init__(self, ui: Any, chosen: Callable[[str], None]) -> None:
        self._found: list[tuple[str, str]] = []
        self._value = AUTO_DEVICE
        self._choice = Choice(ui.deviceSelector, chosen)

    def show(self, value: str) -> None:
        """Show a value of ``device``; a GPU of another computer is kept, and said to be missing."""
        self._value = value
        choices = [(AUTO_DEVICE, self._automatic()), *self._found, (CPU_DEVICE, _("CPU"))]
        if value not in [v for v, _words in choices]:
            choices.append((value, _("{device} (not seen yet)").format(device=value)))
        self._choice.offer(choices, value)

    def found(self, devices: Sequence[Any]) -> None:
        """Take the worker's list of ``DeviceInfo``, best first."""
        self._found = [(d.name, d.title) for d in devices if d.name != CPU_DEVICE]
        self.show(self._value)

    def _automatic(self) -> str:
        if self._found:
            return _("Automatic ({device})").format(device=self._found[0][1])
        return _("Automatic")
