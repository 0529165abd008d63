from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from ParetoSegLib.measure.detection import (
    FROC_RATES,
    Detection,
    FoundLesion,
    detect,
    equivalent_diameter_mm,
    false_positives_per_scan,
    froc,
    sensitivity_by_size,
    size_bin,
)
from Testing.measure.masks import MM, ball, block, empty, pairs


@given(pairs())
def test_a_perfect_prediction_finds_all_and_nothing_else(masks):
    mask = masks[0]
    found = detect(mask, mask, MM)
    assert all(lesion.found for lesion in found.lesions)
    assert found.false_positives == 0


@given(pairs())
def test_nothing_predicted_finds_nothing(masks):
    found = detect(empty(masks[0].shape), masks[0], MM)
    assert not any(lesion.found for lesion in found.lesions)
    assert found.false_positives == 0


def test_one_voxel_of_overlap_is_enough_and_beside_is_not():
    lesion = block((4, 4, 4), (2, 2, 2))
    assert detect(block((5, 5, 5), (3, 3, 3)), lesion, MM).lesions[0].found
    beside = detect(block((6, 4, 4), (2, 2, 2)), lesion, MM)
    assert not beside.lesions[0].found
    assert beside.false_positives == 1


def test_one_prediction_may_find_two_lesions():
    lesions = block((2, 2, 2), (2, 2, 2)) | block((2, 2, 7), (2, 2, 2))
    found = detect(block((2, 2, 2), (1, 1, 8)), lesions, MM)
    assert [lesion.found for lesion in found.lesions] == [True, True]
    assert found.false_positives == 0


def test_the_diameter_is_that_of_the_sphere():
    assert equivalent_diameter_mm(4 / 3 * np.pi * 5**3) == pytest.approx(10.0)
    measured = detect(empty((24, 24, 24)), ball((12, 12, 12), 8), MM).lesions[0].diameter_mm
    assert measured == pytest.approx(16, rel=0.02)
    coarse = detect(empty(), block((4, 4, 4), (1, 2, 3)), (5.0, 1.0, 1.0)).lesions[0]
    assert coarse.diameter_mm == pytest.approx(equivalent_diameter_mm(30.0))


@pytest.mark.parametrize(
    ("diameter", "name"),
    [(0.5, "< 3 mm"), (3, "3–6 mm"), (6, "6–10 mm"), (9.999, "6–10 mm"), (10, "≥ 10 mm")],
)
def test_bins_hold_their_lower_bound(diameter, name):
    assert size_bin(diameter) == name


def test_sensitivity_pools_the_lesions_of_all_cases():
    cases = [
        Detection((FoundLesion(2.0, True), FoundLesion(12.0, False)), 3),
        Detection((FoundLesion(2.5, False), FoundLesion(11.0, True)), 0),
        Detection((FoundLesion(4.0, False),), None),
    ]
    by_size = sensitivity_by_size(cases)
    assert by_size["< 3 mm"].rate == 0.5
    assert by_size["3–6 mm"].rate == 0.0
    assert by_size["6–10 mm"].rate is None
    assert by_size["all"].rate == pytest.approx(2 / 5)
    # the third case has no prediction to count false positives in
    assert false_positives_per_scan(cases) == 1.5
    assert false_positives_per_scan([]) is None


def test_detections_give_lesions_their_best_score():
    lesions = block((2, 2, 2), (2, 2, 2)) | block((8, 8, 8), (2, 2, 2))
    detections = np.zeros(lesions.shape, np.int32)
    detections[2, 2, 2], detections[3, 3, 3], detections[0, 0, 11] = 1, 2, 3
    found = detect(lesions, lesions, MM, detections, {1: 0.4, 2: 0.9, 3: 0.7})
    assert [lesion.score for lesion in found.lesions] == [0.9, None]
    assert found.false_scores == (0.7,)


def test_froc_by_hand():
    # two scans, three lesions (0.9, 0.6, never), false detections at 0.8 and 0.3
    cases = [
        Detection((FoundLesion(5, True, 0.9), FoundLesion(5, False, None)), 1, (0.8,)),
        Detection((FoundLesion(5, True, 0.6),), 1, (0.3,)),
    ]
    curve = froc(cases)
    assert curve.thresholds == (0.9, 0.8, 0.6, 0.3)
    assert curve.false_positives == (0.0, 0.5, 0.5, 1.0)
    assert curve.sensitivities == pytest.approx((1 / 3, 1 / 3, 2 / 3, 2 / 3))
    expected = [1 / 3 if rate < 0.5 else 2 / 3 for rate in FROC_RATES]
    assert curve.at_rates == pytest.approx(tuple(expected))
    assert curve.score == pytest.approx(np.mean(expected))


def test_froc_without_lesions_or_scores_is_not_available():
    assert froc([Detection((), 0, (0.7,))]) is None
    assert froc([Detection((FoundLesion(5, True),), 0)]) is None


def test_a_froc_of_all_found_and_no_false_detection_is_1():
    assert froc([Detection((FoundLesion(5, True, 0.7),), 0, ())]).score == 1.0
    # every lesion out of reach: the curve has no point, and the score is 0
    assert froc([Detection((FoundLesion(5, False, None),), 0, ())]).score == 0.0
