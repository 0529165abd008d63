"""Simulated raters: the truth's outline, moved by a smooth random margin."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ParetoSegLib.core.geometry import components, padded_box, signed_distance
from ParetoSegLib.core.labels import REGIONS
from ParetoSegLib.data.synthesis.fields import SmoothField

_LENGTH_MM = 6.0
"""Correlation length of a rater's margin along the outline."""


def depth_of(truth: np.ndarray, spacing_mm: tuple[float, float, float]) -> np.ndarray:
    """Signed distance in mm to the ½ surface of a membership, finer than a voxel near it."""
    step = float(np.mean(spacing_mm))
    depth = signed_distance(truth >= 0.5, spacing_mm)
    partial = (truth > 0.02) & (truth < 0.98)
    return np.where(partial, (truth - 0.5) * step, depth).astype(np.float32)


def rate(
    truth: Mapping[str, np.ndarray],
    doubt: Mapping[str, np.ndarray],
    spacing_mm: tuple[float, float, float],
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    """One rater's crisp and nested masks.

    Args:
        truth: membership ``(D, H, W)`` per region.
        doubt: standard deviation in mm of the margin, at each voxel, per region.
        spacing_mm: voxel size in array order.
        rng: this rater's own generator.

    Returns:
        Boolean masks per region; every lesion of the truth keeps its deepest voxel, since a rater
        who draws a lesion draws at least one voxel of it.
    """
    # One hand draws all three outlines: where it is generous, it is generous in each.
    shared = SmoothField.draw(rng, _LENGTH_MM)
    masks: dict[str, np.ndarray] = {}
    for region in REGIONS:
        own = SmoothField.draw(rng, _LENGTH_MM)
        mask = np.zeros(truth[region].shape, bool)
        numbers, boxes = components(truth[region] >= 0.5)
        pad = tuple(int(np.ceil(4.0 / step)) for step in spacing_mm)
        for number, tight in enumerate(boxes, start=1):
            box = padded_box(tight, (pad[0], pad[1], pad[2]), mask.shape)
            margin = np.float32(0.8) * shared.on_grid(mask.shape, spacing_mm, box)
            margin += np.float32(0.6) * own.on_grid(mask.shape, spacing_mm, box)
            depth = depth_of(truth[region][box], spacing_mm)
            moved = depth + np.clip(margin, -3, 3) * doubt[region][box]
            mask[box] |= moved > 0
            own_depth = np.where(numbers[box] == number, depth, -np.inf)
            deepest = np.unravel_index(int(np.argmax(own_depth)), depth.shape)
            mask[box][deepest] = True
        masks[region] = mask
    masks["tc"] |= masks["et"]
    masks["wt"] |= masks["tc"]
    return masks
