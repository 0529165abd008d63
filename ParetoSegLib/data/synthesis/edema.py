"""Edema around a core: it runs along white matter, hardly enters cortex, and stops at CSF."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from ParetoSegLib.core.geometry import Box
from ParetoSegLib.data.synthesis.falx import Falx
from ParetoSegLib.data.synthesis.fields import stretched
from ParetoSegLib.data.synthesis.lesions import LesionPlan, sample_offsets, sampled, slopes_of
from ParetoSegLib.data.synthesis.tissues import BRAIN, Tissue, belongs

_SPEED = {
    Tissue.WHITE: 1.0,
    Tissue.STEM: 0.5,
    Tissue.DEEP: 0.25,
    Tissue.CORTEX: 0.08,
}
_BARRIER = 1e-3
_FINE_VOXELS = 150_000
_MEDIUM_VOXELS = 1_500_000
"""Larger boxes are marched through on every second, and still larger ones on every third voxel."""


def edema_membership(
    plan: LesionPlan,
    tissues: np.ndarray,
    spacing_mm: tuple[float, float, float],
    falx: Falx | None = None,
) -> tuple[Box, np.ndarray, np.ndarray] | None:
    """The share of every voxel that edema fills, counted as if the core were not there.

    Fluid advances from the core by fast marching (Sethian 1996) with a speed per tissue; edema is
    where it arrives within ``plan.edema_mm``, modulated by a smooth field. Where the ``falx`` is
    known, it crosses the head's middle slowly and only through white matter.

    Returns:
        The box of the grid, the membership (float32 in [0, 1], exactly 0 in CSF and outside the
        brain) and the depth behind the front in mm, far below 0 there; ``None`` if the plan has no
        edema.
    """
    if plan.edema_mm <= 0:
        return None
    spacing = np.array(spacing_mm)
    reach = plan.reach_mm + 1.3 * plan.edema_mm + 2 * float(spacing.max())
    centre = np.array(plan.centre_mm)
    shape = np.array(tissues.shape)
    low = np.clip(np.floor((centre - reach) / spacing).astype(int), 0, shape - 1)
    high = np.clip(np.ceil((centre + reach) / spacing).astype(int) + 1, low + 1, shape)
    sides = [slice(int(a), int(b)) for a, b in zip(low, high, strict=True)]
    box: Box = (sides[0], sides[1], sides[2])
    local = tissues[box]

    uneven = plan.spread.on_grid(tissues.shape, spacing_mm, box)
    core, _ = plan.depth_in(box, tissues.shape, spacing_mm)
    slowness = _slowness(local)
    if falx is not None:
        _wall_off(slowness, local, falx.offset_mm(box))
    step = 1 if local.size <= _FINE_VOXELS else 2 if local.size <= _MEDIUM_VOXELS else 3
    arrival = _march(slowness, core, centre / spacing - low, spacing_mm, step)
    limit = plan.edema_mm * np.clip(1 + 0.3 * uneven, 0.5, 1.3)
    depth = limit - arrival
    depth -= _spared(local)
    depth[core > 0] = np.maximum(depth, limit)[core > 0]
    allowed = belongs(local, BRAIN)
    share = _partial_volume(depth, allowed)
    return box, share, np.where(allowed, depth, np.float32(-99)).astype(np.float32)


def _slowness(tissues: np.ndarray) -> np.ndarray:
    speed_of = np.full(256, _BARRIER, np.float32)
    for tissue, speed in _SPEED.items():
        speed_of[tissue] = speed
    return np.asarray((1 / speed_of)[tissues])


def _wall_off(slowness: np.ndarray, tissues: np.ndarray, offset_mm: np.ndarray) -> None:
    """Make the middle of the head hard to pass, in place: only commissures lead across."""
    middle = np.abs(offset_mm) < 1.5
    slowness[middle] *= 5
    slowness[middle & (tissues == Tissue.CORTEX)] = 1 / _BARRIER


def _spared(tissues: np.ndarray) -> np.ndarray:
    """How much later, in mm, edema comes to cortex than the march on a coarse grid knows."""
    from scipy import ndimage

    cortex = tissues == Tissue.CORTEX
    beside_white = ndimage.maximum_filter((tissues == Tissue.WHITE).view(np.uint8), size=3) > 0
    return np.where(cortex, np.where(beside_white, np.float32(3), np.float32(14)), np.float32(0))


def _march(
    slowness: np.ndarray,
    core: np.ndarray,
    start: np.ndarray,
    spacing_mm: tuple[float, float, float],
    step: int,
) -> np.ndarray:
    """Arrival times from the core, computed on every ``step``-th voxel."""
    from scipy import ndimage

    shape = slowness.shape
    if step > 1:
        # Mean slowness and not mean speed, so that a thin sheet of CSF stays a wall.
        slowness = ndimage.uniform_filter(slowness, 3, mode="nearest")
        slowness = slowness[::step, ::step, ::step]
        core = core[::step, ::step, ::step]
    inside = core > 0
    seeds = np.argwhere(inside & ~ndimage.binary_erosion(inside, border_value=1))
    if not len(seeds):
        nearest = np.rint(start / step).astype(int)
        seeds = np.clip(nearest, 0, np.array(slowness.shape) - 1)[None]
    image = sitk.GetImageFromArray((1 / slowness).astype(np.float32))
    image.SetSpacing([float(s) * step for s in spacing_mm[::-1]])
    march = sitk.FastMarchingImageFilter()
    march.SetTrialPoints(seeds[:, ::-1].tolist())
    march.SetStoppingValue(60.0)
    arrival = np.minimum(sitk.GetArrayFromImage(march.Execute(image)), 60.0).astype(np.float32)
    arrival[inside] = 0.0
    return stretched(arrival, step, shape)


def _partial_volume(depth: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """Share of each voxel with positive depth, sampled 3 times finer at the front."""
    from scipy import ndimage

    # Arrival times jump where a slow tissue begins; only their sign within a voxel or two matters.
    smooth = ndimage.gaussian_filter(np.clip(depth, -2, 2), 0.6, mode="nearest", truncate=3)
    share = (smooth > 0).astype(np.float32)
    cut = (np.abs(smooth) < 1.9) & allowed
    if cut.any():
        samples = sampled(smooth, slopes_of(smooth), cut, sample_offsets(3))
        share[cut] = (samples > 0).mean(axis=1)
    share[~allowed] = 0.0
    return share
