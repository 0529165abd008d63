from __future__ import annotations

import numpy as np
import pytest

from ParetoSegLib.measure.calibration import boundary_band
from ParetoSegLib.measure.observers import correlation_with_raters, correlation_with_truth
from ParetoSegLib.method.fuzzy import membership_of
from Testing.measure.masks import MM, ball

LESION = ball((12, 12, 12), 7)
BAND = boundary_band(LESION, MM)
TRUTH = membership_of(LESION, MM)


def test_the_truth_correlates_with_itself():
    assert correlation_with_truth(TRUTH, TRUTH, BAND) == pytest.approx(1.0)


def test_confidence_where_it_is_fuzzy_correlates_negatively():
    upside_down = np.where(np.abs(2 * TRUTH - 1) < 0.6, 1.0, 0.5)
    assert correlation_with_truth(upside_down, TRUTH, BAND) < 0


def test_noise_does_not_correlate():
    noise = np.random.default_rng(1).random(TRUTH.shape)
    assert abs(correlation_with_truth(noise, TRUTH, BAND)) < 0.1


def test_raters_disagree_at_the_boundary():
    raters = [ball((12, 12, 12), r) for r in (5.6, 6.3, 7.0, 7.7, 8.4)]
    shuffled = np.random.default_rng(1).permutation(TRUTH[BAND])
    elsewhere = TRUTH.copy()
    elsewhere[BAND] = shuffled
    found = correlation_with_raters(TRUTH, raters, BAND)
    assert found > 0.5
    assert abs(correlation_with_raters(elsewhere, raters, BAND)) < 0.1


def test_one_rater_has_no_spread_and_agreement_has_no_correlation():
    assert correlation_with_raters(TRUTH, [LESION], BAND) is None
    assert correlation_with_raters(TRUTH, [LESION, LESION], BAND) is None
