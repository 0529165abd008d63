"""What the drop-down lists offer: the values that are saved and the words that are shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from slicer.i18n import tr as _

from ParetoSegPanel.wording import capitalised, region_name

AUTO_DEVICE, CPU_DEVICE = "auto", "cpu"

OFF, CONTOURS, HEAT, SURFACE = "off", "contours", "heat", "surface"

NESTED, PARTS = "regions", "parts"

CORE = "tc"

RESULT_ATTRIBUTE = "ParetoSeg.result"
"""Marks segmentation nodes that are results, for the selector."""


def view_choices() -> list[tuple[str, str]]:
    """(value, words) of the ways to show confidence."""
    return [
        (OFF, _("Off")),
        (CONTOURS, _("Contours: certain and possible")),
        (HEAT, _("Heat map of confidence")),
        (SURFACE, _("3-D surface by margin width (mm)")),
    ]


def segment_choices() -> list[tuple[str, str]]:
    """(value, words) of the two sets of segments."""
    return [
        (NESTED, _("Regions: enhancing tumour, tumour core, whole tumour")),
        (PARTS, _("Parts: non-enhancing core, edema (FLAIR), enhancing tumour")),
    ]


def region_choices(regions: Sequence[str]) -> list[tuple[str, str]]:
    """(value, words) of the regions that a result has."""
    return [(region, capitalised(region_name(region))) for region in regions]


class Choice:
    """A drop-down list of values with words for them.

    Args:
        box: a ``QComboBox``.
        chosen: called with the value when the user chooses one, not when the program does.
    """

    def __init__(self, box: Any, chosen: Callable[[str], None]) -> None:
        self._box = box
        self._chosen = chosen
        self._values: list[str] = []
        self._filling = False
        box.connect("currentIndexChanged(int)", self._on_index)

    def offer(self, choices: Sequence[tuple[str, str]], value: str) -> None:
        """Show these choices, with ``value`` chosen; an unknown value shows as nothing chosen."""
        values = [v for v, _words in choices]
        words = [w for _value, w in choices]
        self._filling = True
        try:
            if values != self._values or words != [
                self._box.itemText(i) for i in range(self._box.count)
            ]:
                self._box.clear()
                for text in words:
                    self._box.addItem(text)
                self._values = values
            index = values.index(value) if value in values else -1
            if self._box.currentIndex != index:
                self._box.setCurrentIndex(index)
        finally:
            self._filling = False

    def _on_index(self, index: int) -> None:
        if not self._filling and 0 <= index < len(self._values):
            self._chosen(self._values[index])
