"""The two lesion-wise rules, each on cases that can be counted by hand, and what they share."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ParetoSegLib.core.geometry import components
from ParetoSegLib.measure.lesionwise import label_components
from ParetoSegLib.measure.lesionwise_2023 import dilate, merge_by_dilation, score_2023
from ParetoSegLib.measure.lesionwise_2025 import match_by_dice, score_2025
from Testing.measure.masks import MM, ball, block, empty, pairs

SHAPE = (20, 20, 20)
CUBE = (3, 3, 3)


def cube(*corner: int, size: tuple[int, int, int] = CUBE) -> np.ndarray:
    return block(corner, size, SHAPE)


# --- both rules


@given(pairs())
def test_a_perfect_prediction_scores_best(masks):
    mask = masks[0]
    by_2023, by_2025 = score_2023(mask, mask, MM), score_2025(mask, mask, MM)
    assert (by_2023.dice, by_2023.hd95_mm, by_2023.false_positives) == (1.0, 0.0, 0)
    assert by_2023.found == by_2023.lesions
    assert by_2025.dice in (1.0, None)
    assert by_2025.hd95_mm in (0.0, None)
    assert by_2025.small_f1 in (1.0, None)
    assert by_2025.large_false_positives == by_2025.small_false_positives == 0


@given(pairs(), st.sampled_from([score_2023, score_2025]))
def test_scores_are_in_range_and_counts_add_up(masks, rule):
    score = rule(*masks, MM)
    assert score.dice is None or 0 <= score.dice <= 1
    wrong = [one for one in score.per_lesion if one.kind == "false positive"]
    assert all(not one.found and one.dice == 0 for one in wrong)
    assert all(0 <= one.nsd_05 <= one.nsd_1 <= 1 for one in score.per_lesion)


@pytest.mark.parametrize("rule", [score_2023, score_2025])
def test_the_place_of_the_lesions_does_not_matter(rule):
    reference = ball((6, 6, 6), 3) | ball((15, 15, 15), 2)
    prediction = ball((7, 6, 6), 3) | ball((4, 18, 18), 2)
    here = rule(prediction, reference, MM)
    moved = rule(
        np.roll(prediction, (3, -1, 2), (0, 1, 2)), np.roll(reference, (3, -1, 2), (0, 1, 2)), MM
    )
    assert (here.dice, here.hd95_mm) == (moved.dice, moved.hd95_mm)
    assert len(here.per_lesion) == len(moved.per_lesion) == 3
    for one in here.per_lesion:
        place = np.add(one.position, (3, -1, 2))
        assert any(np.allclose(place, other.position) for other in moved.per_lesion)


def test_nothing_anywhere():
    by_2023, by_2025 = score_2023(empty(), empty(), MM), score_2025(empty(), empty(), MM)
    assert (by_2023.dice, by_2023.hd95_mm, by_2023.per_lesion) == (1.0, 0.0, ())
    assert (by_2025.dice, by_2025.hd95_mm, by_2025.small_f1) == (None, None, None)


# --- 2023


def test_2023_divides_by_lesions_and_false_positives():
    reference = cube(2, 2, 2) | cube(12, 12, 12)
    prediction = cube(2, 2, 2) | cube(2, 12, 2)
    score = score_2023(prediction, reference, MM)
    assert (score.lesions, score.found, score.false_positives) == (2, 1, 1)
    assert score.dice == pytest.approx(1 / 3)
    assert score.hd95_mm == pytest.approx((0 + 374 + 374) / 3)


def test_2023_takes_components_in_one_dilated_blob_for_one_lesion():
    # one voxel between them: their dilations touch
    reference = cube(2, 2, 2) | cube(2, 2, 6)
    assert components(reference)[0].max() == 2
    assert score_2023(reference, reference, MM).lesions == 1
    # two voxels between them: the dilated blobs are neighbours and join as well
    assert score_2023(reference, cube(2, 2, 2) | cube(2, 2, 7), MM).lesions == 1
    # three voxels between them: apart
    assert score_2023(reference, cube(2, 2, 2) | cube(2, 2, 8), MM).lesions == 2


def test_2023_matches_what_touches_the_dilated_lesion():
    reference = cube(5, 5, 5)
    beside = cube(5, 5, 8)  # next to it, in the dilated rim
    apart = cube(5, 5, 9)
    touching = score_2023(beside, reference, MM)
    assert (touching.found, touching.false_positives, touching.dice) == (1, 0, 0.0)
    assert touching.hd95_mm < 5
    missing = score_2023(apart, reference, MM)
    assert (missing.found, missing.false_positives) == (0, 1)


def test_2023_compares_with_the_union_of_all_matches():
    reference = cube(5, 5, 5, size=(3, 3, 7))
    prediction = cube(5, 5, 5, size=(3, 3, 2)) | cube(5, 5, 10, size=(3, 3, 2))
    score = score_2023(prediction, reference, MM)
    assert score.per_lesion[0].matched == (1, 2)
    assert score.dice == pytest.approx(2 * 36 / (36 + 63))


def test_2023_drops_lesions_of_two_cubic_millimetres_but_no_false_positive():
    tiny = cube(3, 3, 3, size=(1, 1, 2))
    assert score_2023(empty(SHAPE), tiny, MM).dice == 1.0
    found = score_2023(tiny, tiny, MM)
    assert (found.lesions, found.false_positives, found.dice) == (0, 0, 1.0)
    assert not found.per_lesion[0].counted
    wrong = score_2023(tiny, empty(SHAPE), MM)
    assert (wrong.false_positives, wrong.dice, wrong.hd95_mm) == (1, 0.0, 374.0)
    assert score_2023(empty(SHAPE), cube(3, 3, 3, size=(1, 1, 3)), MM).lesions == 1
    assert score_2023(empty(SHAPE), tiny, (1.0, 1.0, 1.5)).lesions == 1


@given(pairs())
def test_dilation_reaches_all_26_neighbours(masks):
    mask = masks[0]
    expected = np.zeros_like(mask)
    wide = np.pad(mask, 1)
    d, h, w = mask.shape
    for z, y, x in itertools.product(range(3), repeat=3):
        expected |= wide[z : z + d, y : y + h, x : x + w]
    np.testing.assert_array_equal(dilate(mask), expected)


@given(pairs())
def test_merged_lesions_hold_the_mask_and_nothing_else(masks):
    merged = merge_by_dilation(masks[0])
    np.testing.assert_array_equal(merged.labels > 0, masks[0])
    assert merged.count == components(dilate(masks[0]))[0].max()


# --- 2025


def test_2025_scores_large_lesions_and_counts_small_ones():
    large, missed = cube(2, 2, 2), cube(12, 2, 2)
    small, small_missed = cube(2, 12, 2, size=(2, 2, 2)), cube(12, 12, 2, size=(2, 2, 2))
    wrong, small_wrong = cube(2, 2, 12), cube(12, 12, 12, size=(2, 2, 2))
    score = score_2025(
        large | small | wrong | small_wrong, large | missed | small | small_missed, MM
    )
    assert (score.large_lesions, score.large_found, score.large_false_positives) == (2, 1, 1)
    assert (score.small_lesions, score.small_found, score.small_false_positives) == (2, 1, 1)
    assert score.dice == score.nsd_1 == pytest.approx(1 / 3)
    assert score.hd95_mm == pytest.approx(2 * 373 / 3)
    assert score.small_f1 == pytest.approx(2 / (2 + 1 + 1))


def test_2025_calls_twenty_cubic_millimetres_large():
    lesion = cube(2, 2, 2, size=(1, 4, 5))
    assert score_2025(lesion, lesion, MM).large_lesions == 1
    assert score_2025(lesion, lesion, (0.9, 1.0, 1.0)).small_lesions == 1


def test_2025_matches_one_to_one():
    reference = cube(5, 5, 5, size=(3, 3, 7))
    prediction = cube(5, 5, 5, size=(3, 3, 2)) | cube(5, 5, 9, size=(3, 3, 3))
    score = score_2025(prediction, reference, MM)
    assert score.per_lesion[0].matched == (2,)
    assert score.per_lesion[0].dice == pytest.approx(2 * 27 / (27 + 63))
    # the other half overlaps the lesion, yet is a small false positive
    assert (score.large_false_positives, score.small_false_positives) == (0, 1)


def test_2025_finds_small_lesions_from_a_tenth_on():
    small = cube(5, 5, 5, size=(1, 1, 2))
    enough = score_2025(cube(5, 5, 5, size=(1, 1, 15)), small, MM)
    assert enough.per_lesion[0].dice == pytest.approx(4 / 17)
    assert enough.small_f1 == 1.0
    little = score_2025(cube(5, 5, 5, size=(4, 4, 4)), small, MM)
    assert little.per_lesion[0].dice == pytest.approx(4 / 66)
    assert (little.small_found, little.small_false_positives, little.small_f1) == (0, 1, 0.0)


@given(pairs())
def test_2025_matching_maximises_the_sum_of_dice(masks):
    ours, theirs = (label_components(mask) for mask in masks)
    if ours.count > 5 or theirs.count > 5:
        return
    table = np.zeros((theirs.count, max(ours.count, 1)))
    for i, j in itertools.product(range(theirs.count), range(ours.count)):
        one, other = theirs.labels == i + 1, ours.labels == j + 1
        table[i, j] = 2 * (one & other).sum() / (one.sum() + other.sum())
    found = match_by_dice(ours, theirs)
    assert all(table[i - 1, j - 1] == pytest.approx(d) for i, (j, d) in found.items())
    assert len({j for j, _ in found.values()}) == len(found)
    short, long = sorted(table.shape)
    wide = table if table.shape[0] == short else table.T
    best = max(
        (
            sum(wide[i, j] for i, j in enumerate(order))
            for order in itertools.permutations(range(long), short)
        ),
        default=0.0,
    )
    assert sum(d for _, d in found.values()) == pytest.approx(best)
