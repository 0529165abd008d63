"""Arrays from one grid to another, in a single interpolation.

Linear interpolation on the target grid, after a Gaussian along the axes that get coarser: the
spread it adds is the one that a coarser voxel has over a finer one (Cardoso et al., "Scale factor
point spread function matching", MICCAI 2015).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import SimpleITK as sitk

from ParetoSegLib.core.geometry import Grid, components

SAME_SPACING = 0.01
"""An axis whose spacing is within this share of the wanted one is left as it is."""

FWHM_PER_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))


def working_grid(grid: Grid, spacing_mm: tuple[float, float, float]) -> Grid:
    """The grid that fills the same box in space with (nearly) ``spacing_mm``.

    An axis whose spacing is already within 1 % keeps its voxels; if all do, ``grid`` itself is
    returned. The others get the fewest voxels of the wanted size that cover the old extent, and
    are centred on it.
    """
    shape, spacing, start = [], [], []
    for n, old, new in zip(grid.shape, grid.spacing_mm, spacing_mm, strict=True):
        if abs(old / new - 1.0) <= SAME_SPACING:
            shape.append(n)
            spacing.append(old)
            start.append(0.0)
        else:
            # The small share keeps 10 × 0.3 mm from becoming four voxels of 1 mm by rounding.
            count = max(1, math.ceil(n * old / new - 1e-6))
            shape.append(count)
            spacing.append(float(new))
            start.append((n - 1) / 2 - (count - 1) / 2 * new / old)
    if spacing == list(grid.spacing_mm):
        return grid
    origin = tuple(float(v) for v in grid.positions(np.array([start]))[0])
    return Grid(tuple(shape), tuple(spacing), origin, grid.direction)  # type: ignore[arg-type]


def resample(
    array: np.ndarray,
    source: Grid,
    target: Grid,
    transform: sitk.Transform | None = None,
    antialias: bool = True,
    outside: float = 0.0,
) -> np.ndarray:
    """Bring an array onto another grid by linear interpolation.

    Args:
        array: ``(D, H, W)`` on ``source``.
        source: where the array is.
        target: where it shall be.
        transform: from a point in the target's space to the same anatomy in the source's, LPS
            millimetres; ``None`` where both share a space.
        antialias: smooth along source axes that get coarser.
        outside: value of target voxels whose centres lie in no source voxel.

    Returns:
        float32 array of ``target.shape``. Within half a voxel of the source's border, where there
        is nothing to interpolate with, the border's value is kept.
    """
    image = source.image(np.asarray(array, np.float32))
    if antialias:
        image = _smoothed(image, source, target)
    size = [int(n) for n in target.shape[::-1]]
    moved = sitk.Resample(
        image,
        size,
        sitk.Transform(3, sitk.sitkIdentity) if transform is None else transform,
        sitk.sitkLinear,
        target.origin,
        target.spacing_mm[::-1],
        target.direction,
        outside,
    )
    return sitk.GetArrayFromImage(moved)


def resample_masks(
    masks: Mapping[str, np.ndarray], source: Grid, target: Grid
) -> dict[str, np.ndarray]:
    """Bring nested boolean masks onto another grid; none of their components is lost.

    A voxel is inside where the interpolated indicator reaches ½. A component that reaches it
    nowhere is too small for the new grid and keeps the voxel nearest its middle, in every mask
    that held it.
    """
    moved = {
        name: resample(mask, source, target) >= 0.5 if mask.any() else np.zeros(target.shape, bool)
        for name, mask in masks.items()
    }
    for name, mask in masks.items():
        for voxel in _lost_components(mask, moved[name], source, target):
            at = _nearest(voxel[None], source, target)[0]
            for other, original in masks.items():
                if original[tuple(voxel)]:
                    moved[other][tuple(at)] = True
    return moved


def _smoothed(image: sitk.Image, source: Grid, target: Grid) -> sitk.Image:
    """Smooth along each source axis by what the target's voxels are wider than its own."""
    here = np.array(source.direction).reshape(3, 3)
    there = np.array(target.direction).reshape(3, 3)
    # Target spacing seen along a source axis: that of the target axis which lies nearest to it.
    partner = np.abs(here.T @ there).argmax(axis=1)
    wide = np.array(target.spacing_mm[::-1])[partner]
    own = np.array(source.spacing_mm[::-1])
    coarser = wide > own * (1 + SAME_SPACING)
    if not coarser.any():
        return image
    variance_mm2 = np.where(coarser, wide**2 - own**2, 0.0) / FWHM_PER_SIGMA**2
    # The last arguments: kernels of at most 32 voxels, cut where a hundredth of the weight is
    # left, and variances in mm².
    return sitk.DiscreteGaussian(image, [float(v) for v in variance_mm2], 32, 0.01, True)


def _lost_components(
    mask: np.ndarray, moved: np.ndarray, source: Grid, target: Grid
) -> list[np.ndarray]:
    """The voxel nearest the middle of each component that ``moved`` does not touch."""
    labelled, boxes = components(mask)
    lost = []
    for number, box in enumerate(boxes, start=1):
        corner = np.array([s.start for s in box])
        voxels = np.argwhere(labelled[box] == number) + corner
        if not moved[tuple(_nearest(voxels, source, target).T)].any():
            distance = np.square(voxels - voxels.mean(axis=0)).sum(axis=1)
            lost.append(voxels[distance.argmin()])
    return lost


def _nearest(voxels: np.ndarray, source: Grid, target: Grid) -> np.ndarray:
    """Target voxels ``(N, 3)`` nearest to source voxels ``(N, 3)``, inside the target."""
    back = np.linalg.inv(target.affine)
    indices = source.positions(voxels) @ back[:3, :3].T + back[:3, 3]
    return np.clip(np.rint(indices), 0, np.array(target.shape) - 1).astype(int)
