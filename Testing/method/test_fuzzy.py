from __future__ import annotations

import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ParetoSegLib.core.geometry import components, signed_distance
from ParetoSegLib.method.fuzzy import (
    band_box,
    band_half_width,
    certainty,
    fuzzy_labels,
    hesitation,
    membership_of,
    nest,
    nonmembership,
)
from Testing.method.asserts import (
    assert_commutes_with_flips_and_permutations,
    assert_every_lesion_keeps_a_core,
    assert_half_cut_is,
    assert_is_membership,
    assert_nested,
)
from Testing.method.strategies import SPACINGS, volumes

MM = (1.0, 1.0, 1.0)
bands = st.sampled_from([0.5, 1.5, 2.5])
betas = st.sampled_from([0.3, 0.75, 1.0])
floats = arrays.arrays(np.float32, (3, 4, 5), elements=st.floats(0, 1, width=32))


def ball(shape: tuple[int, int, int], centre: tuple[float, ...], radius: float) -> np.ndarray:
    grid = np.ogrid[tuple(slice(0, n) for n in shape)]
    return sum((g - c) ** 2 for g, c in zip(grid, centre, strict=True)) <= radius**2


def by_definition(mask, spacing, band_mm, beta):
    """The formula over the whole volume, written as it is printed."""
    labelled, boxes = components(mask)
    mu = np.zeros(mask.shape)
    outside_bands = np.ones(mask.shape, bool)
    for number in range(1, len(boxes) + 1):
        s = signed_distance(labelled == number, spacing).astype(float)
        inside = s[labelled == number]
        w = band_mm
        if np.isfinite(inside.max()):
            w = min(band_mm, beta * min(inside.max(), 2 * inside.mean()))
        t = np.clip((s + w) / (2 * w), 0, 1)
        mu = np.maximum(mu, np.where(t <= 0.5, 2 * t**2, 1 - 2 * (1 - t) ** 2))
        outside_bands &= np.abs(s) >= w
    return mu, outside_bands


@settings(max_examples=60, deadline=None)
@given(volumes(), bands, betas)
def test_membership_follows_its_mask(volume, band_mm, beta):
    mask, spacing = volume
    mu = membership_of(mask, spacing, band_mm, beta)
    assert_is_membership(mu)
    assert_half_cut_is(mu, mask)
    assert_every_lesion_keeps_a_core(mu, mask)


@settings(max_examples=60, deadline=None)
@given(volumes(), bands, betas)
def test_boxes_give_what_the_whole_volume_gives(volume, band_mm, beta):
    mask, spacing = volume
    expected, outside_bands = by_definition(mask, spacing, band_mm, beta)
    mu = membership_of(mask, spacing, band_mm, beta)
    np.testing.assert_allclose(mu, expected, atol=2e-6)
    at_rest = mu[outside_bands]
    assert (np.minimum(at_rest, 1 - at_rest) < 1e-12).all()


@settings(max_examples=40, deadline=None)
@given(volumes(), bands)
def test_distance_in_a_box_is_that_of_the_volume(volume, band_mm):
    mask, spacing = volume
    labelled, boxes = components(mask)
    for number, box in enumerate(boxes, start=1):
        lesion = labelled == number
        around = band_box(box, spacing, band_mm, mask.shape)
        whole = signed_distance(lesion, spacing)
        local = signed_distance(lesion[around], spacing)
        # Not to the bit: the transform's float32 arithmetic knows where a voxel's index starts.
        np.testing.assert_allclose(local, whole[around], rtol=1e-5, atol=2e-6)
        beyond = np.ones(mask.shape, bool)
        beyond[around] = False
        assert (whole[beyond] < -band_mm).all()


@settings(max_examples=40, deadline=None)
@given(volumes())
def test_distance_is_antisymmetric(volume):
    mask, spacing = volume
    np.testing.assert_array_equal(signed_distance(mask, spacing), -signed_distance(~mask, spacing))


@settings(max_examples=10, deadline=None)
@given(volumes())
def test_flips_and_permutations_commute(volume):
    assert_commutes_with_flips_and_permutations(membership_of, *volume)


@settings(max_examples=30, deadline=None)
@given(volumes(), volumes(), st.integers(0, 2**32 - 1))
def test_regions_are_nested(first, second, seed):
    spacing = first[1]
    whole = first[0]
    rng = np.random.default_rng(seed)
    core = whole & (rng.random(whole.shape) < 0.8)
    enhancing = core & (rng.random(whole.shape) < 0.5)
    masks = {"wt": whole, "et": enhancing, "tc": core}
    kept = {region: mask.copy() for region, mask in masks.items()}
    labels = fuzzy_labels(masks, spacing)
    assert list(labels) == ["et", "tc", "wt"]
    for region, mask in masks.items():
        np.testing.assert_array_equal(mask, kept[region])
        assert_is_membership(labels[region])
        assert_half_cut_is(labels[region], mask)
        assert_every_lesion_keeps_a_core(labels[region], mask)
    assert_nested(labels["et"], labels["tc"])
    assert_nested(labels["tc"], labels["wt"])


@pytest.mark.parametrize("spacing", SPACINGS)
def test_a_single_voxel_keeps_its_core(spacing):
    for place in ((4, 4, 4), (0, 0, 0), (8, 0, 4)):
        mask = np.zeros((9, 9, 9), bool)
        mask[place] = True
        mu = membership_of(mask, spacing)
        assert mu[place] == 1
        assert_half_cut_is(mu, mask)


