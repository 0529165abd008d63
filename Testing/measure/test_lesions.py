from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial.distance import cdist

from ParetoSegLib.core.geometry import components, signed_distance
from ParetoSegLib.core.labels import REGIONS
from ParetoSegLib.measure.confidence import Surface, boundary_confidence
from ParetoSegLib.measure.lesions import Lesion, cut_lesions, find_lesions, region_of_lesions
from ParetoSegLib.measure.territories import CANDIDATE, REACH
from Testing.measure.memberships import Ball, grid_of, paint, regions, scenes

LEVELS = st.tuples(st.floats(0.5, 0.95), st.floats(0.05, 0.5))
sampled = settings(max_examples=30, deadline=None)
EVERYWHERE = np.ones((3, 3, 3))


def total_cc(lesions: tuple[Lesion, ...], region: str) -> float:
    return sum(lesion.volumes_cc[region] for lesion in lesions)


# What holds for every membership


@sampled
@given(scenes())
def test_the_volumes_of_the_lesions_add_up_to_the_cut(scene) -> None:
    membership, grid = scene
    found = find_lesions(membership, grid, REGIONS).found
    assume(found)
    for region in REGIONS:
        cut_cc = np.count_nonzero(membership[region] >= 0.5) * grid.voxel_mm3 / 1000
        assert total_cc(found, region) == pytest.approx(cut_cc, abs=1e-9)


@sampled
@given(scenes())
def test_every_component_is_one_lesion_in_a_territory_of_its_own(scene) -> None:
    membership, grid = scene
    result = find_lesions(membership, grid, REGIONS)
    field = membership["tc"]
    cores, count = ndimage.label(field >= 0.5, EVERYWHERE)
    assert len(result.found) == count
    assert not result.territories[field < np.float32(REACH)].any()
    for lesion in result.lesions:
        own = result.territories == lesion.number
        assert ndimage.label(own, EVERYWHERE)[1] == 1
        assert own[lesion.box].sum() == own.sum()
        held = np.unique(cores[own & (cores > 0)])
        assert held.size == (1 if lesion.kind == "lesion" else 0)
        if held.size:
            assert (result.territories[cores == held[0]] == lesion.number).all()


@sampled
@given(scenes())
def test_candidates_are_the_parts_that_peak_between_a_fifth_and_a_half(scene) -> None:
    membership, grid = scene
    result = find_lesions(membership, grid, REGIONS)
    field = membership["tc"]
    parts, count = ndimage.label(field >= np.float32(REACH), EVERYWHERE)
    peaks = [field[parts == n].max() for n in range(1, count + 1)]
    expected = sorted(float(p) for p in peaks if np.float32(CANDIDATE) <= p < 0.5)
    assert sorted(c.peak for c in result.candidates) == pytest.approx(expected)
    for candidate in result.candidates:
        assert candidate.volume_cc == 0 == candidate.volumes_cc["wt"]
        assert not candidate.measurable
        assert candidate.margin_mm is None is candidate.one_sided_margin_mm


@sampled
@given(scenes())
def test_lesions_come_by_size_and_candidates_follow(scene) -> None:
    membership, grid = scene
    result = find_lesions(membership, grid, REGIONS)
    assert [lesion.number for lesion in result.lesions] == list(range(1, len(result.lesions) + 1))
    assert result.lesions == result.found + result.candidates
    sizes = [lesion.volume_cc for lesion in result.found]
    assert sizes == sorted(sizes, reverse=True)


@sampled
@given(scenes(), LEVELS)
def test_numbers_of_a_lesion_fit_together(scene, levels) -> None:
    membership, grid = scene
    certain, _ = levels
    result = find_lesions(membership, grid, REGIONS, {"tc": levels})
    for lesion in result.lesions:
        own = membership["tc"][result.territories == lesion.number]
        assert lesion.peak == own.max()
        assert lesion.certain_core == bool((own >= np.float32(certain)).any())
        voxel_cc = grid.voxel_mm3 / 1000
        low, high = (np.count_nonzero(own >= np.float32(a)) * voxel_cc for a in levels)
        assert lesion.volume_low_cc == pytest.approx(low)
        assert lesion.volume_high_cc == pytest.approx(high)
        assert lesion.volume_low_cc <= lesion.volume_cc + 1e-12
        assert lesion.volume_cc <= lesion.volume_high_cc + 1e-12
        assert 0 <= lesion.confidence <= 1
        assert lesion.perpendicular_diameter_mm <= lesion.longest_diameter_mm + 1e-9
        if not lesion.certain_core:
            assert lesion.margin_mm is None
        for margin in (lesion.margin_mm, lesion.one_sided_margin_mm):
            assert margin is None or margin >= 0


