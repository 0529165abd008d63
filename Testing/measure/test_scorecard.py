from __future__ import annotations

import numpy as np
import pytest

from ParetoSegLib.core.geometry import Grid
from ParetoSegLib.measure.calibration import BAND_MM
from ParetoSegLib.measure.lesions import find_lesions
from ParetoSegLib.measure.scorecard import METRICS, Uncertainty, score_missing, score_region
from ParetoSegLib.method.fuzzy import membership_of
from Testing.measure.masks import MM, ball, empty

SHAPE = (32, 40, 44)
GRID = Grid(SHAPE, MM, (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1, 0, 0, 0, 1))
REFERENCE = ball((14, 14, 14), 7, SHAPE) | ball((24, 30, 34), 4, SHAPE)
BRAIN = np.ones(SHAPE, bool)

BEST = {"higher": max, "lower": min, "nearer 0": lambda values: min(values, key=abs)}


def scored(mask: np.ndarray, hard: bool = False, reference: np.ndarray = REFERENCE):
    membership = mask.astype(np.float32) if hard else membership_of(mask, MM)
    lesions = find_lesions({"tc": membership}, GRID, ("tc",))
    given = Uncertainty(membership, BRAIN, mask | reference, membership_of(reference, MM))
    return score_region(mask, reference, MM, given, lesions, is_lesion_region=True)


def test_a_perfect_prediction_is_the_best_in_every_metric():
    perfect = scored(REFERENCE, hard=True).metrics()
    ideal = {"hd95_mm": 0, "lw23_hd95_mm": 0, "lw25_hd95_mm": 0, "false_positives": 0}
    for name, metric in METRICS.items():
        expected = 0.0 if metric.better != "higher" else 1.0
        if name in ("lw25_small_f1", "rater_correlation", "truth_correlation"):
            continue  # no small lesions, no raters, and a hard mask has no spread of confidence
        assert perfect[name] == pytest.approx(ideal.get(name, expected)), name
    assert scored(REFERENCE).metrics()["truth_correlation"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    "worse",
    [
        np.roll(REFERENCE, 2, 1),
        ball((14, 14, 14), 7, SHAPE),
        REFERENCE | ball((8, 30, 34), 4, SHAPE),
        ball((14, 14, 14), 5, SHAPE),
    ],
    ids=["moved", "one missed", "one too many", "small and one missed"],
)
def test_no_metric_prefers_a_worse_prediction(worse):
    right, wrong = scored(REFERENCE, hard=True).metrics(), scored(worse, hard=True).metrics()
    for name, metric in METRICS.items():
        if right[name] is not None and wrong[name] is not None:
            best = BEST[metric.better]([right[name], wrong[name]])
            assert right[name] == pytest.approx(best, abs=1e-6), name
    assert wrong["dice"] < 1


def test_every_metric_is_named_ruled_and_valued():
    assert set(scored(REFERENCE).metrics()) == set(METRICS)
    assert all(len(metric.rule) > 20 for metric in METRICS.values())
    assert f"{BAND_MM:g} mm" in METRICS["ece_band"].rule


def test_without_membership_what_needs_it_is_not_available():
    values = score_region(REFERENCE, REFERENCE, MM).metrics()
    assert values["dice"] == 1.0
    for name in ("ece_brain", "brier_band", "qu_brats", "interval_coverage", "truth_correlation"):
        assert values[name] is None


def test_a_missing_prediction_counts_as_the_worst():
    missing = score_missing(REFERENCE, MM, is_lesion_region=True)
    values = missing.metrics()
    nothing = scored(empty(SHAPE)).metrics()
    for name in ("dice", "nsd_05", "nsd_1", "hd95_mm", "lw23_dice", "lw23_hd95_mm", "sensitivity"):
        assert values[name] == nothing[name], name
    assert values["false_positives"] is None
    assert values["volume_error_cc"] is None
    assert missing.reference_diameters_mm > 10


def test_a_missing_prediction_is_no_success_where_there_is_no_tumour():
    values = score_missing(empty(SHAPE), MM).metrics()
    assert (values["dice"], values["lw23_dice"], values["lw23_hd95_mm"]) == (0.0, 0.0, 374.0)
    assert values["hd95_mm"] > 60
    assert scored(empty(SHAPE), reference=empty(SHAPE)).metrics()["dice"] == 1.0


def test_candidates_enter_the_froc_curve_but_not_the_operating_point():
    weak = 0.3 * ball((24, 30, 34), 4, SHAPE).astype(np.float32)
    membership = np.maximum(membership_of(ball((14, 14, 14), 7, SHAPE), MM), weak)
    lesions = find_lesions({"tc": membership}, GRID, ("tc",))
    given = Uncertainty(membership, BRAIN, REFERENCE)
    score = score_region(membership >= 0.5, REFERENCE, MM, given, lesions, True)
    assert [lesion.found for lesion in score.detection.lesions] == [True, False]
    assert [lesion.score for lesion in score.detection.lesions] == pytest.approx([1.0, 0.3])
    assert score.detection.false_scores == ()
    assert score.metrics()["sensitivity"] == 0.5


def test_raters_replace_the_reference_in_the_interval():
    membership = membership_of(REFERENCE, MM)
    lesions = find_lesions({"tc": membership}, GRID, ("tc",))
    huge = ball((14, 14, 14), 11, SHAPE)
    given = Uncertainty(membership, BRAIN, REFERENCE, raters=[REFERENCE, huge])
    score = score_region(REFERENCE, REFERENCE, MM, given, lesions, True)
    assert [check.observer for check in score.intervals] == [0, 0, 1]
    assert [check.inside for check in score.intervals] == [True, True, False]
