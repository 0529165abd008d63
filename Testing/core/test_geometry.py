"""Signed distance, components and grids, as properties of random masks and grids."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ParetoSegLib.core.geometry import (
    Grid,
    bounding_box,
    components,
    distance_to,
    face_voxels,
    grown,
    padded_box,
    signed_distance,
)

masks = hnp.arrays(bool, st.tuples(*[st.integers(2, 9)] * 3))
spacings = st.tuples(*[st.floats(0.4, 5.0)] * 3)


@given(masks, spacings)
def test_distance_is_antisymmetric_and_has_the_mask_s_sign(mask, spacing):
    s = signed_distance(mask, spacing)
    np.testing.assert_array_equal(s, -signed_distance(~mask, spacing))
    np.testing.assert_array_equal(s > 0, mask)


@given(masks, spacings, st.integers(0, 2))
def test_distance_follows_flips(mask, spacing, axis):
    flipped = np.flip(signed_distance(mask, spacing), axis)
    np.testing.assert_allclose(signed_distance(np.flip(mask, axis), spacing), flipped, rtol=1e-5)


@given(st.permutations(range(3)), masks, spacings)
def test_distance_follows_permutations(order, mask, spacing):
    turned = signed_distance(mask.transpose(order), tuple(spacing[a] for a in order))
    np.testing.assert_allclose(turned, signed_distance(mask, spacing).transpose(order), rtol=1e-5)


@pytest.mark.parametrize("spacing", [(1, 1, 1), (5, 1, 1), (5, 0.9, 1.3)])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_distance_to_a_plane_is_exact(spacing, axis):
    mask = np.zeros((12, 12, 12), bool)
    half = [slice(None)] * 3
    half[axis] = slice(0, 5)
    mask[tuple(half)] = True
    expected = (4.5 - np.arange(12)) * spacing[axis]
    profile = np.moveaxis(signed_distance(mask, spacing), axis, 0)[:, 6, 6]
    np.testing.assert_allclose(profile, expected, atol=1e-5)


@given(masks.filter(np.any), spacings)
def test_distance_to_seeds_equals_brute_force(mask, spacing):
    seeds = np.argwhere(mask) * spacing
    everywhere = np.argwhere(np.ones_like(mask)) * spacing
    brute = np.linalg.norm(everywhere[:, None] - seeds[None], axis=-1).min(1)
    np.testing.assert_allclose(distance_to(mask, spacing).ravel(), brute, atol=1e-4)


@pytest.mark.parametrize("full", [False, True])
def test_a_mask_without_a_face_is_infinitely_far(full):
    s = signed_distance(np.full((3, 4, 5), full), (1, 1, 1))
    assert np.isinf(s).all()
    assert ((s > 0) == full).all()


@given(masks)
def test_faces_lie_on_both_sides(mask):
    inner, outer = face_voxels(mask)
    assert not (inner & ~mask).any()
    assert not (outer & mask).any()
    assert inner.any() == outer.any() == (mask.any() and not mask.all())


@given(masks)
def test_components_cover_the_mask_and_sit_in_their_boxes(mask):
    labelled, boxes = components(mask)
    np.testing.assert_array_equal(labelled > 0, mask)
    for number, box in enumerate(boxes, start=1):
        assert bounding_box(labelled == number) == box


def test_corner_neighbours_are_one_component():
    mask = np.zeros((4, 4, 4), bool)
    mask[0, 0, 0] = mask[1, 1, 1] = True
    mask[3, 3, 3] = True
    assert len(components(mask)[1]) == 2


@settings(max_examples=30)
@given(
    shape=st.tuples(*[st.integers(2, 6)] * 3),
    spacing=spacings,
    origin=st.tuples(*[st.floats(-200, 200)] * 3),
    seed=st.integers(0, 99),
)
def test_a_grid_agrees_with_simpleitk(shape, spacing, origin, seed):
    rng = np.random.default_rng(seed)
    direction = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    grid = Grid(shape, spacing, origin, tuple(direction.ravel()))
    image = grid.image(np.zeros(shape, np.float32))
    assert Grid.of(image).matches(grid, 1e-6)
    index = [int(rng.integers(n)) for n in shape]
    expected = image.TransformIndexToPhysicalPoint(index[::-1])
    np.testing.assert_allclose(grid.positions([index])[0], expected, atol=1e-6)
    box = (slice(1, shape[0]), slice(0, shape[1]), slice(1, shape[2]))
    np.testing.assert_allclose(
        grid.cropped(box).positions([[0, 0, 0]]), grid.positions([[1, 0, 1]]), atol=1e-9
    )


def test_a_shifted_grid_does_not_match():
    grid = Grid((4, 4, 4), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    moved = Grid((4, 4, 4), (1.0, 1.0, 1.0), (0.0, 0.5, 0.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    assert grid.matches(grid)
    assert not grid.matches(moved)


def test_a_padded_box_stays_inside():
    box = padded_box((slice(0, 2), slice(3, 4), slice(5, 9)), (2, 2, 2), (4, 9, 9))
    assert box == (slice(0, 4), slice(1, 6), slice(3, 9))


@given(masks, st.integers(0, 4))
def test_a_grown_mask_is_all_that_lies_within_a_cube(mask, voxels):
    seeds = np.argwhere(mask)
    everywhere = np.argwhere(np.ones_like(mask))
    near = np.zeros(len(everywhere), bool)
    for seed in seeds:
        near |= np.abs(everywhere - seed).max(1) <= voxels
    np.testing.assert_array_equal(grown(mask, voxels).ravel(), near)
