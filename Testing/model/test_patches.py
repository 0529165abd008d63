"""Patches depend on (seed, index) alone, stay aligned with their labels, and find small lesions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ParetoSegLib.core.labels import MODALITIES, REGIONS
from ParetoSegLib.model.augmentation import QUANTA, AugmentationSettings, augment
from ParetoSegLib.model.patches import SamplingSettings, draw_patch, draw_presence
from Testing.model.cached import make_case

OFF = AugmentationSettings(*[0.0] * 10)


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return make_case(tmp_path_factory.mktemp("cases") / "a")


def same(a, b) -> bool:
    return all(torch.equal(getattr(a, f), getattr(b, f)) for f in a.__dataclass_fields__)


@settings(max_examples=15, deadline=None)
@given(index=st.integers(0, 10**6), seed=st.integers(0, 2**40))
def test_a_patch_depends_on_seed_and_index_alone(case, index, seed):
    arguments = ([case], index, seed, (16, 16, 16), SamplingSettings(), AugmentationSettings())
    first = draw_patch(*arguments)
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 - the point: the global generators do not matter
    assert same(first, draw_patch(*arguments))
    assert not same(first, draw_patch([case], index + 1, *arguments[2:]))


@settings(max_examples=25, deadline=None)
@given(index=st.integers(0, 10**6), size=st.tuples(*[st.integers(8, 60)] * 3))
def test_images_and_labels_are_cut_in_the_same_place(case, index, size):
    keep = SamplingSettings(keep_all=1.0, favourite_share=0.0)
    patch = draw_patch([case], index, 1, size, keep, None)
    assert patch.images.shape == (4, *size)
    inside = patch.images[0] > 0
    expected = torch.round(patch.membership[1] * QUANTA) + 1
    assert torch.equal(patch.images[0][inside], expected[inside])
    assert inside.any()


def test_flips_move_images_and_labels_together(case):
    flips = AugmentationSettings(*[1.0] + [0.0] * 9)
    keep = SamplingSettings(keep_all=1.0, favourite_share=0.0)
    plain = draw_patch([case], 5, 1, (20, 20, 20), keep, None)
    flipped = draw_patch([case], 5, 1, (20, 20, 20), keep, flips)
    assert torch.equal(flipped.images, plain.images.flip(1, 2, 3))
    assert torch.equal(flipped.membership, plain.membership.flip(1, 2, 3))


def test_every_augmentation_at_once_keeps_labels_valid_and_absent_images_absent():
    always = AugmentationSettings(1, 1, 0.35, 0.15, 1, 1, 1, 1, 1, 1)
    generator = torch.Generator().manual_seed(0)
    images = torch.rand((4, 24, 24, 24), generator=generator) + 1
    images[2] = 0
    images[:, :4] = 0
    membership = (torch.rand((3, 24, 24, 24), generator=generator) > 0.7).float()
    for seed in range(5):
        changed, mu = augment(images, membership, always, seed)
        assert torch.isfinite(changed).all()
        assert (changed[2] == 0).all()
        assert (changed[0] == 0).any()
        assert changed[0].std() > 0
        assert torch.equal(torch.round(mu * QUANTA) / QUANTA, mu)
        assert 0 <= mu.min() <= mu.max() <= 1
    again = augment(images, membership, always, 4)
    assert torch.equal(again[0], changed)
    assert torch.equal(again[1], mu)


def test_small_lesions_are_drawn_as_often_as_the_power_says(case):
    sampling = SamplingSettings(lesion_share=1.0, small_lesion_power=0.2)
    found = 0
    for index in range(300):
        patch = draw_patch([case], index, 7, (8, 8, 8), sampling, None)
        found += bool(((patch.membership[1] * QUANTA).round() == 200).any())
    weights = np.array([1728.0, 27.0]) ** -0.2
    # A patch of 8³ shifted by up to 2 voxels always still holds part of the lesion.
    assert found / 300 == pytest.approx(weights[1] / weights.sum(), abs=0.09)


@given(
    present=st.tuples(*[st.booleans()] * 4).filter(any),
    seed=st.integers(0, 10**6),
    keep=st.floats(0, 0.6),
)
def test_presence_is_a_non_empty_subset(present, seed, keep):
    rng = np.random.default_rng(seed)
    kept = draw_presence(present, SamplingSettings(keep_all=keep), rng)
    assert any(kept)
    assert all(p or not k for p, k in zip(present, kept, strict=True))


def test_every_subset_of_sequences_occurs():
    rng = np.random.default_rng(0)
    drawn = {draw_presence((True,) * 4, SamplingSettings(), rng) for _ in range(2000)}
    assert len(drawn) == 15


def test_absent_sequences_are_zero_and_enhancement_unlabelled_without_contrast(case):
    sampling = SamplingSettings(keep_all=0.0, favourite_share=1.0, favourites=("t2f",))
    patch = draw_patch([case], 0, 0, (16, 16, 16), sampling, OFF)
    for channel, modality in enumerate(MODALITIES):
        assert bool(patch.presence[channel]) == (modality == "t2f")
        assert bool(patch.images[channel].any()) == (modality == "t2f")
    assert patch.labelled.tolist() == [r != "et" for r in REGIONS]


def test_cases_take_turns(tmp_path):
    cases = [make_case(tmp_path / str(i), labelled=(i == 0, i == 1, i == 2)) for i in range(3)]
    keep = SamplingSettings(keep_all=1.0, favourite_share=0.0)
    for turn in range(4):
        seen = [
            tuple(draw_patch(cases, 3 * turn + i, 0, (8, 8, 8), keep, None).labelled.tolist())
            for i in range(3)
        ]
        assert len(set(seen)) == 3


@pytest.mark.parametrize(
    "wrong",
    [{"lesion_share": 1.5}, {"keep_all": 0.8, "favourite_share": 0.4}, {"favourites": ("t1x",)}],
)
def test_impossible_sampling_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SamplingSettings(**wrong)
