"""Normalised images do not depend on the scanner's unit, and stay in their range."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ParetoSegLib.data.normalisation import OUTSIDE, RANGE, normalise


def sample(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    mask = rng.random((8, 9, 10)) < 0.6
    array = rng.gamma(3.0, 100.0, mask.shape).astype(np.float32)
    return array, mask, mask & (rng.random(mask.shape) < 0.8)


@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 1e3), st.floats(-1e3, 1e3))
@settings(deadline=None)
def test_unit_and_offset_do_not_matter(seed: int, gain: float, offset: float) -> None:
    array, mask, tissue = sample(seed)
    changed = (array.astype(np.float64) * gain + offset * gain).astype(np.float32)
    np.testing.assert_allclose(
        normalise(changed, mask, tissue), normalise(array, mask, tissue), atol=2e-3
    )


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_tissue_is_centred_and_scaled_and_the_outside_constant(seed: int) -> None:
    array, mask, tissue = sample(seed)
    result = normalise(array, mask, tissue)
    assert result.dtype == np.float32
    assert (result[~mask] == OUTSIDE).all()
    assert (result >= RANGE[0]).all()
    assert (result <= RANGE[1]).all()
    assert abs(result[tissue].mean()) < 0.1
    assert 0.85 < result[tissue].std() < 1.3


def test_a_spike_does_not_set_the_scale() -> None:
    array, mask, tissue = sample(0)
    spiked = array.copy()
    spiked[tuple(np.argwhere(tissue)[0])] = 1e7
    calm = tissue & (spiked == array)
    before, after = normalise(array, mask, tissue), normalise(spiked, mask, tissue)
    np.testing.assert_allclose(before[calm], after[calm], atol=0.2)
    assert after.max() == RANGE[1]


def test_missing_data_is_neither_counted_nor_guessed() -> None:
    array, mask, tissue = sample(1)
    holed = array.copy()
    holed[:3] = np.nan
    result = normalise(holed, mask, tissue)
    assert (result[:3] == OUTSIDE).all()
    cut = tissue.copy()
    cut[:3] = False
    np.testing.assert_array_equal(result[3:], normalise(array, mask, cut)[3:])


def test_without_tissue_the_mask_counts() -> None:
    array, mask, _ = sample(2)
    np.testing.assert_array_equal(
        normalise(array, mask, np.zeros_like(mask)), normalise(array, mask, mask)
    )


def test_where_tissue_is_constant_the_mask_counts() -> None:
    array, mask, _ = sample(3)
    one = np.zeros_like(mask)
    one[tuple(np.argwhere(mask)[0])] = True
    result = normalise(array, mask, one)
    assert result.any()
    np.testing.assert_array_equal(result, normalise(array, mask, mask))


@pytest.mark.parametrize("value", [0.0, 7.0, -3000.0])
def test_a_constant_image_becomes_zero(value: float) -> None:
    _, mask, tissue = sample(3)
    assert not normalise(np.full(mask.shape, value, np.float32), mask, tissue).any()


def test_an_empty_mask_gives_zeros() -> None:
    array, mask, tissue = sample(4)
    assert not normalise(array, np.zeros_like(mask), tissue).any()
