"""What the three outlines of a region are, in words beside their colours.

The lines in the slice views have no names of their own there; this key in the panel gives them.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

from slicer.i18n import tr as _

from ParetoSegLib.review.colours import COLOURS, RGB, rgb
from ParetoSegPanel.contour_pair import CERTAIN_ID, POSSIBLE_ID, line_colour
from ParetoSegPanel.result_nodes import CaseNodes

NO_BREAK = "\N{NO-BREAK SPACE}"
_SWATCH = f"{NO_BREAK}\N{EM DASH}\N{EM DASH}{NO_BREAK}"

_BEHIND = "#000000"
"""Behind every swatch, whatever the theme: in the views, too, the lines are seen on dark images."""


@dataclass(frozen=True)
class Line:
    """One outline.

    Args:
        words: what it is and at which membership it runs.
        colour: in which it is drawn.
    """

    words: str
    colour: RGB


def lines_of(case: CaseNodes, region: str) -> tuple[Line, Line, Line]:
    """The outlines of a region: possible, segmentation at the present cut, certain.

    Args:
        case: whose levels and cut are named.
        region: one of the case's.
    """
    certain, possible = case.levels_of(region)
    return (
        Line(
            _("possible (membership ≥ {level})").format(level=level_text(possible)),
            line_colour(region, POSSIBLE_ID),
        ),
        Line(
            _("segmentation (≥ {level})").format(level=level_text(case.alpha)),
            _own_colour(case, region),
        ),
        Line(
            _("certain (≥ {level})").format(level=level_text(certain)),
            line_colour(region, CERTAIN_ID),
        ),
    )


def level_text(level: float) -> str:
    """A membership with two decimals, or three where the third is not 0."""
    return f"{level:.3f}".removesuffix("0")


def show_key(title: Any, label: Any, lines: tuple[Line, ...]) -> None:
    """Show the key; hide it where there are no lines.

    Args:
        title: the ``QLabel`` before it.
        label: the ``QLabel`` for swatches and words; screen readers are given the words alone.
        lines: in the order in which they are named.
    """
    for widget in (title, label):
        widget.visible = bool(lines)
    text = "<br>".join(map(_entry, lines))
    if label.text != text:
        label.text = text
        label.accessibleName = ", ".join(line.words for line in lines)


def _entry(line: Line) -> str:
    """A swatch and its words, as rich text that stays on one line."""
    red, green, blue = (round(255 * c) for c in line.colour)
    words = escape(line.words).replace(" ", NO_BREAK)
    return (
        f'<b style="background-color:{_BEHIND}; color:#{red:02x}{green:02x}{blue:02x}">'
        f"{_SWATCH}</b>{NO_BREAK}{words}"
    )


def _own_colour(case: CaseNodes, region: str) -> RGB:
    """The segment's colour as it is now: the user may have chosen another."""
    for kind in case.kinds:
        segment = case.segmentation.GetSegmentation().GetSegment(kind.name)
        if kind.inside == region and segment is not None:
            red, green, blue = segment.GetColor()
            return (red, green, blue)
    return rgb(COLOURS[region])