@sampled
@given(scenes())
def test_confidence_is_the_mean_over_the_lesion_s_own_shell(scene) -> None:
    membership, grid = scene
    result = find_lesions(membership, grid, REGIONS)
    field = membership["tc"]
    for lesion in result.found:
        own = result.territories == lesion.number
        distance = np.abs(signed_distance(own & (field >= 0.5), grid.spacing_mm))
        # What another lesion makes doubtful says nothing of this one.
        shell = (distance <= 2.0 + 1e-4) & (own | (result.territories == 0))
        assume(shell.any() and np.isfinite(distance).all())
        expected = boundary_confidence(field[shell]).mean(dtype=float)
        assert lesion.confidence == pytest.approx(expected, abs=1e-6)


@sampled
@given(scenes(), LEVELS)
def test_margins_are_those_of_the_whole_image_s_surfaces(scene, levels) -> None:
    membership, grid = scene
    result = find_lesions(membership, grid, REGIONS, {"tc": levels})
    field = membership["tc"]
    certain, half, possible = (field >= np.float32(a) for a in (levels[0], 0.5, levels[1]))
    for lesion in result.found:
        own = result.territories == lesion.number
        others = (result.territories > 0) & ~own
        outer = Surface(own & possible, grid.spacing_mm, beyond=others & possible)
        margin = Surface(own & certain, grid.spacing_mm).gap_mm(outer)
        assert lesion.margin_mm == (margin and pytest.approx(margin))
        one_sided = Surface(own & half, grid.spacing_mm).gap_mm(outer)
        assert lesion.one_sided_margin_mm == (one_sided and pytest.approx(one_sided))


@sampled
@given(scenes(), st.floats(REACH, 0.95), st.floats(REACH, 0.95))
def test_moving_alpha_grows_lesions_in_place(scene, one, other) -> None:
    membership, grid = scene
    low, high = sorted((one, other))
    result = find_lesions(membership, grid, REGIONS)
    field = membership["tc"]
    large, small = (cut_lesions(field, result, alpha) for alpha in (low, high))
    assert (large[small > 0] == small[small > 0]).all()
    lesions = (result.territories > 0) & (result.territories <= len(result.found))
    assert np.array_equal(large, result.territories * (lesions & (field >= np.float32(low))))
    # Cutting again changes no identity: the map itself depends on no α.
    assert np.array_equal(result.territories, find_lesions(membership, grid, REGIONS).territories)


@sampled
@given(scenes(), st.tuples(st.booleans(), st.booleans(), st.booleans()))
def test_mirroring_mirrors_the_lesions(scene, flips) -> None:
    membership, grid = scene
    axes = tuple(axis for axis in range(3) if flips[axis])
    mirrored = {r: np.flip(m, axes) for r, m in membership.items()}
    here, there = (find_lesions(m, grid, REGIONS).found for m in (membership, mirrored))

    def facts(lesion: Lesion, mirror: bool) -> tuple[float, ...]:
        offset = np.array(lesion.centroid_lps) - grid.origin
        size = (np.array(grid.shape) - 1) * grid.spacing_mm
        turned = np.where(np.array(flips) & mirror, size - offset[::-1], offset[::-1])
        return (
            lesion.volumes_cc["tc"],
            lesion.volumes_cc["et"],
            lesion.longest_diameter_mm,
            *turned,
        )

    def ordered(rows: list[tuple[float, ...]]) -> np.ndarray:
        return np.array(sorted(np.round(row, 6).tolist() for row in rows))

    assert np.allclose(
        ordered([facts(x, True) for x in here]), ordered([facts(x, False) for x in there])
    )


@sampled
@given(scenes())
def test_edema_belongs_to_the_nearest_core(scene) -> None:
    membership, grid = scene
    result = find_lesions(membership, grid, REGIONS)
    assume(len(result.found) > 1)
    cores = cut_lesions(membership["tc"], result)
    held = np.argwhere(cores > 0)
    edema = np.argwhere((membership["wt"] >= 0.5) & (cores == 0))
    assume(edema.size)
    far = cdist(edema * np.array(grid.spacing_mm), held * np.array(grid.spacing_mm))
    numbers = cores[tuple(held.T)]
    # Of two cores at the same distance either may own a voxel: bounds, exact without ties.
    nearest = far.min(axis=1, keepdims=True) + 1e-6
    for lesion in result.found:
        near = (far[:, numbers == lesion.number] <= nearest).any(axis=1)
        others = (far[:, numbers != lesion.number] <= nearest).any(axis=1)
        core = np.count_nonzero(cores == lesion.number)
        voxels = lesion.volumes_cc["wt"] * 1000 / grid.voxel_mm3
        assert core + (near & ~others).sum() - 0.01 <= voxels <= core + near.sum() + 0.01


