"""Windows and weights are MONAI's to the last bit; sums in half precision stay close."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.data.utils import compute_importance_map, dense_patch_slices

from ParetoSegLib.model.calibration import OUTSIDE_LOGIT
from ParetoSegLib.model.windows import (
    Stitcher,
    few_windows,
    gaussian_weight,
    most_windows,
    scan_windows,
)

CPU = torch.device("cpu")
SIDES = st.tuples(*[st.integers(1, 24)] * 3)


@settings(max_examples=100)
@given(more=st.tuples(*[st.integers(0, 60)] * 3), patch=SIDES, overlap=st.floats(0, 0.95))
def test_windows_are_monais(more, patch, overlap):
    shape = tuple(side + extra for side, extra in zip(patch, more, strict=True))
    strides = [max(1, int(side * (1.0 - overlap))) for side in patch]
    if np.prod([m // s + 1 for m, s in zip(more, strides, strict=True)]) > 5000:
        return
    windows = scan_windows(shape, patch, overlap)
    assert windows == [tuple(w) for w in dense_patch_slices(shape, patch, strides)]
    counts = np.zeros(shape, int)
    for window in windows:
        counts[window] += 1
    assert counts.min() >= 1
    assert counts.max() <= most_windows(patch, overlap)


@pytest.mark.parametrize("patch", [(96, 96, 96), (16, 16, 16), (9, 24, 13), (1, 2, 3)])
def test_weights_are_monais(patch):
    expected = compute_importance_map(patch, mode="gaussian", sigma_scale=0.125)
    assert torch.allclose(gaussian_weight(patch), expected, rtol=1e-6, atol=0)
    assert gaussian_weight(patch).min() >= 0.001


def stitched(values, overlap, half, patch=(8, 8, 8)):
    """Cut a volume into windows and put it together again."""
    shape = values.shape[1:]
    most = most_windows(patch, overlap)
    stitcher = Stitcher(len(values), shape, gaussian_weight(patch), CPU, half, most)
    for window in scan_windows(shape, patch, overlap):
        stitcher.add(window, torch.from_numpy(values[(slice(None), *window)]))
    return stitcher.result()


@settings(max_examples=20)
@given(
    seed=st.integers(0, 999),
    overlap=st.sampled_from([0.0, 0.25, 0.5, 0.9]),
    exponent=st.floats(-4, 2.6),
)
def test_half_sums_are_close_for_small_and_large_logits(seed, overlap, exponent):
    values = np.random.default_rng(seed).normal(size=(2, 14, 9, 17)).astype(np.float32)
    values = np.clip(values * np.float32(10**exponent), -500, 500)
    whole, half = stitched(values, overlap, False), stitched(values, overlap, True)
    assert np.allclose(whole, values, rtol=1e-4, atol=1e-6)
    # Up to a thousand windows at overlap 0.9, each rounded by 2⁻¹¹ at most; what is lost below is
    # a quarter as much in membership.
    assert np.abs(half - values).max() <= 0.02 * np.abs(values).max() + 1e-3
    if overlap <= 0.5:
        assert np.abs(half - values).max() <= 0.003 * np.abs(values).max() + 1e-4
    assert half.dtype == np.float32


def test_half_sums_never_overflow():
    values = np.full((1, 40, 40, 40), 3e4, np.float32)
    found = stitched(values, 0.9, True)
    assert np.isfinite(found).all()
    assert np.allclose(found, 512, rtol=0.05)


@pytest.mark.parametrize("half", [True, False])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_stays_none(half, bad):
    values = np.zeros((1, 12, 12, 12), np.float32)
    values[0, 5, 5, 5] = bad
    assert not np.isfinite(stitched(values, 0.25, half)[0, 5, 5, 5])


@pytest.mark.parametrize("half", [True, False])
def test_where_nothing_looked_nothing_is_found(half):
    stitcher = Stitcher(1, (8, 8, 20), gaussian_weight((8, 8, 8)), CPU, half)
    stitcher.add((slice(0, 8), slice(0, 8), slice(0, 8)), torch.ones(1, 8, 8, 8))
    found = stitcher.result()
    assert np.allclose(found[..., :8], 1, atol=1e-3)
    assert (found[..., 8:] == OUTSIDE_LOGIT).all()


class TestFewWindows:
    @settings(max_examples=200, deadline=None)
    @given(
        st.tuples(*[st.integers(1, 300)] * 3),
        st.sampled_from([4, 8, 16, 32]),
        st.floats(0, 0.7),
        st.integers(1, 20_000_000),
    )
    def test_sides_are_multiples_and_windows_no_larger_than_allowed(
        self, shape, step, overlap, most
    ):
        window = few_windows(shape, step, overlap, most)
        assert all(side % step == 0 for side in window)
        assert all(side < n + step for n, side in zip(shape, window, strict=True))
        assert math.prod(window) <= max(most, step**3)

    @given(st.tuples(*[st.integers(1, 200)] * 3), st.floats(0, 0.7))
    def test_what_fits_is_one_window_hardly_larger_than_it_has_to_be(self, shape, overlap):
        window = few_windows(shape, 16, overlap, 10**9)
        assert all(n <= side < n + 16 for n, side in zip(shape, window, strict=True))

    def test_the_longest_side_is_shared_out_first(self):
        assert few_windows((140, 170, 140), 32, 0.25, 10**7) == (160, 192, 160)
        assert few_windows((140, 170, 140), 32, 0.25, 4_000_000) == (160, 128, 160)
