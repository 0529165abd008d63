"""Where the brain or head is: read off a skull-stripped image, or outlined in a whole one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
import SimpleITK as sitk

from ParetoSegLib.core.geometry import Grid, bounding_box, padded_box

STRIPPED: Final = "stripped image"
HEAD: Final = "head outline"
BRAIN: Final = "brain outline"

Outline = Literal["head outline", "brain outline"]
"""What of a whole head is looked at."""

LARGEST_BRAIN_CC = 2500.0
"""A brain mask, generously cut, stays below; a head with face and neck lies above."""

CONSTANT_BORDER = 0.5
"""Share of the border's voxels that must hold one and the same value in a stripped image."""

COARSE_MM = 3.0
CLOSING_MM = 12.0


def stripped_background(array: np.ndarray, voxel_mm3: float) -> float | None:
    """The value around the brain in a skull-stripped image; ``None`` for any other image.

    An image counts as stripped if at least half of its border's voxels hold exactly one value
    (zero, or what zero became by scaling) and all that differs from it could be a brain by its
    volume. A whole head on a background of zeros is therefore not taken for a brain.

    Args:
        array: ``(D, H, W)`` as acquired: interpolation would blur the constant away.
        voxel_mm3: volume of a voxel.
    """
    border = np.concatenate(
        [np.take(array, side, axis).ravel() for axis in range(3) for side in (0, -1)]
    )
    values, counts = np.unique(border, return_counts=True)
    value = values[counts.argmax()]
    if counts.max() < CONSTANT_BORDER * border.size:
        return None
    foreground_cc = np.count_nonzero(array != value) * voxel_mm3 / 1000
    return float(value) if 0 < foreground_cc <= LARGEST_BRAIN_CC else None


def brain_mask(foregrounds: Sequence[np.ndarray]) -> np.ndarray:
    """The union of the stripped images' foregrounds with its holes closed, bool ``(D, H, W)``."""
    union = np.logical_or.reduce(foregrounds)
    box = bounding_box(union)
    if box is None:
        return union
    # One voxel of air around the box, so that what opens towards the border is no hole.
    inner = np.pad(union[box], 1).astype(np.uint8)
    filled = sitk.GetArrayFromImage(sitk.BinaryFillhole(sitk.GetImageFromArray(inner)))
    mask = np.zeros_like(union)
    mask[box] = filled[1:-1, 1:-1, 1:-1] > 0
    return mask


def head_mask(arrays: Sequence[np.ndarray], grid: Grid) -> tuple[np.ndarray, list[float]]:
    """Outline the head in images that are not skull-stripped.

    All that stands out of the air's noise counts, for a fat-suppressed scalp is hardly brighter.
    The union over the images is closed, its largest component filled, in space and slice by slice
    (the neck is open below), and grown by a coarse voxel: bone is as dark as air, and skull base
    and dura must stay inside.

    Args:
        arrays: images ``(D, H, W)`` on ``grid``, NaN where an image has no data.
        grid: their common grid.

    Returns:
        A bool mask ``(D, H, W)`` and the value above which each image shows tissue for
        certain. Where no outline is found the mask is the whole field.
    """
    stride = tuple(max(1, int(COARSE_MM / s + 0.5)) for s in grid.spacing_mm)
    coarse = [_block_means(array, stride) for array in arrays]
    thresholds = [_air_threshold(array) for array in coarse]
    tissue = np.logical_or.reduce(
        [array > _air_level(array, t) for array, t in zip(coarse, thresholds, strict=True)]
    )
    spacing_mm = tuple(k * s for k, s in zip(stride, grid.spacing_mm, strict=True))
    outline = _solid(tissue, spacing_mm)
    if not outline.any():
        return np.ones(grid.shape, bool), thresholds
    for axis, k in enumerate(stride):
        outline = np.repeat(outline, k, axis)
    d, h, w = grid.shape
    return np.ascontiguousarray(outline[:d, :h, :w]), thresholds


def _block_means(array: np.ndarray, stride: tuple[int, ...]) -> np.ndarray:
    """Means over blocks of ``stride`` voxels; blocks at the far border repeat its last voxels."""
    known = np.isfinite(array)
    floor = array[known].min() if known.any() else 0.0
    filled = np.where(known, array, floor)
    pads = [(0, -n % k) for n, k in zip(array.shape, stride, strict=True)]
    padded = np.pad(filled, pads, mode="edge")
    for axis, k in enumerate(stride):
        starts = np.arange(0, padded.shape[axis], k)
        padded = np.add.reduceat(padded, starts, axis=axis) / np.float32(k)
    return padded


def _air_threshold(array: np.ndarray) -> float:
    """The lower of two Otsu thresholds, of values clipped where bright fat would pull it up."""
    clipped = np.minimum(array, np.percentile(array, 99.0)).astype(np.float32)
    low, high = float(clipped.min()), float(clipped.max())
    if low == high:
        return high
    otsu = sitk.OtsuMultipleThresholdsImageFilter()
    otsu.SetNumberOfThresholds(2)
    otsu.SetNumberOfHistogramBins(128)
    # On a fixed scale, so that the threshold moves with the image's unit.
    otsu.Execute(sitk.GetImageFromArray((clipped - low) / (high - low)))
    return low + (high - low) * float(otsu.GetThresholds()[0])


def _air_level(array: np.ndarray, threshold: float) -> float:
    """Where air ends: six deviations above its median, at 0.3 to 1 of the way to ``threshold``."""
    air = array[array <= threshold]
    low, median = float(air.min()), float(np.median(air))
    deviation = 1.4826 * float(np.median(np.abs(air - median)))
    return min(max(median + 6 * deviation, low + 0.3 * (threshold - low)), threshold)


def _solid(tissue: np.ndarray, spacing_mm: tuple[float, ...]) -> np.ndarray:
    """Close, keep the largest component, fill and grow by a voxel."""
    from scipy import ndimage

    radius = [max(1, round(CLOSING_MM / s)) for s in spacing_mm[::-1]]
    image = sitk.GetImageFromArray(tissue.astype(np.uint8))
    closed = sitk.BinaryMorphologicalClosing(image, radius, sitk.sitkBall, 1, True)
    largest = sitk.RelabelComponent(sitk.ConnectedComponent(closed)) == 1
    solid = sitk.GetArrayFromImage(sitk.BinaryFillhole(largest)) > 0
    for axis in range(3):
        in_plane = ndimage.generate_binary_structure(3, 1)
        in_plane[tuple(slice(None) if a != axis else (0, 2) for a in range(3))] = False
        solid |= ndimage.binary_fill_holes(solid, in_plane)
    box = bounding_box(solid)
    if box is None:
        return solid
    box = padded_box(box, (1, 1, 1), solid.shape)
    grown = np.zeros_like(solid)
    grown[box] = ndimage.binary_dilation(solid[box], ndimage.generate_binary_structure(3, 3))
    return grown
