"""Smooth random fields: one source of every gentle irregularity in a synthetic patient.

A field is a sum of plane waves with Gaussian wave vectors (random Fourier features, Rahimi and
Recht 2007), so it is known at every point of space and not only on a grid: a lesion's surface can
be sampled as finely as its partial volumes need.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ParetoSegLib.core.geometry import Box

_TILE = 72
"""Period in voxels of smoothed grain: far longer than the grain, so that nothing shows of it."""


@dataclass(frozen=True)
class SmoothField:
    """A zero-mean, unit-variance random function of position with a given correlation length.

    f(x) = √(2/K) Σ_k cos(⟨w_k, x⟩ + φ_k), w_k ~ N(0, 1/ℓ²), φ_k uniform: its covariance between
    two points at distance d is exp(−d² / 2ℓ²).

    Args:
        waves: wave vectors ``(K, 3)`` in rad/mm, array order.
        phases: ``(K,)`` in rad.
    """

    waves: np.ndarray
    phases: np.ndarray

    @classmethod
    def draw(cls, rng: np.random.Generator, length_mm: float, modes: int = 24) -> SmoothField:
        """Draw a field of correlation length ℓ = ``length_mm`` from ``modes`` plane waves."""
        waves = rng.standard_normal((modes, 3)) / length_mm
        return cls(waves, rng.uniform(0.0, 2 * np.pi, modes))

    def at(self, points_mm: np.ndarray) -> np.ndarray:
        """Values at points ``(…, 3)`` in millimetres, array order; float32 ``(…)``."""
        angle = points_mm.astype(np.float32) @ self.waves.T.astype(np.float32)
        angle += self.phases.astype(np.float32)
        return np.cos(angle, out=angle).sum(axis=-1) * np.float32(np.sqrt(2 / len(self.phases)))

    def on_grid(
        self, shape: tuple[int, ...], spacing_mm: tuple[float, ...], box: Box | None = None
    ) -> np.ndarray:
        """Values at the voxel centres of a grid (or of a ``box`` of it), float32 ``(D, H, W)``.

        Plane waves are separable, so the whole volume is one product of two small matrices.
        """
        box = box or (slice(0, shape[0]), slice(0, shape[1]), slice(0, shape[2]))
        axes = []
        for axis, (part, step) in enumerate(zip(box, spacing_mm, strict=True)):
            position = np.arange(part.start, part.stop) * step
            angle = np.outer(position, self.waves[:, axis])
            axes.append(np.exp(1j * (angle + (self.phases if axis == 0 else 0))))
        first, second, third = axes
        plane = (second[:, None, :] * third[None, :, :]).reshape(-1, len(self.phases))
        left = np.concatenate([first.real, -first.imag], axis=1).astype(np.float32)
        right = np.concatenate([plane.real, plane.imag], axis=1).astype(np.float32)
        size = (len(first), len(second), len(third))
        return (left @ right.T).reshape(size) * np.float32(np.sqrt(2 / len(self.phases)))


def stretched(array: np.ndarray, step: int, shape: tuple[int, ...]) -> np.ndarray:
    """Linear interpolation from every ``step``-th voxel back to ``shape``, axis by axis.

    What is smooth is cheaper to compute on a coarse grid.
    """
    if step == 1:
        return array
    for axis, size in enumerate(shape):
        position = np.minimum(np.arange(size) / step, array.shape[axis] - 1)
        lower = np.floor(position).astype(int)
        upper = np.minimum(lower + 1, array.shape[axis] - 1)
        view = [1, 1, 1]
        view[axis] = size
        part = (position - lower).astype(np.float32).reshape(view)
        array = np.take(array, lower, axis) * (1 - part) + np.take(array, upper, axis) * part
    return array


def grain(rng: np.random.Generator, shape: tuple[int, ...], sigma: float) -> np.ndarray:
    """Fine texture of unit variance, float32 ``shape``: noise, smoothed if ``sigma`` > 0.

    Random numbers are the dearest part of a painted head. So white noise is cut from a pool, every
    slice from a place of its own, and smooth grain is one block of noise, repeated.

    Args:
        rng: of the noise.
        shape: ``(D, H, W)``.
        sigma: standard deviation of the smoothing, in voxels.
    """
    from scipy import ndimage

    if sigma <= 0:
        size = int(np.prod(shape[1:]))
        pool = rng.standard_normal(size + min(4 * size, 600_000), dtype=np.float32)
        starts = rng.integers(0, len(pool) - size + 1, shape[0])
        return np.stack([pool[start : start + size] for start in starts]).reshape(shape)
    block = rng.standard_normal((_TILE, _TILE, _TILE), dtype=np.float32)
    block = ndimage.gaussian_filter(block, sigma, mode="wrap", truncate=2.5)
    block /= block.std()
    index = [(np.arange(n) + int(rng.integers(_TILE))) % _TILE for n in shape]
    rows = block[:, :, index[2]][:, index[1]]
    return np.asarray(rows[index[0]])
