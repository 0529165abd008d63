"""One panel of the overview: an image section with contours of α-surfaces, or with confidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ParetoSegLib.measure.confidence import HALF, boundary_confidence
from ParetoSegLib.review.colours import CONFIDENCE_STOPS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BACKGROUND, TEXT, QUIET = "#0d1117", "#e6edf3", "#9aa7b4"

LINES: Mapping[str, tuple[object, float]] = {
    "certain": ((0, (4, 1.6)), 1.3),
    "half": ("solid", 1.7),
    "possible": ((0, (1, 1.5)), 1.5),
}
"""Dashes and width in points of the three surfaces."""

SCALE_BAR_MM = 10.0


@dataclass(frozen=True)
class Window:
    """The part of an axial slice that a panel shows.

    Args:
        axial_slice: index along D.
        rows: index range along H.
        columns: index range along W.
        spacing_mm: (H, W).
    """

    axial_slice: int
    rows: slice
    columns: slice
    spacing_mm: tuple[float, float]

    @classmethod
    def around(
        cls,
        axial_slice: int,
        middle: tuple[float, float],
        half_mm: float,
        shape: tuple[int, ...],
        spacing_mm: tuple[float, ...],
    ) -> Window:
        """A square of ``2 · half_mm`` around index ``middle`` (H, W), cut at the image's edge."""
        ranges = []
        for centre, step, size in zip(middle, spacing_mm[1:], shape[1:], strict=True):
            first = max(0, int(np.floor(centre - half_mm / step)))
            last = min(size, int(np.ceil(centre + half_mm / step)) + 1)
            ranges.append(slice(first, last))
        return cls(axial_slice, ranges[0], ranges[1], (spacing_mm[1], spacing_mm[2]))

    def of(self, array: np.ndarray) -> np.ndarray:
        """The window's pixels of an array ``(D, H, W)``."""
        return array[self.axial_slice, self.rows, self.columns]

    @property
    def extent_mm(self) -> tuple[float, float, float, float]:
        """Left, right, bottom and top edge in mm from the slice's corner, rows downwards."""
        height, width = self.spacing_mm
        return (
            (self.columns.start - 0.5) * width,
            (self.columns.stop - 0.5) * width,
            (self.rows.stop - 0.5) * height,
            (self.rows.start - 0.5) * height,
        )


def show_image(axes: Axes, image: np.ndarray, window: Window, greys: tuple[float, float]) -> None:
    """Draw the image alone, square, patient's right on the left, with a scale bar."""
    left, right, bottom, top = window.extent_mm
    axes.imshow(
        window.of(image),
        cmap="gray",
        vmin=greys[0],
        vmax=greys[1],
        extent=(left, right, bottom, top),
        interpolation="bilinear",
    )
    side = max(right - left, bottom - top)
    x, y = (left + right) / 2, (top + bottom) / 2
    axes.set_xlim(x - side / 2, x + side / 2)
    axes.set_ylim(y + side / 2, y - side / 2)
    axes.set_facecolor("black")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color("#2d3640")
    inset = side * 0.045
    start, level = x + side / 2 - inset - SCALE_BAR_MM, y + side / 2 - inset
    axes.plot(
        [start, start + SCALE_BAR_MM], [level, level], color=TEXT, lw=2, solid_capstyle="butt"
    )
    for text, place in (("R", 0.025), ("L", 0.975)):
        axes.text(
            place,
            0.5,
            text,
            color=QUIET,
            fontsize=7,
            ha="left" if text == "R" else "right",
            va="center",
            transform=axes.transAxes,
        )


def show_contours(
    axes: Axes,
    membership: np.ndarray,
    window: Window,
    colour: str,
    levels: tuple[float, float],
    thickness: float = 1.0,
) -> None:
    """Draw the ½ contour of a region between its certain and its possible contour.

    Args:
        axes: with the image.
        membership: of the region, ``(D, H, W)``.
        window: what is shown.
        colour: of the region.
        levels: (certain, possible).
        thickness: of the lines; below 1 where lesions are small in the panel.
    """
    certain, possible = levels
    for name, alpha in (("possible", possible), ("half", HALF), ("certain", certain)):
        dashes, width = LINES[name]
        seam = name == "half"
        _contour(axes, membership, window, alpha, colour, dashes, width * thickness, seam)


def show_confidence(
    axes: Axes, membership: np.ndarray, window: Window, thickness: float = 1.0
) -> object:
    """Lay the boundary confidence over the image where there is any membership.

    Returns:
        What a colour bar needs.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    colours = LinearSegmentedColormap.from_list("confidence", CONFIDENCE_STOPS)
    scale = ScalarMappable(Normalize(0.0, 1.0), colours)
    pixels = window.of(membership)
    confidence = boundary_confidence(pixels)
    shown = scale.to_rgba(confidence)
    # The image shows where nothing is in doubt: faintly covered inside, bare far outside.
    shown[..., 3] = np.clip(pixels / 0.05, 0.0, 1.0) * (0.9 - 0.55 * confidence**2)
    left, right, bottom, top = window.extent_mm
    axes.imshow(shown, extent=(left, right, bottom, top), interpolation="nearest")
    _contour(axes, membership, window, HALF, "black", "solid", 0.6 * thickness)
    return scale


def show_frame(axes: Axes, window: Window) -> None:
    """Outline another window on a panel of the whole slice."""
    left, right, bottom, top = window.extent_mm
    axes.plot([left, right, right, left, left], [top, top, bottom, bottom, top], color=TEXT, lw=1.0)


def _contour(
    axes: Axes,
    membership: np.ndarray,
    window: Window,
    alpha: float,
    colour: str,
    dashes: object,
    width: float,
    seam: bool = False,
) -> None:
    from matplotlib.patheffects import withStroke

    pixels = window.of(membership)
    if min(pixels.shape) < 2 or not pixels.min() < alpha <= pixels.max():
        return
    height, breadth = window.spacing_mm
    lines = axes.contour(
        np.arange(window.columns.start, window.columns.stop) * breadth,
        np.arange(window.rows.start, window.rows.stop) * height,
        pixels,
        levels=[alpha],
        colors=[colour],
        linestyles=[dashes],
        linewidths=[width],
    )
    if seam:
        # A dark seam keeps the line visible on bright rims and edema; dashes it would smear.
        lines.set(path_effects=[withStroke(linewidth=width + 1.0, foreground=(0, 0, 0, 0.55))])
