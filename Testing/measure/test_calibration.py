from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ParetoSegLib.core.geometry import signed_distance
from ParetoSegLib.measure.calibration import BINS, boundary_band, reliability
from Testing.measure.masks import MM, SPACINGS, ball, empty, pairs

SHAPE = (4, 5, 6)
MEMBERSHIPS = arrays.arrays(np.float32, SHAPE, elements=st.floats(0, 1, width=32))
MASKS = arrays.arrays(bool, SHAPE)
EVERYWHERE = np.ones(SHAPE, bool)


def brute_ece(membership, mask):
    total = 0.0
    for b in range(BINS):
        upper = membership.astype(float) < (b + 1) / BINS if b < BINS - 1 else True
        inside = (membership.astype(float) >= b / BINS) & upper
        if inside.any():
            gap = membership[inside].astype(float).mean() - mask[inside].mean()
            total += inside.sum() / membership.size * abs(gap)
    return total


@given(MEMBERSHIPS, MASKS)
def test_ece_and_brier_by_their_definitions(membership, mask):
    found = reliability(membership, mask, EVERYWHERE)
    edges = np.abs(membership.astype(float) * BINS - np.rint(membership.astype(float) * BINS))
    if (edges > 1e-9).all() or set(np.unique(membership)) <= {0, 1}:
        assert found.ece == pytest.approx(brute_ece(membership, mask), abs=1e-9)
    assert found.brier == pytest.approx(np.mean((membership.astype(float) - mask) ** 2))
    assert 0 <= found.ece <= 1


@given(MASKS)
def test_the_mask_itself_is_calibrated_and_its_opposite_is_the_worst(mask):
    right = reliability(mask.astype(np.float32), mask, EVERYWHERE)
    assert (right.ece, right.brier) == (0.0, 0.0)
    wrong = reliability((~mask).astype(np.float32), mask, EVERYWHERE)
    assert (wrong.ece, wrong.brier) == (1.0, 1.0)


def test_seven_in_ten_at_a_membership_of_seven_tenths_is_calibrated():
    membership = np.full((1, 1, 10), 0.7)
    mask = np.arange(10).reshape(1, 1, 10) < 7
    found = reliability(membership, mask, np.ones_like(mask))
    assert found.ece == pytest.approx(0.0, abs=1e-12)
    assert found.brier == pytest.approx(0.21)
    low = reliability(np.full((1, 1, 10), 0.2), mask, np.ones_like(mask))
    assert low.ece == pytest.approx(0.5)


@given(MEMBERSHIPS, MASKS, MASKS)
def test_parts_add_up_to_the_whole(membership, mask, part):
    one = reliability(membership, mask, part)
    other = reliability(membership, mask, ~part)
    whole = reliability(membership, mask, EVERYWHERE)
    assert (one + other).ece == pytest.approx(whole.ece)
    assert (one + other).brier == pytest.approx(whole.brier)


def test_no_voxels_no_number():
    found = reliability(np.zeros(SHAPE), empty(SHAPE), empty(SHAPE))
    assert found.ece is None
    assert found.brier is None


@given(pairs(), SPACINGS)
def test_the_band_is_that_of_the_whole_image(masks, spacing):
    mask = np.pad(masks[0], 6)
    expected = np.abs(signed_distance(mask, spacing)) <= 3.0
    np.testing.assert_array_equal(boundary_band(mask, spacing), expected)


def test_the_band_of_a_ball_is_a_shell():
    band = boundary_band(ball((12, 12, 12), 8), MM)
    assert not band[12, 12, 12]
    assert band[12, 12, 20]
    assert band[12, 12, 22]
    assert not band[12, 12, 23 - 23]
    assert not boundary_band(empty(), MM).any()
