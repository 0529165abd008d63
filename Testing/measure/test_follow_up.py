from __future__ import annotations

import numpy as np
import pytest

from ParetoSegLib.measure.follow_up import categorise, compare_time_points
from Testing.measure.masks import MM, ball

SHAPE = (40, 60, 100)


def lesion(radius: float, x: float = 25.0) -> np.ndarray:
    return ball((20, 30, x), radius, SHAPE)


NOTHING = np.zeros(SHAPE, bool)


@pytest.mark.parametrize(
    ("before", "after", "category"),
    [
        (lesion(8), lesion(8), "SD"),
        (lesion(8), lesion(7), "SD"),
        (lesion(10), lesion(6), "PR"),
        (lesion(8), NOTHING, "CR"),
        (lesion(8), lesion(11), "PD"),
        (lesion(8), lesion(8) | lesion(3, 70), "PD"),
        (NOTHING, lesion(3), "PD"),
        (lesion(3), lesion(3), "n/a"),
        (NOTHING, NOTHING, "n/a"),
    ],
)
def test_the_category_of_two_scans(before, after, category):
    assert compare_time_points(before, after, MM).category == category


@pytest.mark.parametrize(
    ("baseline", "now", "lowest", "growth", "new", "category"),
    [
        (50, 35, 35, 0, False, "PR"),
        (50, 35.1, 35.1, 0, False, "SD"),
        (50, 60, 50, 5, False, "PD"),
        (50, 60, 50, 4.9, False, "SD"),
        (50, 59.9, 50, 9, False, "SD"),
        # from the smallest sum: still a response by baseline, yet it grows again
        (50, 30, 20, 10, False, "PD"),
        (50, 0, 0, 0, False, "CR"),
        (50, 0, 0, 0, True, "PD"),
    ],
)
def test_the_limits(baseline, now, lowest, growth, new, category):
    assert categorise(baseline, now, lowest, growth, new) == category


def test_lesions_are_followed_by_place():
    before = lesion(8, 20) | lesion(6, 60)
    after = lesion(6, 60) | lesion(5, 21)
    found = compare_time_points(before, after, MM)
    assert found.new == ()
    assert len(found.changes) == 2
    by_size = sorted(found.changes, key=lambda change: -change.baseline.volume_cc)
    assert by_size[0].change_mm == pytest.approx(-6, abs=1.5)
    assert by_size[0].volume_change_cc < -1
    assert by_size[1].change_mm == 0
    assert found.relative_change == pytest.approx(-6 / 28, abs=0.05)


def test_a_gap_up_to_the_reach_is_the_same_lesion():
    before = lesion(6, 30)
    near = compare_time_points(before, lesion(6, 45), MM)  # 3 mm between the surfaces
    far = compare_time_points(before, lesion(6, 47), MM)
    assert (near.new, near.category) == ((), "SD")
    assert (len(far.new), far.category) == (1, "PD")
    assert far.changes[0].later == ()


def test_a_lesion_that_falls_apart_keeps_its_parts():
    found = compare_time_points(lesion(10, 50), lesion(3, 44) | lesion(4, 56), MM)
    (change,) = found.changes
    assert len(change.later) == 2
    assert found.new == ()
    assert change.longest_mm == max(one.longest_mm for one in change.later)


def test_lesions_that_merge_are_measured_once():
    found = compare_time_points(lesion(7, 30) | lesion(8, 55), lesion(14, 45), MM)
    assert found.new == ()
    assert sum(len(change.later) for change in found.changes) == 1


def test_growth_counts_from_the_smallest_sum_so_far():
    before, now = lesion(10), lesion(9)
    assert compare_time_points(before, now, MM).category == "SD"
    regrown = compare_time_points(before, now, MM, smallest_sum_mm=10.0, smallest_longest_mm=[10.0])
    assert regrown.category == "PD"
    with pytest.raises(ValueError, match="2 diameters for 1 lesions"):
        compare_time_points(before, now, MM, 10.0, [10.0, 5.0])
