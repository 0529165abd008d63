"""The colours of regions and of confidence: one choice for the pictures and for Slicer's views."""

from __future__ import annotations

from collections.abc import Mapping

RGB = tuple[float, float, float]
"""Red, green, blue in [0, 1]."""

COLOURS: Mapping[str, str] = {"et": "#ffb000", "tc": "#ff5fa2", "wt": "#5cc8ff"}
"""Amber, pink, sky: apart in hue and lightness for every kind of colour vision, on grey."""

CONFIDENCE_STOPS: tuple[str, ...] = (
    "#a50026",
    "#d73027",
    "#f46d43",
    "#fdae61",
    "#fee090",
    "#ffffbf",
    "#e0f3f8",
    "#abd9e9",
    "#74add1",
    "#4575b4",
    "#313695",
)
"""Red is uncertain, blue is certain, evenly from 0 to 1 and linear in between.

ColorBrewer's RdYlBu, which matplotlib has by that name; safe for colour blindness.
"""

MARGIN_SCALE_MM = (0.0, 5.0)
"""The fixed ends of the margin's colour scale: blue where it is narrow, red where it is wide."""


def rgb(colour: str) -> RGB:
    """``"#ff8000"`` as numbers in [0, 1]."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255.0 for i in (1, 3, 5))
    return (red, green, blue)


def confidence_rgb(confidence: float) -> RGB:
    """The colour of a boundary confidence in [0, 1] on the fixed scale."""
    place = min(max(confidence, 0.0), 1.0) * (len(CONFIDENCE_STOPS) - 1)
    below = min(int(place), len(CONFIDENCE_STOPS) - 2)
    share = place - below
    low, high = rgb(CONFIDENCE_STOPS[below]), rgb(CONFIDENCE_STOPS[below + 1])
    red, green, blue = (a + (b - a) * share for a, b in zip(low, high, strict=True))
    return (red, green, blue)
