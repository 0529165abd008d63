"""Variation and stripping: reproducible, images move with tissues, masks only take away."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ParetoSegLib.data.synthesis.heads import Head, small_head
from ParetoSegLib.data.synthesis.patient import make_patient
from ParetoSegLib.data.synthesis.settings import SynthesisSettings
from ParetoSegLib.data.synthesis.stripping import draw_cut, stripped, tightened
from ParetoSegLib.data.synthesis.tissues import BRAIN, Tissue, belongs
from ParetoSegLib.data.synthesis.variation import fuller, varied


def real_head(seed: int = 3) -> Head:
    """A stripped head whose one image tells the tissue of every voxel."""
    head = stripped(small_head(seed, 56))
    image = head.tissues.astype(np.float32) * 10
    return replace(head, beyond=None, images={"t1n": image, "t2w": image[::1] * 2})


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_real_images_move_with_their_tissues(seed: int) -> None:
    head = real_head()
    other = varied(head, np.random.default_rng(seed))
    assert other.tissues.shape == head.tissues.shape
    t1n = other.images["t1n"]
    assert (t1n[other.tissues == Tissue.AIR] == 0).all()
    # Deep in a tissue, interpolation has only that tissue to take.
    same = np.abs(t1n - 10 * other.tissues) < 1
    assert same[belongs(other.tissues, BRAIN)].mean() > 0.6
    np.testing.assert_allclose(other.images["t2w"], 2 * t1n, rtol=1e-4, atol=1e-3)


def test_equal_seeds_give_equal_variations_and_others_do_not() -> None:
    head = real_head()
    one, again, other = (varied(head, np.random.default_rng(s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(one.tissues, again.tissues)
    np.testing.assert_array_equal(one.images["t1n"], again.images["t1n"])
    assert (one.tissues != other.tissues).mean() > 0.02


def test_without_strength_a_head_is_at_most_mirrored() -> None:
    head = real_head()
    for seed in range(6):
        still = varied(head, np.random.default_rng(seed), 0.0)
        options = (head.images["t1n"], head.images["t1n"][:, :, ::-1])
        assert any(np.array_equal(still.images["t1n"], option) for option in options)


def test_a_fuller_brain_takes_from_the_fluid_alone() -> None:
    head = small_head(4)
    full = fuller(head, np.random.default_rng(0))
    changed = full.tissues != head.tissues
    assert changed.any()
    assert (head.tissues[changed] == Tissue.CSF).all()
    assert (full.tissues[changed] == Tissue.CORTEX).all()


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_any_cut_leaves_one_brain_and_no_skull(seed: int) -> None:
    rng = np.random.default_rng(seed)
    head = small_head(5)
    bare = stripped(head, cut=draw_cut(rng), rng=rng)
    assert not bare.whole
    assert bare.beyond is not None
    kept = belongs(bare.tissues, BRAIN).sum() / belongs(head.tissues, BRAIN).sum()
    assert 0.6 < kept <= 1
    # What was inside the brain stays inside: ventricles are not cut out.
    assert (bare.tissues == Tissue.VENTRICLE).sum() == (head.tissues == Tissue.VENTRICLE).sum()


def test_a_tightened_mask_only_takes_away() -> None:
    head = real_head()
    for seed in range(4):
        tight = tightened(head, np.random.default_rng(seed))
        inside = tight.tissues > 0
        np.testing.assert_array_equal(tight.tissues[inside], head.tissues[inside])
        assert (tight.images["t1n"][~inside] == 0).all()
        assert 0.5 < inside.sum() / (head.tissues > 0).sum() < 1


@pytest.mark.parametrize("thick", [0.0, 1.0])
def test_stripped_patients_are_zero_outside_one_mask(thick: float) -> None:
    wanted = SynthesisSettings(lesions=(1, 2), stripped_share=1.0, thick_share=thick)
    for seed in range(2):
        patient = make_patient(small_head(1), seed, wanted)
        images = np.stack(list(patient.images.values()))
        empty = (images == 0).all(axis=0)
        border = np.concatenate(
            [np.take(empty, side, axis).ravel() for axis in range(3) for side in (0, -1)]
        )
        assert border.mean() > 0.8
        assert 0.2 < empty.mean() < 0.95
        assert patient.truth["wt"][empty].max() == 0
