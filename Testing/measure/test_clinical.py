from __future__ import annotations

import numpy as np
import pytest

from ParetoSegLib.measure.clinical import TARGETS, measure_lesions, sum_of_diameters_mm, targets
from Testing.measure.masks import MM, ball, block

SHAPE = (40, 60, 60)


def test_a_ball_measures_its_diameter_and_volume():
    (lesion,) = measure_lesions(ball((20, 30, 30), 8, SHAPE), MM)
    assert lesion.longest_mm == pytest.approx(16, abs=1.5)
    assert lesion.volume_cc == pytest.approx(4 / 3 * np.pi * 0.8**3, rel=0.03)
    assert lesion.diameters.measurable


def test_small_thin_and_single_slice_lesions_are_no_targets():
    small = ball((10, 10, 10), 3, SHAPE)
    thin = block((10, 40, 10), (5, 3, 20), SHAPE)
    flat = block((30, 30, 30), (1, 15, 15), SHAPE)
    large = ball((25, 40, 15), 7, SHAPE)
    found = measure_lesions(small | thin | flat | large, MM)
    assert len(found) == 4
    (target,) = targets(found)
    assert target.longest_mm == pytest.approx(14, abs=1.5)
    assert sum_of_diameters_mm(found) == target.longest_mm


def test_at_most_five_targets_the_largest_first():
    mask = np.zeros((20, 40, 160), bool)
    for i, radius in enumerate((6, 9, 7, 8, 6.5, 7.5, 5.5)):
        mask |= ball((10, 15, 12 + 22 * i), radius, mask.shape)
    found = targets(measure_lesions(mask, MM))
    assert len(found) == TARGETS
    longest = [lesion.longest_mm for lesion in found]
    assert longest == sorted(longest, reverse=True)
    assert min(longest) > 2 * 6


def test_no_lesion_no_sum():
    assert measure_lesions(np.zeros(SHAPE, bool), MM) == ()
    assert sum_of_diameters_mm(()) == 0.0
