from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ParetoSegLib.measure.qu_brats import THRESHOLDS, score_qu_brats
from Testing.measure.masks import block, empty

SHAPE = (3, 4, 5)
MASKS = arrays.arrays(bool, SHAPE)
# off the thresholds, where the last bit would decide
CERTAINTIES = arrays.arrays(
    np.float64, SHAPE, elements=st.integers(0, 400).map(lambda n: (n + 0.3) / 401)
)
BRAIN = np.ones(SHAPE, bool)


def brute(prediction, reference, certainty, brain):
    uncertainty = 100 * (1 - certainty)
    rows = []
    tp, tn = prediction & reference, ~prediction & ~reference & brain
    for threshold in THRESHOLDS:
        kept = uncertainty <= threshold
        total = (prediction & kept).sum() + (reference & kept).sum()
        dice = 2 * (tp & kept).sum() / total if total else 1.0
        ftp = (tp & ~kept).sum() / tp.sum() if tp.any() else 0.0
        ftn = (tn & ~kept).sum() / tn.sum() if tn.any() else 0.0
        rows.append((dice, ftp, ftn))
    dice, ftp, ftn = ((row[1:] + row[:-1]).sum() / 80 for row in np.transpose(rows))
    return (dice + 1 - ftp + 1 - ftn) / 3


def test_there_are_41_thresholds():
    assert THRESHOLDS.size == 41
    np.testing.assert_allclose(np.diff(THRESHOLDS), 2.5)


@given(MASKS, MASKS, CERTAINTIES, MASKS)
def test_the_score_is_the_mean_of_three_areas(prediction, reference, certainty, brain):
    found = score_qu_brats(prediction, reference, certainty, brain)
    assert found.score == pytest.approx(brute(prediction, reference, certainty, brain))
    assert 0 <= found.score <= 1 + 1e-12


@given(MASKS)
def test_right_and_certain_is_the_best(mask):
    assert score_qu_brats(mask, mask, np.ones(SHAPE), BRAIN).score == pytest.approx(1.0)


def test_doubting_what_is_wrong_is_better_than_doubting_what_is_right():
    reference = block((0, 0, 0), (2, 2, 2), SHAPE)
    prediction = block((0, 0, 0), (2, 2, 3), SHAPE)
    honest, dishonest = np.ones(SHAPE), np.ones(SHAPE)
    honest[prediction != reference] = 0.0
    dishonest[prediction & reference] = 0.0
    sure = score_qu_brats(prediction, reference, np.ones(SHAPE), BRAIN).score
    assert score_qu_brats(prediction, reference, honest, BRAIN).score > sure
    assert score_qu_brats(prediction, reference, dishonest, BRAIN).score < sure


def test_true_negatives_count_in_the_brain_only():
    certainty = np.ones(SHAPE)
    certainty[2] = 0.0
    lesion = block((0, 0, 0), (1, 1, 1), SHAPE)
    outside = score_qu_brats(lesion, lesion, certainty, block((0, 0, 0), (2, 4, 5), SHAPE))
    assert outside.filtered_true_negatives_area == 0.0
    inside = score_qu_brats(lesion, lesion, certainty, BRAIN)
    assert inside.filtered_true_negatives_area > 0.3


def test_nothing_anywhere_is_right():
    assert score_qu_brats(empty(SHAPE), empty(SHAPE), np.ones(SHAPE), BRAIN).score == 1.0
