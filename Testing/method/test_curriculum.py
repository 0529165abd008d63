from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ParetoSegLib.method.curriculum import Curriculum, CurriculumSettings, voxel_weight
from Testing.method.asserts import assert_paces_together, steps_of

PACES = ("linear", "cosine", "exponential", "competence", "none")
every_pace = pytest.mark.parametrize("pace", PACES)
losses = st.lists(
    st.none() | st.floats(0, 2) | st.sampled_from([float("nan"), float("inf")]), max_size=60
)
unit = st.floats(0, 1, width=32)


@every_pace
@given(losses=losses, total=st.integers(1, 60), end=st.floats(0.1, 0.9))
def test_theta_falls_and_the_preference_rises(pace, losses, total, end):
    curriculum = Curriculum(CurriculumSettings(pace, u_boundary=end), total)
    assert_paces_together(curriculum, losses)


@pytest.mark.parametrize("pace", ["linear", "cosine", "exponential", "competence"])
def test_from_one_to_zero(pace):
    curriculum = Curriculum(CurriculumSettings(pace, start_fraction=0.1, end_fraction=0.5), 100)
    falling = list(np.geomspace(1, 0.01, 100))
    thetas = [theta for theta, _ in steps_of(curriculum, falling)]
    assert thetas[:11] == [1.0] * 11
    assert thetas[11] < 1
    assert min(thetas[:50]) > 0
    assert thetas[51:] == [0.0] * 49
    assert curriculum.u_boundary == 0.5


def test_the_shapes_of_the_paces():
    half = {}
    for pace in ("linear", "cosine", "exponential"):
        curriculum = Curriculum(CurriculumSettings(pace, 0.0, 1.0), 100)
        half[pace] = [theta for theta, _ in steps_of(curriculum, [None] * 100)]
    assert half["linear"][50] == pytest.approx(0.5)
    assert half["cosine"][10] > half["linear"][10] > half["exponential"][10]
    assert half["cosine"][90] < half["linear"][90]


def test_none_starts_with_everything():
    curriculum = Curriculum(CurriculumSettings("none"), 10)
    assert (curriculum.theta, curriculum.u_boundary) == (0.0, 0.5)


def test_competence_waits_for_the_interior():
    settings_ = CurriculumSettings("competence", start_fraction=0.0, end_fraction=0.2)
    rising = Curriculum(settings_, 100)
    assert [t for t, _ in steps_of(rising, list(np.linspace(0.1, 1, 100)))] == [1.0] * 100
    silent = Curriculum(settings_, 100)
    assert [t for t, _ in steps_of(silent, [None] * 100)] == [1.0] * 100
    first_falls = Curriculum(CurriculumSettings("competence", 0.0, 1.0), 100)
    thetas = [
        t for t, _ in steps_of(first_falls, [*np.linspace(1, 0.5, 10), *np.linspace(0.5, 2, 90)])
    ]
    assert 0 < thetas[-1] < 1
    assert thetas[-1] == thetas[60]


@every_pace
@settings(max_examples=30)
@given(losses=losses, cut=st.integers(0, 59))
def test_state_goes_on_exactly(pace, losses, cut):
    settings_ = CurriculumSettings(pace)
    whole = Curriculum(settings_, 60)
    expected = list(steps_of(whole, losses))
    first = Curriculum(settings_, 60)
    seen = list(steps_of(first, losses[:cut]))
    second = Curriculum(settings_, 60)
    second.load_state_dict(first.state_dict())
    seen += steps_of(second, losses[cut:])
    assert seen == expected
    assert str(second.state_dict()) == str(whole.state_dict())


@given(unit, unit, unit, st.floats(0.01, 1))
def test_weight_is_a_weight_and_never_falls_in_time(gamma, one, other, delta):
    g = torch.tensor([gamma])
    later, earlier = sorted((one, other))
    a, b = voxel_weight(g, earlier, delta), voxel_weight(g, later, delta)
    assert 0 <= a <= b + 1e-6
    assert b <= 1


@given(unit, st.floats(0.01, 1))
def test_interior_always_counts_and_everything_at_the_end(value, delta):
    assert voxel_weight(torch.ones(1), value, delta) == 1
    assert voxel_weight(torch.tensor([value]), 0.0, delta) == 1


@given(st.floats(0, 1), st.floats(0.05, 1))
def test_weight_is_a_smoothstep_across_delta(t, delta):
    """Of the ramp 1 + (γ − θ)/δ = t: 3t² − 2t³, half in the middle."""
    gamma = torch.tensor([0.0], dtype=torch.float64)
    theta = delta * (1 - t)
    weight = voxel_weight(gamma, theta, delta).item()
    assert weight == pytest.approx(3 * t**2 - 2 * t**3, abs=1e-9)
    assert voxel_weight(gamma, delta / 2, delta).item() == pytest.approx(0.5)


def test_the_crisp_boundary_comes_last():
    mu = torch.linspace(0, 1, 101)
    gamma = (2 * mu - 1) ** 2
    for theta in (0.9, 0.5, 0.2):
        weight = voxel_weight(gamma, theta, 0.25)
        torch.testing.assert_close(weight, weight.flip(0), atol=1e-5, rtol=0)
        assert (weight[:51].diff() <= 1e-6).all()
        assert weight[50] < 1
        assert weight[0] == weight[100] == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"pace": "sudden"},
        {"start_fraction": 0.7, "end_fraction": 0.6},
        {"delta": 0.0},
        {"u_boundary": 1.0},
        {"rate": 0.0},
        {"memory": 1.0},
    ],
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        CurriculumSettings(**wrong)


def test_a_run_has_steps():
    with pytest.raises(ValueError, match="total_steps"):
        Curriculum(CurriculumSettings(), 0)
