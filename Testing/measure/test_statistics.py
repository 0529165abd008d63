from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ParetoSegLib.measure.statistics import (
    PairedDifference,
    Summary,
    bootstrap_interval,
    compare_paired,
    partial_correlation,
    pearson,
    spearman,
    summarise,
)

VALUES = st.lists(st.floats(-100, 100), min_size=1, max_size=12)


@given(VALUES, st.integers(0, 5))
def test_the_interval_is_inside_the_values_and_repeats_with_its_seed(values, seed):
    array = np.array(values)
    low, high = bootstrap_interval(array, seed=seed, resamples=200)
    assert min(values) - 1e-9 <= low <= high <= max(values) + 1e-9
    assert (low, high) == bootstrap_interval(array, seed=seed, resamples=200)


@given(VALUES, st.floats(-50, 50))
def test_the_interval_moves_with_the_values(values, shift):
    low, high = bootstrap_interval(np.array(values), seed=1, resamples=200)
    moved = bootstrap_interval(np.array(values) + shift, seed=1, resamples=200)
    assert moved == pytest.approx((low + shift, high + shift), abs=1e-6)


def test_the_interval_covers_the_mean_about_nineteen_times_in_twenty():
    rng = np.random.default_rng(0)
    held = 0
    for seed in range(300):
        low, high = bootstrap_interval(rng.normal(3, 1, 40), seed=seed, resamples=500)
        held += low <= 3 <= high
    assert 0.9 <= held / 300 <= 0.98


def test_cases_of_a_patient_are_drawn_together():
    values = np.repeat([0.0, 1.0], 20)
    apart = bootstrap_interval(values, seed=0)
    together = bootstrap_interval(values, np.repeat([0, 1], 20), seed=0)
    assert apart[1] - apart[0] < 0.4
    assert together == (0.0, 1.0)


def test_a_summary_leaves_out_what_is_not_available():
    found = summarise([1.0, None, 2.0, 6.0])
    assert (found.n, found.mean, found.median) == (3, 3.0, 2.0)
    assert found.low < 3.0 < found.high
    assert summarise([None, None]) == Summary(0, None, None, None, None)
    assert summarise([2.0]) == Summary(1, 2.0, 2.0, 2.0, 2.0)


def test_a_steady_difference_is_seen_and_a_common_spread_is_not():
    rng = np.random.default_rng(3)
    difficulty = rng.normal(0, 10, 30)
    better = (difficulty + 0.5 + rng.normal(0, 0.1, 30)).tolist()
    found = compare_paired(better, difficulty.tolist())
    assert found.n == 30
    assert 0.4 < found.low < found.mean < found.high < 0.6
    assert found.p_value < 1e-5


def test_no_difference_is_no_evidence():
    same = compare_paired([1.0, 2.0, None], [1.0, 2.0, 5.0])
    assert same == PairedDifference(2, 0.0, 0.0, 0.0, 1.0)
    assert compare_paired([None], [1.0]).p_value is None
    with pytest.raises(ValueError, match="zip"):
        compare_paired([1.0], [1.0, 2.0])


def test_wilcoxon_by_hand():
    # all five differences positive and distinct: p = 2 / 2**5
    found = compare_paired([1.1, 2.2, 3.3, 4.4, 5.5], [1.0, 2.0, 3.0, 4.0, 5.0])
    assert found.p_value == pytest.approx(2 / 32)


def test_wilcoxon_bears_ties_and_zeros():
    assert 0 < compare_paired([1.0] * 6 + [0.0] * 4, [0.0] * 10).p_value < 0.1


def test_rank_correlation_sees_any_monotone_relation():
    x = np.linspace(1, 5, 20)
    assert spearman(x, np.exp(x)) == pytest.approx(1.0)
    assert spearman(x, -(x**3)) == pytest.approx(-1.0)
    assert pearson(x, np.exp(x)) < 0.95
    assert spearman(x, np.ones(20)) is None
    assert pearson(x, np.full(20, 0.1)) is None
    assert spearman(x[:2], x[:2]) is None


def test_partial_correlation_takes_out_what_is_held():
    rng = np.random.default_rng(0)
    size = rng.normal(size=2000)
    first, second = size + rng.normal(size=2000), size + rng.normal(size=2000)
    assert spearman(first, second) > 0.4
    assert abs(partial_correlation(first, second, size)) < 0.08
    assert partial_correlation(first, first, size) == pytest.approx(1.0)
    assert partial_correlation(size, first, size) is None
