from __future__ import annotations

import numpy as np
import pytest

from ParetoSegLib.measure.coverage import IntervalCheck, check_intervals, coverage
from Testing.measure.masks import MM, block, empty


def territories():
    labels = np.zeros((12, 12, 12), np.int32)
    labels[:6, :5], labels[:6, 7:], labels[8:] = 1, 2, 3
    return labels


INTERVALS = {1: (0.005, 0.010), 2: (0.020, 0.030)}


def test_the_reference_volume_of_each_lesion_is_compared_with_its_interval():
    reference = block((1, 1, 1), (2, 2, 2)) | block((1, 8, 1), (2, 2, 2))
    checks = check_intervals(territories(), INTERVALS, [reference], MM)
    assert [(c.lesion, c.inside) for c in checks] == [(1, True), (2, False)]
    assert [c.volume_cc for c in checks] == pytest.approx([0.008, 0.008])
    assert coverage(checks) == 0.5


def test_a_component_goes_whole_to_the_lesion_it_overlaps_most():
    across = block((1, 2, 1), (1, 6, 1))  # three voxels in the first, one in the second
    checks = check_intervals(territories(), INTERVALS, [across], MM)
    assert [(c.lesion, c.volume_cc) for c in checks] == [(1, pytest.approx(0.006))]


def test_parts_of_a_lesion_add_up():
    parts = block((1, 1, 1), (1, 1, 3)) | block((4, 1, 1), (1, 1, 4))
    checks = check_intervals(territories(), INTERVALS, [parts], MM)
    assert [(c.lesion, c.volume_cc) for c in checks] == [(1, pytest.approx(0.007))]


def test_each_rater_counts():
    raters = [block((1, 1, 1), (n, 2, 2)) for n in (1, 2, 3)]
    checks = check_intervals(territories(), INTERVALS, raters, MM)
    assert [(c.observer, c.inside) for c in checks] == [(0, False), (1, True), (2, False)]


def test_missed_lesions_candidates_and_false_positives_take_no_part():
    in_candidate = block((9, 1, 1), (2, 2, 2))
    beyond = block((7, 1, 1), (1, 1, 1))
    assert check_intervals(territories(), INTERVALS, [in_candidate, beyond, empty()], MM) == ()
    assert coverage(()) is None


def test_the_bounds_count():
    assert IntervalCheck(1, 0, 0.3, 0.1 + 0.2, 0.5).inside
    assert IntervalCheck(1, 0, 0.1 + 0.2, 0.1, 0.3).inside
    assert not IntervalCheck(1, 0, 0.301, 0.1, 0.3).inside
