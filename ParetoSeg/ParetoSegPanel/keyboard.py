"""Keys that work only while the panel is open: next and previous lesion."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import qt
import slicer

NEXT_KEY, PREVIOUS_KEY = "N", "Shift+N"


class Keys:
    """Application-wide keys; off until ``listen``.

    Args:
        actions: what to do, by key.
    """

    def __init__(self, actions: Mapping[str, Callable[[], None]]) -> None:
        self._shortcuts: list[Any] = []
        window = slicer.util.mainWindow()
        if window is None:  # Slicer without a window has no keys
            return
        for key, action in actions.items():
            shortcut = qt.QShortcut(window)
            shortcut.setKey(qt.QKeySequence(key))
            shortcut.connect("activated()", action)
            shortcut.enabled = False
            self._shortcuts.append(shortcut)

    def listen(self, on: bool) -> None:
        """Switch the keys on or off."""
        for shortcut in self._shortcuts:
            shortcut.enabled = on

    def remove(self) -> None:
        """Give the keys back for good."""
        for shortcut in self._shortcuts:
            shortcut.enabled = False
            shortcut.setParent(None)
            shortcut.deleteLater()
        self._shortcuts = []