@sampled
@given(scenes())
def test_inputs_are_left_alone(scene) -> None:
    membership, grid = scene
    copies = {r: m.copy() for r, m in membership.items()}
    for m in membership.values():
        m.flags.writeable = False
    find_lesions(membership, grid, REGIONS)
    assert all(np.array_equal(copies[r], membership[r]) for r in REGIONS)


# Single scenes


def test_nothing_is_found_where_there_is_nothing() -> None:
    grid = grid_of((8, 9, 10))
    for value in (0.0, 0.1):
        flat = {"tc": np.full(grid.shape, value, np.float32)}
        result = find_lesions(flat, grid, ("tc",))
        assert result.lesions == ()
        assert result.territories.shape == grid.shape
        assert not result.territories.any()
        assert result.territories.dtype == np.int32


def test_a_lesion_that_fills_the_image_has_no_surface() -> None:
    grid = grid_of((6, 7, 8), (5.0, 1.0, 1.0))
    result = find_lesions({"tc": np.ones(grid.shape, np.float32)}, grid, ("tc",))
    (lesion,) = result.found
    assert lesion.volume_cc == pytest.approx(6 * 7 * 8 * 5 / 1000)
    assert lesion.certain_core
    assert lesion.margin_mm is None
    assert lesion.confidence == 1.0
    assert (result.territories == 1).all()


def test_the_edge_of_the_image_is_no_surface() -> None:
    grid = grid_of((30, 30, 30))
    inside = paint([Ball((15, 15, 15), 8.0, 1.0)], grid)
    (whole,) = find_lesions({"tc": inside}, grid, ("tc",)).found
    (half,) = find_lesions(
        {"tc": inside[15:]}, grid.cropped((slice(15, 30), slice(0, 30), slice(0, 30))), ("tc",)
    ).found
    assert half.margin_mm == pytest.approx(whole.margin_mm, rel=0.05)
    assert half.confidence == pytest.approx(whole.confidence, abs=0.03)


def test_a_ball_measures_what_it_is() -> None:
    grid = grid_of((40, 40, 40))
    (lesion,) = find_lesions(
        regions([Ball((20, 19, 18), 9.0, 1.0)], grid), grid, REGIONS, {"tc": (0.9, 0.1)}
    ).found
    assert lesion.volume_cc == pytest.approx(4 / 3 * np.pi * 9**3 / 1000, rel=0.02)
    assert lesion.longest_diameter_mm == pytest.approx(18, abs=1)
    assert lesion.perpendicular_diameter_mm == pytest.approx(18, abs=1)
    assert lesion.measurable
    assert lesion.centroid_lps == pytest.approx((-10 + 18, 20 + 19, 5 + 20), abs=1e-3)
    # Membership 0.9 and 0.1 lie ln 9 softnesses inside and outside of the ball's surface.
    assert lesion.margin_mm == pytest.approx(2 * np.log(9), abs=0.3)
    assert lesion.one_sided_margin_mm == pytest.approx(np.log(9), abs=0.3)


def test_without_a_certain_core_the_margin_is_one_sided() -> None:
    grid = grid_of((30, 30, 30))
    (lesion,) = find_lesions(
        {"tc": paint([Ball((15, 15, 15), 6.0, 1.0, peak=0.8)], grid)}, grid, ("tc",)
    ).found
    assert not lesion.certain_core
    assert lesion.margin_mm is None
    assert lesion.volume_low_cc == 0
    assert lesion.one_sided_margin_mm > 1


def test_touching_lesions_have_no_surface_between_them() -> None:
    grid = grid_of((24, 24, 60))
    one = Ball((12, 12, 20), 6.0, 0.8)
    alone = find_lesions({"tc": paint([one], grid)}, grid, ("tc",)).found[0]
    pair = paint([one, Ball((12, 12, 34), 6.0, 0.8)], grid)
    both = find_lesions({"tc": pair}, grid, ("tc",))
    assert len(components(pair >= 0.1)[1]) == 1
    assert len(both.found) == 2
    for lesion in both.found:
        assert lesion.margin_mm == pytest.approx(alone.margin_mm, rel=0.15)


