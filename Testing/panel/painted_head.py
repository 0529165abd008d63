"""Heads painted for the panel's tests: bright balls in a grey one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

SHAPE = (36, 44, 40)
LESION = (18, 26, 18)
RADIUS = 5.0


def distance_from(centre: Sequence[float], shape: Sequence[int] = SHAPE) -> np.ndarray:
    """Voxels from ``centre`` (z, y, x)."""
    axes = np.meshgrid(*[np.arange(n, dtype=float) for n in shape], indexing="ij")
    return np.sqrt(sum((a - c) ** 2 for a, c in zip(axes, centre, strict=True)))


def head(
    lesions: Sequence[Sequence[float]] = (LESION,),
    radius: float = RADIUS,
    shape: Sequence[int] = SHAPE,
) -> np.ndarray:
    """A head of 100 ± 8 in air, float32, with lesions three times as bright."""
    array = np.random.default_rng(7).normal(100, 8, shape)
    for centre in lesions:
        array[distance_from(centre, shape) <= radius] = 320
    middle = [n / 2 for n in shape]
    array[distance_from(middle, shape) > min(shape) / 2 - 1] = 0
    return array.astype(np.float32)
