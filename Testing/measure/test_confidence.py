from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ParetoSegLib.measure.confidence import (
    Surface,
    alpha_cut,
    boundary_confidence,
    shell_confidence,
)
from Testing.measure.memberships import SPACINGS, Ball, grid_of, paint

MEMBERSHIPS = arrays.arrays(
    np.float32, (4, 3, 5), elements=st.floats(0, 1, width=32, allow_subnormal=False)
)
MASKS = arrays.arrays(bool, arrays.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=7))


@given(MEMBERSHIPS)
def test_confidence_is_symmetric_about_a_half_and_in_range(membership) -> None:
    confidence = boundary_confidence(membership)
    assert confidence.dtype == np.float32
    assert ((confidence >= 0) & (confidence <= 1)).all()
    assert np.allclose(confidence, boundary_confidence(1 - membership), atol=1e-6)


def test_confidence_is_one_where_binary_and_zero_at_a_half() -> None:
    assert boundary_confidence(np.array([0, 0.5, 1])).tolist() == [1, 0, 1]


@given(MEMBERSHIPS, st.floats(0, 1), st.floats(0, 1))
def test_cuts_are_nested(membership, one, other) -> None:
    low, high = sorted((one, other))
    assert not (alpha_cut(membership, high) & ~alpha_cut(membership, low)).any()


def test_a_cut_holds_its_own_level() -> None:
    levels = np.array([0.1, 0.2, 0.5, 0.7, 0.9], np.float32)
    for level in (0.1, 0.2, 0.5, 0.7, 0.9):
        assert alpha_cut(levels, level).sum() == (levels >= np.float32(level)).sum()
        assert alpha_cut(np.array([level], np.float32), level).all()


@given(MASKS, st.sampled_from(SPACINGS))
def test_a_surface_is_at_no_distance_from_itself(mask, spacing) -> None:
    gap = Surface(mask, spacing).gap_mm(Surface(mask.copy(), spacing))
    if mask.all() or not mask.any():
        assert gap is None
    else:
        assert gap == pytest.approx(0, abs=1e-5)


@given(MASKS, st.data())
def test_the_gap_is_the_same_both_ways_and_under_mirroring(mask, data) -> None:
    other = data.draw(arrays.arrays(bool, mask.shape))
    spacing = data.draw(st.sampled_from(SPACINGS))
    axis = data.draw(st.integers(0, 2))
    gap = Surface(mask, spacing).gap_mm(Surface(other, spacing))
    back = Surface(other, spacing).gap_mm(Surface(mask, spacing))
    mirrored = Surface(np.flip(mask, axis), spacing).gap_mm(Surface(np.flip(other, axis), spacing))
    if gap is None:
        assert back is None is mirrored
    else:
        assert back == pytest.approx(gap)
        assert mirrored == pytest.approx(gap, abs=1e-5)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("spacing", SPACINGS)
def test_the_gap_between_parallel_planes_is_exact(axis, spacing) -> None:
    place = np.indices((14, 14, 14))[axis]
    gap = Surface(place < 4, spacing).gap_mm(Surface(place < 9, spacing))
    assert gap == pytest.approx(5 * spacing[axis], rel=1e-5)


@pytest.mark.parametrize("inner_mm", [4.0, 7.0])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.8, 0.8, 0.8), (2.0, 1.0, 1.0)])
def test_the_gap_between_two_balls_is_the_difference_of_their_radii(inner_mm, spacing) -> None:
    grid = grid_of(tuple(round(32 / s) for s in spacing), spacing)
    centre = tuple((n - 1) / 2 for n in grid.shape)
    inner, outer = (paint([Ball(centre, r)], grid) >= 0.5 for r in (inner_mm, 11.0))
    gap = Surface(inner, spacing).gap_mm(Surface(outer, spacing))
    assert gap == pytest.approx(11.0 - inner_mm, abs=0.25 * max(spacing))


def test_faces_towards_a_neighbour_do_not_count() -> None:
    place = np.indices((5, 5, 20))[2]
    own, neighbour = (place >= 4) & (place < 10), (place >= 10) & (place < 16)
    target = Surface(place >= 2, (1.0, 1.0, 1.0))
    assert len(Surface(own, (1.0, 1.0, 1.0), beyond=neighbour).faces[0]) == 25
    assert len(Surface(own, (1.0, 1.0, 1.0)).faces[0]) == 50
    assert Surface(own, (1.0, 1.0, 1.0), beyond=place >= 10).gap_mm(target) == pytest.approx(2)


def test_the_shell_is_as_thick_as_it_says() -> None:
    place = np.indices((6, 6, 20))[2]
    surface = Surface(place < 10, (1.0, 1.0, 1.0))
    field = np.full(place.shape, 1.0, np.float32)
    field[place == 9] = 0.5  # the centres lie ½, 1½ and 2½ mm from the face
    field[place == 7] = 0.5
    assert shell_confidence(field, surface) == pytest.approx(3 / 4)
    excluded = place >= 10
    assert shell_confidence(field, surface, excluded=excluded) == pytest.approx(1 / 2)


def test_thick_slices_still_have_a_shell() -> None:
    place = np.indices((8, 4, 4))[0]
    field = np.where(place < 4, 0.75, 0.0).astype(np.float32)
    surface = Surface(place < 4, (6.0, 1.0, 1.0))
    assert shell_confidence(field, surface) == pytest.approx((0.25 + 1) / 2)


def test_what_fills_the_image_is_averaged_whole() -> None:
    mask = np.ones((3, 3, 3), bool)
    field = np.full(mask.shape, 0.75, np.float32)
    assert shell_confidence(field, Surface(mask, (1.0, 1.0, 1.0))) == pytest.approx(0.25)
