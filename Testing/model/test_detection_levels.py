"""From which peak on a spot is called a lesion."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ParetoSegLib.core.labels import REGIONS
from ParetoSegLib.model.calibration import Calibration
from ParetoSegLib.model.detection_levels import (
    FEWEST,
    LOST,
    Spot,
    find_spots,
    fit_peaks,
    fit_slopes,
)

KEY = "t1c"
peaks = st.floats(0, 10, allow_nan=False, width=16)
spots = st.builds(
    lambda real, false: [
        *(Spot(KEY, "tc", p, True) for p in real),
        *(Spot(KEY, "tc", p, False) for p in false),
    ],
    st.lists(peaks, min_size=FEWEST, max_size=25),
    st.lists(peaks, min_size=FEWEST, max_size=25),
)


def errors(level: float, seen: list[Spot]) -> int:
    """False spots kept, and real ones lost, which count twice."""
    lost = sum(spot.real and spot.peak < level for spot in seen)
    return LOST * lost + sum(not spot.real and spot.peak >= level for spot in seen)


def alone(seen: list[Spot]) -> float:
    """The level of one set of sequences, which then is that of all sets, too."""
    return fit_peaks(seen).get((KEY, "tc"), 0.0)


@given(spots)
def test_no_other_level_has_fewer_errors(seen):
    level = alone(seen)
    trials = [0.0, *(s.peak for s in seen), *(np.nextafter(s.peak, np.inf) for s in seen)]
    assert errors(level, seen) == min(errors(trial, seen) for trial in trials)


@given(spots)
def test_order_does_not_matter(seen):
    assert fit_peaks(seen) == fit_peaks(seen[::-1])


@pytest.mark.parametrize("real", [True, False])
def test_one_kind_alone_doubts_nothing(real):
    few = [Spot(KEY, "tc", 9.0, not real)] * (FEWEST - 1)
    assert alone([Spot(KEY, "tc", float(p), real) for p in range(50)] + few) == 0


def test_false_spots_below_real_ones_are_doubted():
    false = [Spot(KEY, "tc", p / 10, False) for p in range(20)]
    real = [Spot(KEY, "tc", 3 + p / 10, True) for p in range(20)]
    assert 1.9 < alone(false + real) < 3


def test_more_spots_move_a_set_of_sequences_to_its_own_level():
    def shown(key: str, border: float, count: int) -> list[Spot]:
        values = np.linspace(0, 8, count)
        return [Spot(key, "tc", float(p), bool(p > border)) for p in values]

    common = shown("t1c+t2f", 2.0, 4000)
    levels = [fit_peaks(common + shown(KEY, 6.0, n))[KEY, "tc"] for n in (5, 20, 100, 400)]
    assert (np.diff(levels) > -0.01).all()
    assert levels[0] < 3.5
    assert abs(levels[-1] - 6.0) < 0.3


def test_spots_are_components_with_their_peak_and_truth():
    logits = np.full((3, 6, 8, 9), -4.0, np.float32)
    logits[1, 1:3, 1:3, 1:3] = 1.0
    logits[1, 2, 2, 2] = 3.0
    logits[1, 4, 6, 6:8] = 0.5
    hard = np.zeros((6, 8, 9), bool)
    hard[0:2, 0:2, 0:2] = True
    found = find_spots(logits, {"tc": hard}, KEY, 1.0)
    assert sorted((s.peak, s.real, s.volume_mm3) for s in found) == [
        (0.5, False, 2.0),
        (3.0, True, 8.0),
    ]
    assert {(s.key, s.region) for s in found} == {(KEY, "tc")}
    assert find_spots(logits, {"tc": hard}, KEY, 300.0) == []


@settings(max_examples=30, deadline=None)
@given(
    scale=st.floats(0.5, 2), shift=st.floats(-0.5, 0.5), logit=st.floats(0, 3), seed=st.integers(0)
)
def test_a_calibration_keeps_spots_that_reach_the_logit_and_no_others(scale, shift, logit, seed):
    pair = {KEY: dict.fromkeys(REGIONS, (scale, shift)), "any": dict.fromkeys(REGIONS, (1.0, 0.0))}
    levels = {(KEY, region): logit for region in REGIONS}
    calibration = Calibration(pair).with_peaks(levels)
    assert Calibration.from_json(calibration.to_json()) == calibration
    heights = np.random.default_rng(seed % 2**32).uniform(0, 5, 4).astype(np.float32)
    logits = np.full((3, 5, 5, 24), -9.0, np.float32)
    for number, height in enumerate(heights):
        logits[:, 2, 2, 6 * number + 2] = height
    plain = calibration.apply(logits, KEY)
    settled = calibration.settle(plain.copy(), KEY, 1.0)
    assert (settled <= plain).all()
    assert (settled[0] <= settled[1]).all()
    assert (settled[1] <= settled[2]).all()
    for number, height in enumerate(heights):
        spot = settled[:, 2, 2, 6 * number + 2]
        reached = plain[0, 2, 2, 6 * number + 2]
        if reached >= 0.5 and abs(height - logit) > 1e-3 and reached < 0.98:
            assert (spot >= 0.5).all() == (height > logit)


def test_the_core_decides():
    """Enhancement goes with a doubted core; a kept core stays inside the whole tumour."""
    values = {"any": dict.fromkeys(REGIONS, (1.0, 0.0))}
    doubted_core = Calibration(values, {"any": {"tc": (0.9, 0.0)}})
    doubted_rest = Calibration(values, {"any": {"wt": (0.95, 0.0)}})
    field = np.zeros((3, 3, 3, 3), np.float32)
    field[:, 1, 1, 1] = (0.8, 0.85, 0.93)
    et, tc, wt = doubted_core.settle(field.copy(), "any", 1.0)[:, 1, 1, 1]
    assert et <= tc < 0.5 < wt
    et, tc, wt = doubted_rest.settle(field.copy(), "any", 1.0)[:, 1, 1, 1]
    assert wt == tc == np.float32(0.85)


def test_a_set_of_sequences_that_was_not_seen_takes_the_common_level():
    false = [Spot(KEY, "tc", p / 10, False) for p in range(20)]
    real = [Spot(KEY, "tc", 3 + p / 10, True) for p in range(20)]
    pair = dict.fromkeys(REGIONS, (1.0, 0.0))
    calibration = Calibration({"any": pair, KEY: pair}).with_peaks(fit_peaks(false + real))
    assert calibration.level("t1c+t2w", "tc") == calibration.level(KEY, "tc") > (0.5, 0.0)
    assert calibration.level("t1c+t2w", "wt") == (0.5, 0.0)
    assert Calibration.from_json(calibration.to_json()) == calibration


sized = st.builds(
    lambda peaks, volumes, real: [
        Spot(KEY, "tc", p, r, v) for p, v, r in zip(peaks, volumes, real, strict=True)
    ],
    st.lists(peaks, min_size=40, max_size=40),
    st.lists(st.floats(1, 500), min_size=40, max_size=40),
    st.permutations([True] * 20 + [False] * 20),
)


@settings(max_examples=30, deadline=None)
@given(sized)
def test_no_other_slope_puts_more_pairs_in_order(seen):
    def in_order(slope):
        return sum(
            (a.score(slope) > b.score(slope)) + (a.score(slope) == b.score(slope)) / 2
            for a in seen
            for b in seen
            if a.real and not b.real
        )

    slope = fit_slopes(seen)["tc"]
    assert in_order(slope) == max(in_order(trial) for trial in np.arange(0, 2.01, 0.05))


def test_where_size_tells_them_apart_it_counts():
    """Real and false spots with the same peaks: the real ones are larger."""
    rng = np.random.default_rng(0)
    same = rng.uniform(0, 4, 60)
    real = [
        Spot(KEY, "tc", p, True, v) for p, v in zip(same, rng.uniform(60, 300, 60), strict=True)
    ]
    false = [
        Spot(KEY, "tc", p, False, v) for p, v in zip(same, rng.uniform(2, 20, 60), strict=True)
    ]
    slopes = fit_slopes(real + false)
    assert slopes["tc"] > 0.5
    assert slopes["wt"] == 0.0
    level = fit_peaks(real + false, slopes)[KEY, "tc"]
    kept = [s.real for s in real + false if s.score(slopes["tc"]) >= level]
    assert sum(kept) >= 55
    assert len(kept) - sum(kept) <= 8


@pytest.mark.parametrize("few", [True, False])
def test_too_few_spots_have_no_slope(few):
    count = FEWEST - 1 if few else FEWEST
    spots = [Spot(KEY, "tc", 1.0, bool(n % 2), 1.0 + 99 * (n % 2)) for n in range(2 * count)]
    assert (fit_slopes(spots)["tc"] == 0.0) is few


@settings(max_examples=40, deadline=None)
@given(
    scale=st.floats(0.5, 2),
    shift=st.floats(-0.5, 0.5),
    logit=st.floats(-1, 3),
    slope=st.floats(0.05, 2),
    height=st.floats(0.6, 5),
    side=st.integers(1, 7),
)
def test_a_calibration_keeps_what_scores_enough(scale, shift, logit, slope, height, side):
    pair = {KEY: dict.fromkeys(REGIONS, (scale, shift)), "any": dict.fromkeys(REGIONS, (1.0, 0.0))}
    levels = {(KEY, region): logit for region in REGIONS}
    calibration = Calibration(pair).with_peaks(levels, dict.fromkeys(REGIONS, slope))
    assert Calibration.from_json(calibration.to_json()) == calibration
    logits = np.full((3, 12, 12, 12), -9.0, np.float32)
    logits[:, 2 : 2 + side, 2 : 2 + side, 2 : 2 + side] = height
    plain = calibration.apply(logits, KEY)
    reached = float(plain[0].max())
    kept = bool((calibration.settle(plain.copy(), KEY, 1.0) >= 0.5).any())
    enough = Spot(KEY, "tc", height, True, float(side**3)).score(slope) - logit
    bounded = 0.02 < 1 / (1 + np.exp(-(scale * logit + shift))) < 0.98
    if 0.5 <= reached < 0.97 and abs(enough) > 1e-3 and bounded:
        assert kept == (enough > 0)
