"""Membership back onto the case's grid, in a fraction of the time a general resampler takes.

The working grid and the case's are parallel, so linear interpolation in space is linear
interpolation along one axis after the other: each pass reads two slices for one that it writes.
"""

from __future__ import annotations

import numpy as np
import torch

from ParetoSegLib.core.geometry import Box, Grid
from ParetoSegLib.data.preprocessing import WayBack


def restore(membership: np.ndarray, way_back: WayBack) -> np.ndarray:
    """The same as ``WayBack.restore``: exactly on equal grids, else to rounding.

    Args:
        membership: float32 ``(C, D, H, W)`` on the cropped working grid.
        way_back: from preparing the case.

    Returns:
        float32 ``(C, *case.grid.shape)``, 0 outside the crop.
    """
    source, target = way_back.working.cropped(way_back.box), way_back.reference
    parallel = np.allclose(source.direction, target.direction, atol=1e-6)
    if way_back.working == target or not parallel or membership.shape[1:] != source.shape:
        return way_back.restore(membership)
    places = _places(source, target)
    spans = [_span(place, n) for place, n in zip(places, source.shape, strict=True)]
    box: Box = (spans[0], spans[1], spans[2])
    restored = np.zeros((len(membership), *target.shape), np.float32)
    for channel, values in enumerate(membership):
        moved = torch.from_numpy(np.ascontiguousarray(values, np.float32))
        # The axis that grows least first: the later passes are the expensive ones.
        for axis in sorted(range(3), key=lambda a: (box[a].stop - box[a].start) / source.shape[a]):
            moved = _along(moved, places[axis][box[axis]], axis)
        # Rounding may leave [0, 1] by a hair.
        restored[(channel, *box)] = moved.clamp_(0.0, 1.0).numpy()
    return restored


def _places(source: Grid, target: Grid) -> list[np.ndarray]:
    """For each axis, where the target's voxels lie, in the source's voxels."""
    back = np.linalg.inv(source.affine)
    places = []
    for axis, n in enumerate(target.shape):
        indices = np.zeros((n, 3))
        indices[:, axis] = np.arange(n)
        positions = target.positions(indices)
        places.append((positions @ back[:3, :3].T + back[:3, 3])[:, axis])
    return places


def _span(place: np.ndarray, size: int) -> slice:
    """The voxels whose centres lie in one of the source's; they follow each other."""
    inside = np.flatnonzero((place >= -0.5) & (place <= size - 0.5))
    return slice(int(inside[0]), int(inside[-1]) + 1) if inside.size else slice(0, 0)


def _along(values: torch.Tensor, place: np.ndarray, axis: int) -> torch.Tensor:
    """Interpolate along one axis; beyond the outermost centres their value is kept."""
    last = values.shape[axis] - 1
    at = np.clip(place, 0, last)
    lower = np.minimum(np.floor(at), max(0, last - 1)).astype(np.int64)
    share = torch.from_numpy((at - lower).astype(np.float32))
    here = values.index_select(axis, torch.from_numpy(lower))
    there = values.index_select(axis, torch.from_numpy(np.minimum(lower + 1, last)))
    return here.lerp_(there, share.reshape([-1 if a == axis else 1 for a in range(3)]))
