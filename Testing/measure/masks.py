"""Masks for tests of metrics: blocks, balls, and a strategy for pairs of small masks."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

MM = (1.0, 1.0, 1.0)

SPACINGS = st.sampled_from([MM, (3.0, 1.0, 0.7), (0.5, 0.5, 2.0)])

SHAPES = st.tuples(*[st.integers(1, 7)] * 3)


def pairs():
    """Pairs of boolean masks of one shape, any of them perhaps empty or full."""
    return SHAPES.flatmap(
        lambda shape: st.tuples(arrays.arrays(bool, shape), arrays.arrays(bool, shape))
    )


def empty(shape: tuple[int, int, int] = (12, 12, 12)) -> np.ndarray:
    return np.zeros(shape, bool)


def block(
    corner: tuple[int, int, int],
    size: tuple[int, int, int],
    shape: tuple[int, int, int] = (12, 12, 12),
) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[tuple(slice(c, c + s) for c, s in zip(corner, size, strict=True))] = True
    return mask


def ball(
    centre: tuple[float, float, float], radius: float, shape: tuple[int, int, int] = (24, 24, 24)
) -> np.ndarray:
    axes = np.ogrid[tuple(slice(0, n) for n in shape)]
    return sum((a - c) ** 2 for a, c in zip(axes, centre, strict=True)) <= radius**2
