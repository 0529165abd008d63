"""Simulated raters: the truth's outline, moved by a smooth random margin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ParetoSegLib.core.geometry import Box, components, face_voxels, padded_box
from ParetoSegLib.core.labels import REGIONS
from ParetoSegLib.data.synthesis.fields import SmoothField

_LENGTH_MM = 6.0
"""Correlation length of a rater's margin along the outline."""

_WIDEST_MM = 4.0
"""How far an outline may be moved at most, hence how much around a lesion is looked at."""


@dataclass(frozen=True)
class Outline:
    """One connected part of a region, ready to be drawn by any number of raters.

    Args:
        box: the part of the grid around it.
        depth_mm: signed distance to the true outline inside the box.
        deepest: grid index of its deepest voxel.
    """

    box: Box
    depth_mm: np.ndarray
    deepest: tuple[int, ...]


def depth_of(truth: np.ndarray, spacing_mm: tuple[float, float, float]) -> np.ndarray:
    """Signed distance in mm to the ½ surface of a membership, finer than a voxel; float32.

    A voxel that the surface cuts knows its own depth from its share, (μ − ½)·h; every other voxel
    adds its distance to the nearest of those.
    """
    from scipy import ndimage

    inside = truth >= 0.5
    inner, outer = face_voxels(inside)
    cut = ((truth > 0.02) & (truth < 0.98)) | inner | outer
    if not cut.any():
        return np.full(truth.shape, np.inf if inside.all() else -np.inf, np.float32)
    distance, nearest = ndimage.distance_transform_edt(
        ~cut, sampling=spacing_mm, return_indices=True
    )
    own = (truth - 0.5) * float(np.mean(spacing_mm))
    depth = np.where(inside, distance, -distance) + own[tuple(nearest)]
    return np.asarray(depth, np.float32)


def outlines(
    truth: Mapping[str, np.ndarray], spacing_mm: tuple[float, float, float]
) -> dict[str, list[Outline]]:
    """The outlines of every region's connected parts, at membership one half."""
    pad = [int(np.ceil(_WIDEST_MM / step)) for step in spacing_mm]
    found: dict[str, list[Outline]] = {}
    for region in REGIONS:
        numbers, boxes = components(truth[region] >= 0.5)
        found[region] = []
        for number, tight in enumerate(boxes, start=1):
            box = padded_box(tight, (pad[0], pad[1], pad[2]), numbers.shape)
            depth = depth_of(truth[region][box], spacing_mm)
            own = np.where(numbers[box] == number, depth, -np.inf)
            place = np.unravel_index(int(np.argmax(own)), own.shape)
            deepest = tuple(int(i) + side.start for i, side in zip(place, box, strict=True))
            found[region].append(Outline(box, depth, deepest))
    return found


def rate(
    drawn: Mapping[str, list[Outline]],
    doubt: Mapping[str, np.ndarray],
    spacing_mm: tuple[float, float, float],
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    """One rater's crisp and nested masks.

    Args:
        drawn: the true ``outlines``.
        doubt: standard deviation in mm of the margin, at each voxel ``(D, H, W)``, per region.
        spacing_mm: voxel size in array order.
        rng: this rater's own generator.

    Returns:
        Boolean masks per region; every lesion of the truth keeps its deepest voxel, since a rater
        who draws a lesion draws at least one voxel of it.
    """
    # One hand draws all three: where regions share an outline it is one line, and where a rater
    # is generous, all of them are.
    margin = SmoothField.draw(rng, _LENGTH_MM)
    masks: dict[str, np.ndarray] = {}
    for region in REGIONS:
        shape = doubt[region].shape
        mask = np.zeros(shape, bool)
        for outline in drawn[region]:
            moved = margin.on_grid(shape, spacing_mm, outline.box) * doubt[region][outline.box]
            moved = np.clip(moved, -_WIDEST_MM, _WIDEST_MM) + outline.depth_mm
            mask[outline.box] |= moved > 0
            mask[outline.deepest] = True
        masks[region] = mask
    masks["tc"] |= masks["et"]
    masks["wt"] |= masks["tc"]
    return masks
