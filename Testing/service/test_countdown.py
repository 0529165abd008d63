"""Seconds left: nothing is said that is not known, and what is said comes true on steady work."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ParetoSegLib.service.countdown import ENOUGH, Countdown

STAGES = {"preparing": (0.05, 0.2), "segmenting": (0.2, 0.85), "measuring": (0.85, 1.0)}
seconds = st.fixed_dictionaries({name: st.floats(0.1, 100) for name in STAGES})


def _reports(lengths, steps: int = 10):
    """(stage, fraction, now) of a case whose stages go steadily."""
    now = 100.0
    for name, (first, last) in STAGES.items():
        for step in range(steps + 1):
            yield name, first + (last - first) * step / steps, now + lengths[name] * step / steps
        now += lengths[name]


@given(seconds)
def test_a_case_like_the_last_one_takes_as_long(lengths) -> None:
    countdown = Countdown(STAGES, lengths)
    end = 100.0 + sum(lengths.values())
    assert countdown.seconds_left("loading", 0.0, 99.0) == pytest.approx(end - 100.0)
    for stage, fraction, now in _reports(lengths):
        left = countdown.seconds_left(stage, fraction, now)
        assert left == pytest.approx(end - now, abs=1e-6)


@given(seconds)
def test_the_first_case_says_nothing_until_a_pace_is_known(lengths) -> None:
    countdown = Countdown(STAGES, {})
    assert countdown.seconds_left("loading", 0.0, 99.0) is None
    for stage, fraction, now in _reports(lengths, steps=40):
        left = countdown.seconds_left(stage, fraction, now)
        first, last = STAGES[stage]
        if (fraction - first) / (last - first) < ENOUGH - 1e-9:
            assert left is None
        elif (fraction - first) / (last - first) > ENOUGH + 1e-9:
            assert left is not None
            assert left >= 0
    assert left == pytest.approx(0, abs=1e-9)


@given(st.floats(0.1, 10))
def test_stages_in_proportion_to_their_shares_are_foreseen_without_a_last_case(pace: float) -> None:
    lengths = {name: pace * (last - first) for name, (first, last) in STAGES.items()}
    countdown = Countdown(STAGES, {})
    end = 100.0 + sum(lengths.values())
    for stage, fraction, now in _reports(lengths):
        left = countdown.seconds_left(stage, fraction, now)
        if left is not None:
            assert left == pytest.approx(end - now, abs=1e-6)


@given(seconds, seconds)
def test_no_time_is_ever_negative(expected, lengths) -> None:
    countdown = Countdown(STAGES, expected)
    for stage, fraction, now in _reports(lengths):
        left = countdown.seconds_left(stage, fraction, now)
        assert left is not None
        assert left >= 0
