"""Distances between the surfaces of two masks: HD95 and normalised surface Dice.

A surface is the set of *border voxels*: voxels of the mask with a 6-neighbour outside it (beyond
the edge of the image counts as outside). Distances are Euclidean, between voxel centres, in mm.
This is the definition of ``monai.metrics`` without subvoxels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ParetoSegLib.core.geometry import Box, bounding_box, distance_to, padded_box

RULE = (
    "surfaces are the voxels of a mask that have a 6-neighbour outside it (beyond the image counts "
    "as outside); distances are Euclidean between voxel centres, in mm"
)


@dataclass(frozen=True)
class SurfaceDistances:
    """From each border voxel of one mask to the nearest border voxel of the other, in mm.

    Args:
        of_prediction: one value for each border voxel of the prediction, sorted.
        of_reference: one value for each border voxel of the reference, sorted.
    """

    of_prediction: np.ndarray
    of_reference: np.ndarray

    @cached_property
    def hd95_mm(self) -> float:
        """The larger of the two directed 95th percentiles (linear interpolation), in mm."""
        return float(
            max(np.percentile(self.of_prediction, 95), np.percentile(self.of_reference, 95))
        )

    def surface_dice(self, tolerance_mm: float) -> float:
        """Share of both surfaces' border voxels within ``tolerance_mm`` of the other surface."""
        # A distance of exactly the tolerance counts, whatever its last bit says.
        limit = tolerance_mm + 1e-5
        near = np.count_nonzero(self.of_prediction <= limit)
        near += np.count_nonzero(self.of_reference <= limit)
        return float(near / (self.of_prediction.size + self.of_reference.size))


def surface_distances(
    prediction: np.ndarray, reference: np.ndarray, spacing_mm: tuple[float, float, float]
) -> SurfaceDistances:
    """Distances between the surfaces of two boolean masks ``(D, H, W)``, neither empty.

    Raises:
        ValueError: a mask is empty: there is no surface to measure from.
    """
    box = union_box(prediction, reference)
    if box is None or not prediction.any() or not reference.any():
        raise ValueError("surface distances need two masks that are not empty")
    ours, theirs = border(prediction[box]), border(reference[box])
    return SurfaceDistances(
        np.sort(distance_to(theirs, spacing_mm)[ours]),
        np.sort(distance_to(ours, spacing_mm)[theirs]),
    )


def border(mask: np.ndarray) -> np.ndarray:
    """The voxels of ``mask`` that have a 6-neighbour outside it or beyond the array."""
    kept = np.pad(mask, 1)
    inside = mask.copy()
    middle = slice(1, -1)
    for axis in range(3):
        for side in (slice(None, -2), slice(2, None)):
            window = [middle, middle, middle]
            window[axis] = side
            inside &= kept[tuple(window)]
    return mask & ~inside


def union_box(first: np.ndarray, second: np.ndarray) -> Box | None:
    """The smallest box that holds both masks; ``None`` if both are empty."""
    boxes = [box for box in (bounding_box(first), bounding_box(second)) if box is not None]
    if not boxes:
        return None
    low = [min(box[axis].start for box in boxes) for axis in range(3)]
    high = [max(box[axis].stop for box in boxes) for axis in range(3)]
    box = (slice(low[0], high[0]), slice(low[1], high[1]), slice(low[2], high[2]))
    return padded_box(box, (0, 0, 0), first.shape)


def image_diagonal_mm(shape: tuple[int, ...], spacing_mm: tuple[float, float, float]) -> float:
    """Length of the image's diagonal in mm, from outer corner to outer corner."""
    return float(np.linalg.norm(np.multiply(shape, spacing_mm)))
