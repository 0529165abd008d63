from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from ParetoSegLib.measure.casewise import CasewiseScore, dice, score_casewise, worst_casewise
from Testing.measure.masks import MM, SPACINGS, block, empty, pairs

PERFECT = CasewiseScore(dice=1.0, hd95_mm=0.0, nsd_05=1.0, nsd_1=1.0)


@given(pairs(), SPACINGS)
def test_every_score_is_symmetric_and_in_range(masks, spacing):
    one, other = masks
    score = score_casewise(one, other, spacing)
    assert score == score_casewise(other, one, spacing)
    worst = worst_casewise(one.shape, spacing)
    assert 0 <= score.dice <= 1
    assert 0 <= score.nsd_05 <= score.nsd_1 <= 1
    assert 0 <= score.hd95_mm <= worst.hd95_mm


@given(pairs(), SPACINGS)
def test_a_perfect_prediction_scores_best(masks, spacing):
    assert score_casewise(masks[0], masks[0], spacing) == PERFECT


@given(pairs())
def test_dice_counts_voxels(masks):
    one, other = (set(map(tuple, np.argwhere(mask))) for mask in masks)
    expected = 2 * len(one & other) / (len(one) + len(other)) if one or other else 1.0
    assert dice(*masks) == pytest.approx(expected)


def test_empty_against_empty_is_right_and_against_a_lesion_is_the_worst():
    lesion = block((3, 3, 3), (2, 2, 2))
    missed = CasewiseScore(dice=0.0, hd95_mm=pytest.approx(12 * 3**0.5), nsd_05=0.0, nsd_1=0.0)
    assert score_casewise(empty(), empty(), MM) == PERFECT
    assert score_casewise(empty(), lesion, MM) == missed
    assert score_casewise(lesion, empty(), MM) == missed


def test_a_block_moved_by_a_voxel():
    score = score_casewise(block((4, 4, 4), (2, 2, 2)), block((5, 4, 4), (2, 2, 2)), MM)
    assert score == CasewiseScore(dice=0.5, hd95_mm=1.0, nsd_05=0.5, nsd_1=1.0)


def test_masks_must_be_masks():
    with pytest.raises(ValueError, match="boolean"):
        score_casewise(empty().astype(int), empty(), MM)
    with pytest.raises(ValueError, match="shapes"):
        score_casewise(empty(), empty((3, 3, 3)), MM)
