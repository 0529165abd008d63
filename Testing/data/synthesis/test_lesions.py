"""A core's partial volumes: exact on spheres, nested, inside their space."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ParetoSegLib.data.synthesis.lesions import LesionPlan, core_membership
from ParetoSegLib.data.synthesis.plans import draw_plan
from ParetoSegLib.data.synthesis.settings import KINDS, SynthesisSettings

SHAPE = (48, 48, 48)


def plan_of(seed: int, centre: tuple[float, float, float], radius: float) -> LesionPlan:
    return draw_plan(np.random.default_rng(seed), centre, radius, SynthesisSettings())


def sphere(centre: tuple[float, float, float], radius: float) -> LesionPlan:
    plan = plan_of(0, centre, radius)
    return replace(plan, axes=np.eye(3), lobes=np.zeros((0, 4)), roughness=0.0, rim_mm=float("inf"))


@settings(max_examples=30, deadline=None)
@given(
    radius=st.floats(1.0, 12.0),
    shift=st.tuples(*[st.floats(-0.5, 0.5)] * 3),
    spacing=st.sampled_from([(1.0, 1.0, 1.0), (1.5, 1.0, 0.8)]),
)
def test_a_sphere_has_its_analytic_volume(
    radius: float, shift: tuple[float, float, float], spacing: tuple[float, float, float]
) -> None:
    centre = tuple(23.0 * s + d for s, d in zip(spacing, shift, strict=True))
    _, et, tc, _ = core_membership(sphere(centre, radius), SHAPE, spacing)
    volume = float(tc.sum()) * np.prod(spacing)
    assert volume == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.015 + 0.06 / radius**2)
    np.testing.assert_array_equal(et, tc)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), radius=st.floats(1.0, 11.0))
def test_parts_are_nested_shares_and_the_box_holds_them(seed: int, radius: float) -> None:
    plan = plan_of(seed, (24.0, 23.0, 25.0), radius)
    _, et, tc, _ = core_membership(plan, SHAPE, (1.0, 1.0, 1.0))
    assert plan.kind in KINDS
    assert et.dtype == tc.dtype == np.float32
    assert et.min() >= 0
    assert (et <= tc).all()
    assert tc.max() == 1
    faces = [tc.take(i, axis) for axis in range(3) for i in (0, -1)]
    assert all(face.max() == 0 for face in faces), "cut off by its own box"


def test_a_finer_count_changes_little() -> None:
    """Voxels that are taken for whole are whole: a count at 8 points an axis agrees."""
    plan = plan_of(7, (6.3, 5.8, 6.1), 3.0)
    box, _, tc, _ = core_membership(plan, (13, 13, 13), (1.0, 1.0, 1.0))
    steps = (np.arange(8) + 0.5) / 8 - 0.5
    offsets = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
    index = np.stack(np.meshgrid(*[np.arange(s.start, s.stop) for s in box], indexing="ij"), -1)
    depth, _ = plan.depth((index[..., None, :] + offsets).astype(np.float32))
    assert np.abs((depth > 0).mean(axis=-1) - tc).max() < 0.12


def test_a_core_stays_in_its_space_and_keeps_its_rim_there() -> None:
    plan = replace(plan_of(3, (24.0, 24.0, 24.0), 9.0), rim_mm=2.0, kind="ring")
    space = np.ones(SHAPE, bool)
    space[:20] = False
    box, et, tc, _ = core_membership(plan, SHAPE, (1.0, 1.0, 1.0), space)
    outside = ~space[box]
    assert tc[outside].max() == 0
    first = 20 - box[0].start
    core = tc[first] > 0.5
    assert core.sum() > 50
    assert (et[first][core] / tc[first][core]).mean() > 0.8