def test_unlabelled_regions_stay_out():
    labels = fuzzy_labels({"tc": ball((9, 9, 9), (4, 4, 4), 2)}, MM)
    assert list(labels) == ["tc"]


def test_empty_and_full_masks():
    assert (membership_of(np.zeros((4, 5, 6), bool), MM) == 0).all()
    assert (membership_of(np.ones((4, 5, 6), bool), MM) == 1).all()


def test_the_band_is_measured_in_millimetres():
    """A large plane face: s is ±½ voxel, ±1½ voxels…, so μ is known exactly."""
    mask = np.zeros((40, 12, 12), bool)
    mask[:20] = True
    for h in (0.5, 1.0, 2.0):
        mu = membership_of(mask, (h, h, h))[:, 6, 6]
        t = np.clip(0.5 + (20 - 0.5 - np.arange(40)) * h / 3.0, 0, 1)
        expected = np.where(t <= 0.5, 2 * t**2, 1 - 2 * (1 - t) ** 2)
        np.testing.assert_allclose(mu, expected, atol=1e-6)


def test_a_nodule_does_not_set_the_band_of_a_thin_rim():
    shape = (40, 40, 40)
    rim = ball(shape, (20, 20, 20), 14) & ~ball(shape, (20, 20, 20), 12)
    rim |= ball(shape, (20, 20, 33), 5)
    s = signed_distance(rim, MM)[rim]
    assert s.max() > 4
    assert band_half_width(s) < 1.5
    share = (membership_of(rim, MM)[rim] == 1).mean()
    by_maximum_alone = np.mean(s >= 1.5)
    assert share > 1.5 * by_maximum_alone


def test_small_metastases_keep_an_interior():
    for radius in (0.5, 1.0, 1.5):
        mask = ball((11, 11, 11), (5, 5, 5), radius)
        assert (membership_of(mask, MM)[mask] == 1).any()


def test_the_width_does_not_depend_on_other_lesions():
    shape = (30, 30, 60)
    large, small = ball(shape, (15, 15, 14), 9), ball(shape, (15, 15, 27), 2)
    both = membership_of(large | small, MM)
    apart = np.maximum(membership_of(large, MM), membership_of(small, MM))
    np.testing.assert_array_equal(both, apart)


@given(floats)
def test_triple_sums_to_one(mu):
    np.testing.assert_allclose(mu + nonmembership(mu) + hesitation(mu), 1, atol=1e-6)
    gamma = certainty(mu)
    assert (gamma >= 0).all()
    assert (gamma <= 1).all()
    np.testing.assert_allclose(gamma, 1 - 4 * hesitation(mu), atol=1e-6)
    np.testing.assert_allclose(gamma, certainty(1 - mu), atol=1e-6)


@given(floats)
def test_arrays_and_tensors_alike(mu):
    for function in (nonmembership, hesitation, certainty, nest, partial(nest, axis=0)):
        on_array, on_tensor = function(mu), function(torch.from_numpy(mu.copy()))
        assert on_array.dtype == np.float32
        assert isinstance(on_tensor, torch.Tensor)
        np.testing.assert_array_equal(on_array, on_tensor.numpy())


@given(floats)
def test_nesting_keeps_its_input_and_its_inner_region(mu):
    kept = mu.copy()
    nested = nest(mu)
    np.testing.assert_array_equal(mu, kept)
    np.testing.assert_array_equal(nested[0], mu[0])
    assert_nested(nested[0], nested[1])
    assert_nested(nested[1], nested[2])
    np.testing.assert_array_equal(nest(nested), nested)
    batched = nest(np.stack([mu, mu]), axis=1)
    np.testing.assert_array_equal(batched[1], nested)


def test_nesting_lets_gradients_through():
    mu = torch.rand(3, 5, requires_grad=True)
    nest(mu).sum().backward()
    assert mu.grad is not None
    assert mu.grad.sum() == 15


def test_certainty_is_exact_where_it_splits():
    assert certainty(np.float32([0, 0.5, 1])).tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("mask", "spacing", "band_mm", "beta"),
    [
        (np.ones((3, 3), bool), MM, 1.5, 0.75),
        (np.ones((3, 3, 3), bool), (1.0, 0.0, 1.0), 1.5, 0.75),
        (np.ones((3, 3, 3), bool), MM, 0.0, 0.75),
        (np.ones((3, 3, 3), bool), MM, 1.5, 1.5),
    ],
)
def test_nonsense_is_refused(mask, spacing, band_mm, beta):
    with pytest.raises(ValueError, match=r"must|needs"):
        membership_of(mask, spacing, band_mm, beta)


def test_unknown_or_unequal_regions_are_refused():
    with pytest.raises(ValueError, match="region"):
        fuzzy_labels({"brain": np.zeros((3, 3, 3), bool)}, MM)
    with pytest.raises(ValueError, match="shape"):
        fuzzy_labels({"et": np.zeros((3, 3, 3), bool), "tc": np.zeros((3, 3, 4), bool)}, MM)


def test_no_torch_is_imported():
    code = "import sys, ParetoSegLib.method.fuzzy; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
