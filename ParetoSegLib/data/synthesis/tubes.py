"""Tubes through a head: paths that wander through a tissue, and the share of voxels they fill."""

from __future__ import annotations

import numpy as np


def walks(
    rng: np.random.Generator,
    inside: np.ndarray,
    starts: np.ndarray,
    length: int,
    stiffness: float,
    drift: np.ndarray | None = None,
) -> list[np.ndarray]:
    """Meandering paths that stay inside a mask, all walked side by side.

    Args:
        rng: of the turns.
        inside: bool ``(D, H, W)``.
        starts: ``(N, 3)`` voxel indices.
        length: the most steps of half a voxel that a path takes.
        stiffness: how much a path prefers its own direction over a random one.
        drift: ``(N, 3)`` direction that each path is drawn to; ``None`` for none.

    Returns:
        A list of ``(n, 3)`` positions; paths that got nowhere are left out.
    """
    count = len(starts)
    if count == 0:
        return []
    place = starts.astype(np.float64)
    heading = rng.standard_normal((count, 3)) if drift is None else drift.astype(np.float64)
    heading /= np.linalg.norm(heading, axis=1, keepdims=True) + 1e-9
    limit = np.array(inside.shape) - 1
    alive = np.ones(count, bool)
    taken = np.zeros(count, int)
    track = [place.copy()]
    rows = np.arange(count)
    for _ in range(length):
        turns = heading[:, None] * stiffness + rng.standard_normal((count, 8, 3))
        if drift is not None:
            turns += 0.8 * drift[:, None]
        turns /= np.linalg.norm(turns, axis=2, keepdims=True)
        ahead = np.clip(place[:, None] + 2.0 * turns, 0, limit)
        spots = np.rint(ahead).astype(int)
        fits = inside[spots[..., 0], spots[..., 1], spots[..., 2]]
        alive &= fits.any(axis=1)
        if not alive.any():
            break
        chosen = turns[rows, fits.argmax(axis=1)]
        heading = np.where(alive[:, None], chosen, heading)
        place = np.where(alive[:, None], np.clip(place + 0.5 * heading, 0, limit), place)
        taken += alive
        track.append(place.copy())
    paths = np.stack(track, axis=1)
    return [path[: n + 1] for path, n in zip(paths, taken, strict=True) if n >= 6]


def smooth_path(knots: np.ndarray, step: float = 0.5) -> np.ndarray:
    """A curve through knots ``(K, 3)``, sampled about every ``step`` voxels."""
    from scipy.interpolate import PchipInterpolator

    lengths = np.linalg.norm(np.diff(knots, axis=0), axis=1)
    at = np.concatenate([[0.0], np.cumsum(np.maximum(lengths, 1e-3))])
    count = max(2, int(at[-1] / step))
    return np.asarray(PchipInterpolator(at, knots)(np.linspace(0, at[-1], count)))


def tube(
    shape: tuple[int, ...],
    spacing_mm: tuple[float, float, float],
    path: np.ndarray,
    radius_mm: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Share of voxels inside tubes along ``path`` ``(N, 3)`` with a radius at each point.

    A tube thinner than a voxel cannot fill it: its share falls with its cross-section.

    Returns:
        Flat indices of the voxels, and their shares, float32 in (0, 1].
    """
    spacing = np.array(spacing_mm)
    step = float(np.mean(spacing))
    volume = np.zeros(int(np.prod(shape)), np.float32)
    order = np.argsort(radius_mm)
    # In groups of like radius, so that a thin vessel does not look at a wide one's neighbourhood.
    for part in np.array_split(order, max(1, min(6, len(order) // 200))):
        if not len(part):
            continue
        points, radii = path[part], radius_mm[part]
        reach = np.floor((max(radii.max(), 0.5 * step) + 0.5 * step) / spacing + 0.5).astype(int)
        axes = [np.arange(-r, r + 1) for r in reach]
        offsets = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
        voxels = np.rint(points).astype(np.int64)[:, None] + offsets[None]
        gap = (voxels - points[:, None]) * spacing
        distance = np.sqrt((gap * gap).sum(axis=2))
        peak = np.minimum(1.0, np.pi * radii**2 / step**2)[:, None]
        wide = np.maximum(radii, 0.5 * step)[:, None]
        value = peak * np.clip((wide - distance) / step + 0.5, 0, 1)
        ok = (value > 0) & ((voxels >= 0) & (voxels < np.array(shape))).all(axis=2)
        z, y, x = voxels[ok].T
        flat = (z * shape[1] + y) * shape[2] + x
        np.maximum.at(volume, flat, value[ok].astype(np.float32))
    where = np.flatnonzero(volume)
    return where, volume[where]
