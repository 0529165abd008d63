"""Axial diameters of a lesion as radiologists measure them (RANO-BM)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LONGEST_MM, PERPENDICULAR_MM, SLICES = 10.0, 5.0, 2
"""A measurable lesion is at least this long, this wide, and seen on this many axial slices."""

RULE = (
    "longest axial diameter of the convex hull in any one slice, from pixel edge to pixel edge, "
    "and the longest diameter perpendicular to it in the same slice; measurable (RANO-BM): "
    "at least 10 mm and 5 mm, on at least 2 axial slices"
)


@dataclass(frozen=True)
class Diameters:
    """A lesion's axial diameters.

    Args:
        longest_mm: the longest straight line in any axial slice.
        perpendicular_mm: the longest line across it, in the same slice.
        axial_slice: index of that slice; ``None`` for an empty mask.
        slices: number of axial slices on which the lesion is seen.
    """

    longest_mm: float
    perpendicular_mm: float
    axial_slice: int | None
    slices: int

    @property
    def measurable(self) -> bool:
        """Whether RANO-BM counts the lesion as measurable."""
        rounding = 1e-6
        return (
            self.longest_mm >= LONGEST_MM - rounding
            and self.perpendicular_mm >= PERPENDICULAR_MM - rounding
            and self.slices >= SLICES
        )


def axial_diameters(mask: np.ndarray, spacing_mm: tuple[float, float, float]) -> Diameters:
    """Longest axial diameter and its perpendicular, in mm.

    The outline of a slice is the convex hull of the middles of its pixels' edges: a disc then
    measures its true diameter to a fraction of a pixel, where pixel centres fall a pixel short
    and corners overshoot. Parts of a lesion that are separate in a slice are spanned together.

    Args:
        mask: one lesion, boolean ``(D, H, W)``, D from foot to head.
        spacing_mm: voxel size along ``(D, H, W)``.

    Source:
        Lin et al. 2015, Lancet Oncology 16:e270 (RANO-BM).
    """
    slices = np.flatnonzero(mask.any(axis=(1, 2)))
    outlines = {int(z): _edge_middles(mask[z], spacing_mm[1:]) for z in slices}
    longest, best, ends = 0.0, None, (0, 0)
    # No diameter exceeds the diagonal of its slice's points: most slices need no hull.
    reach = {z: float(np.linalg.norm(np.ptp(points, axis=0))) for z, points in outlines.items()}
    for z in sorted(reach, key=lambda z: -reach[z]):
        if reach[z] <= longest:
            break
        hull = _hull(outlines[z])
        gaps = np.linalg.norm(hull[:, None] - hull[None], axis=2)
        first, last = (int(i) for i in np.unravel_index(gaps.argmax(), gaps.shape))
        if gaps[first, last] > longest:
            longest, best, ends = float(gaps[first, last]), z, (first, last)
    if best is None:
        return Diameters(0.0, 0.0, None, 0)
    return Diameters(longest, _widest_across(_hull(outlines[best]), *ends), best, slices.size)


def _edge_middles(pixels: np.ndarray, spacing_mm: tuple[float, ...]) -> np.ndarray:
    """The outermost pixel-edge middles of every row and column, in mm ``(N, 2)``."""
    points = []
    for axis in range(2):
        lines = pixels if axis == 0 else pixels.T
        held = np.flatnonzero(lines.any(axis=1))
        first = lines[held].argmax(axis=1) - 0.5
        last = lines.shape[1] - lines[held, ::-1].argmax(axis=1) - 0.5
        along = np.concatenate([first, last])
        across = np.concatenate([held, held])
        points.append(np.stack([across, along] if axis == 0 else [along, across], axis=1))
    return np.concatenate(points) * np.asarray(spacing_mm)


def _hull(points: np.ndarray) -> np.ndarray:
    """The corners ``(N, 2)`` of the convex hull, in order around it."""
    from scipy.spatial import ConvexHull

    return points[ConvexHull(points).vertices]


def _widest_across(hull: np.ndarray, first: int, last: int) -> float:
    """The longest chord of a convex polygon at a right angle to the line between two corners."""
    count = len(hull)
    line = hull[last] - hull[first]
    line = line / np.linalg.norm(line)
    along = hull @ line
    across = hull @ np.array([-line[1], line[0]])
    # The longest diameter's ends split the outline into two chains, each rising along the line.
    one = [(first + i) % count for i in range((last - first) % count + 1)]
    two = [(first - i) % count for i in range((first - last) % count + 1)]
    # A chord's length is piecewise linear along the line: its maximum lies at a corner.
    return float(
        np.abs(
            np.interp(along, along[one], across[one]) - np.interp(along, along[two], across[two])
        ).max()
    )