def test_territories_meet_in_the_valley_not_halfway() -> None:
    grid = grid_of((20, 20, 50))
    # The large ball fades slowly, the small one fast: they meet near the small one.
    field = paint([Ball((10, 10, 15), 9.0, 3.5), Ball((10, 10, 36), 2.5, 0.4)], grid)
    result = find_lesions({"tc": field}, grid, ("tc",))
    assert len(result.found) == 2
    line = field[10, 10, 15:36]
    valley = 15 + int(line.argmin())
    assert result.territories[10, 10, 15:valley].tolist() == [1] * (valley - 15)
    assert result.territories[10, 10, valley + 1 : 36].tolist() == [2] * (35 - valley)
    halfway = (24 + 33) // 2
    assert valley > halfway + 1


def test_a_blurred_lesion_is_less_confident_than_a_sharp_one() -> None:
    grid = grid_of((30, 30, 30))
    values = []
    for softness in (0.1, 0.5, 1.0, 2.0):
        field = paint([Ball((15, 15, 15), 8.0, softness)], grid)
        values.append(find_lesions({"tc": field}, grid, ("tc",)).found[0].confidence)
    assert values == sorted(values, reverse=True)
    assert values[0] > 0.85
    assert values[-1] < 0.3


def test_a_binary_membership_leaves_no_doubt() -> None:
    grid = grid_of((12, 12, 12), (2.0, 1.0, 1.0))
    field = (paint([Ball((6, 6, 6), 4.0)], grid) >= 0.5).astype(np.float32)
    (lesion,) = find_lesions({"tc": field}, grid, ("tc",)).found
    assert lesion.confidence == 1.0
    assert lesion.margin_mm == 0.0 == lesion.one_sided_margin_mm
    assert lesion.volume_low_cc == lesion.volume_cc == lesion.volume_high_cc


def test_what_cannot_be_assessed_has_no_volume() -> None:
    grid = grid_of((20, 20, 20))
    scene = regions([Ball((10, 10, 10), 5.0)], grid)
    without_et = find_lesions(scene, grid, ("tc", "wt")).found[0]
    assert without_et.volumes_cc["et"] is None
    assert without_et.volumes_cc["wt"] > without_et.volumes_cc["tc"] > 0
    only_wt = find_lesions({"wt": scene["wt"]}, grid, ("wt",))
    assert only_wt.region == "wt" == only_wt.found[0].region
    assert only_wt.found[0].volumes_cc["tc"] is None
    assert only_wt.found[0].volume_cc == pytest.approx(without_et.volumes_cc["wt"])


def test_a_candidate_can_be_switched_on() -> None:
    grid = grid_of((20, 20, 40))
    field = paint([Ball((10, 10, 10), 4.0), Ball((10, 10, 30), 4.0, peak=0.4)], grid)
    result = find_lesions({"tc": field}, grid, ("tc",))
    assert [lesion.kind for lesion in result.lesions] == ["lesion", "candidate"]
    assert set(np.unique(cut_lesions(field, result, 0.1))) == {0, 1}
    assert set(np.unique(cut_lesions(field, result, 0.1, {2: 0.3}))) == {0, 1, 2}
    candidate = result.candidates[0]
    assert candidate.longest_diameter_mm > 4
    assert candidate.volume_high_cc > 0


def test_wrong_calls_are_refused() -> None:
    grid = grid_of((4, 4, 4))
    field = {"tc": np.zeros(grid.shape, np.float32)}
    with pytest.raises(ValueError, match="no membership"):
        find_lesions(field, grid, ("tc", "wt"))
    with pytest.raises(ValueError, match="shape"):
        find_lesions({"tc": np.zeros((2, 2, 2), np.float32)}, grid, ("tc",))
    with pytest.raises(ValueError, match="order"):
        find_lesions(field, grid, ("tc",), {"tc": (0.1, 0.9)})
    with pytest.raises(ValueError, match="at least one"):
        region_of_lesions(())


def test_forty_lesions_take_seconds_not_minutes() -> None:
    grid = grid_of((48, 110, 110))
    places = [(z, y, x) for z in (12, 36) for y in range(12, 110, 22) for x in range(12, 110, 24)]
    balls = [Ball(p, 3.0 + 0.05 * n, 0.5) for n, p in enumerate(places[:40])]
    membership = regions(balls, grid)
    began = time.perf_counter()
    result = find_lesions(membership, grid, REGIONS)
    # A generous bound against quadratic behaviour; the time itself is for the benchmarks.
    assert time.perf_counter() - began < 10
    assert len(result.found) == 40
