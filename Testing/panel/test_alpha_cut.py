"""Moving α touches only what changes, and ends where measuring says it should."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ParetoSegPanel.alpha_cut import (
    NOBODY,
    OFF,
    STEPS,
    LiveCut,
    field_of,
    level_of,
    levels_of,
    quantised,
)

from ParetoSegLib.core.labels import REGIONS
from ParetoSegLib.measure.confidence import alpha_cut
from ParetoSegLib.measure.lesions import LesionMap, cut_lesions, find_lesions
from Testing.measure.memberships import Ball, grid_of, regions, scenes

ALPHAS = st.integers(level_of(0.05), level_of(0.95)).map(lambda level: level / STEPS)


def cut_at(live, lesions: LesionMap, alpha, hidden=None, alphas=None, frozen=()):
    """Moves to α; candidates are hidden unless said otherwise."""
    candidates = {c.number for c in lesions.candidates}
    hidden = candidates if hidden is None else hidden
    numbers = [lesion.number for lesion in lesions.lesions]
    return live.move(levels_of(numbers, candidates, hidden, alpha, alphas or {}), frozen)


def whole(live, region):
    """A region's mask on the whole grid."""
    full = np.zeros(live.parts.grid.shape, bool)
    full[live.parts.box] = live.masks[region].reshape(live.parts.territories.shape)
    return full


@given(st.integers(0, 2**32 - 1), ALPHAS)
def test_steps_cut_exactly_where_the_membership_does(seed, alpha):
    rng = np.random.default_rng(seed)
    thresholds = (np.arange(STEPS + 1) / STEPS).astype(np.float32)
    beside = np.nextafter(thresholds, np.float32(0)), np.nextafter(thresholds, np.float32(2))
    membership = np.concatenate([rng.random(500, np.float32), thresholds, *beside]).clip(0, 1)
    assert np.array_equal(quantised(membership) >= level_of(alpha), alpha_cut(membership, alpha))


def test_alpha_stays_on_the_slider():
    assert (level_of(0.0), level_of(0.05), level_of(0.5), level_of(1.0)) == (10, 10, 100, 190)


@settings(max_examples=60)
@given(scene=scenes(), alphas=st.lists(ALPHAS, min_size=1, max_size=4))
def test_the_cut_is_that_of_measuring_whatever_came_before(scene, alphas):
    membership, grid = scene
    lesions = find_lesions(membership, grid, REGIONS)
    live = LiveCut.of(field_of(membership, lesions, grid))
    for alpha in alphas:
        cut_at(live, lesions, alpha)
        for region in ("et", "tc"):
            expected = cut_lesions(membership[region], lesions, alpha) > 0
            assert np.array_equal(whole(live, region), expected)
        assert np.array_equal(whole(live, "wt"), alpha_cut(membership["wt"], alpha))


@settings(max_examples=60)
@given(scene=scenes(), data=st.data())
def test_regions_stay_nested_whatever_is_shown(scene, data):
    membership, grid = scene
    lesions = find_lesions(membership, grid, REGIONS)
    live = LiveCut.of(field_of(membership, lesions, grid))
    numbers = [lesion.number for lesion in lesions.lesions]
    for _ in range(3):
        hidden = set(data.draw(st.lists(st.sampled_from(numbers)))) if numbers else set()
        own = {n: data.draw(ALPHAS) for n in numbers[:2]}
        cut_at(live, lesions, data.draw(ALPHAS), hidden, own)
        et, tc, wt = (whole(live, r) for r in REGIONS)
        assert not (et & ~tc).any()
        assert not (tc & ~wt).any()


@settings(max_examples=40)
@given(scene=scenes(), first=ALPHAS, second=ALPHAS)
def test_what_is_said_to_change_is_what_changes(scene, first, second):
    membership, grid = scene
    lesions = find_lesions(membership, grid, REGIONS)
    live = LiveCut.of(field_of(membership, lesions, grid))
    cut_at(live, lesions, first)
    before = {r: live.masks[r].copy() for r in REGIONS}
    changed = cut_at(live, lesions, second)
    for region in REGIONS:
        differs = np.flatnonzero(before[region] != live.masks[region])
        assert np.array_equal(np.sort(changed[region]), differs)


PAIR = (Ball((10, 10, 8), 4.0, 0.5), Ball((10, 10, 18), 3.0, 0.5), Ball((3, 3, 3), 2.5, 0.3, 0.4))
GRID = grid_of((20, 20, 28))


@pytest.fixture
def two_and_a_candidate():
    membership = regions(PAIR, GRID)
    lesions = find_lesions(membership, GRID, REGIONS)
    assert (len(lesions.found), len(lesions.candidates)) == (2, 1)
    return membership, lesions, LiveCut.of(field_of(membership, lesions, GRID))


def test_a_rejected_lesion_takes_its_edema_along(two_and_a_candidate):
    membership, lesions, live = two_and_a_candidate
    cut_at(live, lesions, 0.5, hidden={2, 3})
    assert not whole(live, "tc")[lesions.territories == 2].any()
    assert not whole(live, "wt")[:, :, 17:].any()
    assert np.array_equal(whole(live, "wt")[:, :, :12], alpha_cut(membership["wt"])[:, :, :12])


def test_an_accepted_candidate_is_cut_where_it_was_measured(two_and_a_candidate):
    membership, lesions, live = two_and_a_candidate
    territory = lesions.territories == 3
    for alpha, level in ((0.5, 0.2), (0.95, 0.2), (0.1, 0.1)):
        cut_at(live, lesions, alpha, hidden=set())
        assert np.array_equal(
            whole(live, "tc")[territory], alpha_cut(membership["tc"], level)[territory]
        )
    cut_at(live, lesions, 0.1)
    assert not whole(live, "tc")[territory].any()


def test_a_frozen_lesion_stays(two_and_a_candidate):
    _, lesions, live = two_and_a_candidate
    cut_at(live, lesions, 0.5)
    before = whole(live, "tc")
    cut_at(live, lesions, 0.2, frozen={1})
    assert np.array_equal(
        whole(live, "tc")[lesions.territories == 1], before[lesions.territories == 1]
    )
    assert (
        whole(live, "tc")[lesions.territories == 2].sum() > before[lesions.territories == 2].sum()
    )


def test_who_shows_a_voxel(two_and_a_candidate):
    _, lesions, live = two_and_a_candidate
    box = live.parts.box
    shown = live.shown("tc", {NOBODY: 100, 1: 100, 2: OFF, 3: OFF})
    assert (shown[lesions.territories[box] == 1] == 1).all()
    assert (shown[lesions.territories[box] != 1] == -1).all()


def test_edema_without_any_core_belongs_to_nobody_and_is_shown():
    membership = regions([Ball((10, 10, 10), 3.0, 0.3, peak=0.1)], GRID)
    membership["wt"] = regions([Ball((10, 10, 10), 3.0, 0.3)], GRID)["wt"]
    lesions = find_lesions(membership, GRID, REGIONS)
    assert not lesions.lesions
    live = LiveCut.of(field_of(membership, lesions, GRID))
    cut_at(live, lesions, 0.5)
    assert np.array_equal(whole(live, "wt"), alpha_cut(membership["wt"]))
    assert not whole(live, "tc").any()


def test_an_empty_result_has_nothing_to_move():
    membership = {r: np.zeros(GRID.shape, np.float32) for r in REGIONS}
    lesions = find_lesions(membership, GRID, REGIONS)
    live = LiveCut.of(field_of(membership, lesions, GRID))
    assert all(v.size == 0 for v in cut_at(live, lesions, 0.05).values())
