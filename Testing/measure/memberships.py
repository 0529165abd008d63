"""Painted memberships: soft balls of known place, radius and peak, and a strategy for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from ParetoSegLib.core.geometry import Grid

SPACINGS = ((1.0, 1.0, 1.0), (5.0, 1.0, 1.0), (5.0, 0.9, 1.3), (0.5, 0.5, 2.0))
LPS = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Ball:
    """At index ``centre``, membership ``peak / (1 + exp((d − radius_mm) / softness_mm))``."""

    centre: tuple[float, float, float]
    radius_mm: float
    softness_mm: float = 0.3
    peak: float = 1.0


def grid_of(shape: tuple[int, int, int], spacing_mm: tuple[float, float, float] = SPACINGS[0]):
    return Grid(shape, spacing_mm, (-10.0, 20.0, 5.0), LPS)


def paint(balls: Sequence[Ball], grid: Grid, grow_mm: float = 0.0) -> np.ndarray:
    """The maximum over the balls, every radius larger by ``grow_mm``; float32."""
    field = np.zeros(grid.shape, np.float32)
    axes = np.ogrid[tuple(slice(0, n) for n in grid.shape)]
    for ball in balls:
        far = np.sqrt(
            sum(
                ((a - c) * s) ** 2
                for a, c, s in zip(axes, ball.centre, grid.spacing_mm, strict=True)
            )
        )
        slope = np.clip((far - ball.radius_mm - grow_mm) / ball.softness_mm, -60, 60)
        field = np.maximum(field, (ball.peak / (1 + np.exp(slope))).astype(np.float32))
    return field


def regions(balls: Sequence[Ball], grid: Grid) -> dict[str, np.ndarray]:
    """ET ⊆ TC ⊆ WT: each ball, a smaller and a larger one."""
    tc = paint(balls, grid)
    et = np.minimum(paint(balls, grid, -1.0), tc)
    wt = np.maximum(paint(balls, grid, 2.0), tc)
    return {"et": et, "tc": tc, "wt": wt}


@st.composite
def scenes(draw: st.DrawFn) -> tuple[Mapping[str, np.ndarray], Grid]:
    """Up to six balls, faint ones and ones at the edge among them, on a small grid."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    grid = grid_of(tuple(int(n) for n in rng.integers(4, 22, 3)), draw(st.sampled_from(SPACINGS)))
    balls = [
        Ball(
            tuple(float(rng.uniform(0, n - 1)) for n in grid.shape),
            float(rng.uniform(1.0, 5.0)),
            float(rng.uniform(0.15, 1.2)),
            float(rng.choice([1.0, 1.0, 0.95, 0.7, 0.4, 0.15])),
        )
        for _ in range(draw(st.integers(0, 6)))
    ]
    return regions(balls, grid), grid
