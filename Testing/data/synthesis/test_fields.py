"""Smooth random fields: unit variance, the promised covariance, one value however asked."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ParetoSegLib.data.synthesis.fields import SmoothField, stretched


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), length=st.floats(1.0, 30.0))
def test_the_grid_and_single_points_agree(seed: int, length: float) -> None:
    field = SmoothField.draw(np.random.default_rng(seed), length)
    spacing = (2.0, 1.0, 0.7)
    box = (slice(1, 6), slice(0, 7), slice(3, 8))
    index = np.stack(np.meshgrid(*[np.arange(s.start, s.stop) for s in box], indexing="ij"), -1)
    whole = field.on_grid((7, 8, 9), spacing)
    np.testing.assert_allclose(whole[box], field.on_grid((7, 8, 9), spacing, box), atol=1e-5)
    np.testing.assert_allclose(whole[box], field.at(index * np.array(spacing)), atol=1e-4)


def test_variance_and_covariance_over_many_fields() -> None:
    rng = np.random.default_rng(0)
    points = np.array([[0.0, 0, 0], [0, 5.0, 0], [0, 0, 30.0]])
    values = np.array([SmoothField.draw(rng, 5.0).at(points) for _ in range(4000)])
    covariance = values.T @ values / len(values)
    np.testing.assert_allclose(np.diag(covariance), 1.0, atol=0.08)
    assert abs(covariance[0, 1] - np.exp(-0.5)) < 0.06
    assert abs(covariance[0, 2]) < 0.06


def test_stretching_returns_what_is_linear() -> None:
    z, y, x = np.meshgrid(np.arange(9), np.arange(7), np.arange(5), indexing="ij")
    plane = (2 * z - y + 0.5 * x).astype(np.float32)
    np.testing.assert_allclose(stretched(plane[::2, ::2, ::2], 2, plane.shape), plane, atol=1e-5)
