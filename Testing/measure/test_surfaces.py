from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ParetoSegLib.measure.surfaces import border, image_diagonal_mm, surface_distances
from Testing.measure.masks import MM, SPACINGS, ball, block, pairs


def brute_border(mask):
    found = np.zeros_like(mask)
    for voxel in np.argwhere(mask):
        for axis, step in itertools.product(range(3), (-1, 1)):
            near = voxel.copy()
            near[axis] += step
            outside = not 0 <= near[axis] < mask.shape[axis]
            if outside or not mask[tuple(near)]:
                found[tuple(voxel)] = True
    return found


def brute_directed(start, end, spacing):
    a, b = np.argwhere(brute_border(start)), np.argwhere(brute_border(end))
    between = (a[:, None] - b[None]) * np.array(spacing)
    return np.sqrt((between**2).sum(-1)).min(1)


@given(pairs(), SPACINGS)
def test_distances_are_those_of_every_pair_of_border_voxels(masks, spacing):
    prediction, reference = masks
    assume(prediction.any() and reference.any())
    found = surface_distances(prediction, reference, spacing)
    there = brute_directed(prediction, reference, spacing)
    back = brute_directed(reference, prediction, spacing)
    np.testing.assert_allclose(found.of_prediction, np.sort(there), atol=1e-4)
    np.testing.assert_allclose(found.of_reference, np.sort(back), atol=1e-4)
    hd95 = max(np.percentile(there, 95), np.percentile(back, 95))
    assert found.hd95_mm == pytest.approx(hd95, abs=1e-4)
    for tolerance in (0.5, 1.0, 2.0):
        near = (there <= tolerance + 1e-6).sum() + (back <= tolerance + 1e-6).sum()
        share = near / (there.size + back.size)
        assert found.surface_dice(tolerance) == pytest.approx(share)


@given(pairs(), SPACINGS)
def test_the_two_masks_may_change_places(masks, spacing):
    assume(masks[0].any() and masks[1].any())
    one, other = surface_distances(*masks, spacing), surface_distances(*masks[::-1], spacing)
    assert one.hd95_mm == other.hd95_mm
    assert one.surface_dice(1.0) == other.surface_dice(1.0)


@given(pairs(), st.tuples(*[st.integers(1, 4)] * 6))
def test_air_around_the_masks_changes_nothing(masks, rim):
    assume(masks[0].any() and masks[1].any())
    wide = [np.pad(mask, [rim[i : i + 2] for i in (0, 2, 4)]) for mask in masks]
    one, other = surface_distances(*masks, MM), surface_distances(*wide, MM)
    np.testing.assert_array_equal(one.of_prediction, other.of_prediction)
    np.testing.assert_array_equal(one.of_reference, other.of_reference)


def test_two_plates_are_as_far_apart_as_their_slices():
    found = surface_distances(block((2, 0, 0), (1, 5, 5)), block((6, 0, 0), (1, 5, 5)), (2.5, 1, 1))
    assert found.hd95_mm == pytest.approx(10.0)
    assert found.surface_dice(9.9) == 0.0
    assert found.surface_dice(10.0) == 1.0


def test_a_block_has_no_border_inside():
    found = border(block((1, 1, 1), (3, 3, 3), (5, 5, 5)))
    assert found.sum() == 26
    assert not found[2, 2, 2]


def test_an_empty_mask_has_no_surface():
    with pytest.raises(ValueError, match="not empty"):
        surface_distances(np.zeros((3, 3, 3), bool), np.ones((3, 3, 3), bool), MM)


def test_the_diagonal_spans_the_outer_corners():
    assert image_diagonal_mm((155, 240, 240), MM) == pytest.approx(373.13, abs=0.01)
    assert image_diagonal_mm((3, 4, 2), (1.0, 1.0, 6.0)) == pytest.approx(13.0)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("spacing", [MM, (3.0, 1.0, 0.8)])
def test_monai_agrees(spacing):
    torch = pytest.importorskip("torch")
    from monai.metrics import compute_hausdorff_distance, compute_surface_dice

    rng = np.random.default_rng(5)
    for _ in range(5):
        one, other = (
            ball(tuple(rng.uniform(8, 15, 3)), rng.uniform(2, 6))
            | ball(tuple(rng.uniform(5, 18, 3)), rng.uniform(1, 4))
            for _ in range(2)
        )
        found = surface_distances(one, other, spacing)
        batch = [torch.from_numpy(m[None, None].astype(np.float32)) for m in (one, other)]
        hd95 = compute_hausdorff_distance(*batch, percentile=95, spacing=spacing)
        assert found.hd95_mm == pytest.approx(float(hd95), abs=1e-3)
        for tolerance in (0.5, 1.0):
            nsd = compute_surface_dice(*batch, class_thresholds=[tolerance], spacing=spacing)
            assert found.surface_dice(tolerance) == pytest.approx(float(nsd), abs=1e-5)
