"""The mask: which image is stripped, and that no tissue is ever left out of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ParetoSegLib.core.geometry import Grid
from ParetoSegLib.data.head_mask import brain_mask, head_mask, stripped_background

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
SHAPE = (40, 48, 44)


def radius(shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    """Distance from the middle, 1 at the field's border along each axis."""
    axes = np.ogrid[tuple(slice(-1, 1, n * 1j) for n in shape)]
    return np.sqrt(sum(axis**2 for axis in axes))


def whole_head(seed: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """A head with bright scalp, dark bone, brain, and an open neck below; and all its tissue."""
    rng = np.random.default_rng(seed)
    r = radius()
    image = np.zeros(SHAPE, np.float32)
    image[r < 0.8] = 600  # scalp
    image[r < 0.72] = 30  # bone
    image[r < 0.6] = 300  # brain
    image[r < 0.2] = 60  # a ventricle
    neck = (np.hypot(*np.ogrid[-1 : 1 : SHAPE[1] * 1j, -1 : 1 : SHAPE[2] * 1j]) < 0.35)[None]
    below = np.arange(SHAPE[0])[:, None, None] < SHAPE[0] // 2
    image[below & neck & (r > 0.6)] = 250
    tissue = (r < 0.8) | (below & neck)
    return np.hypot(image + rng.normal(0, noise, SHAPE), rng.normal(0, noise, SHAPE)), tissue


@given(st.integers(0, 2**32 - 1), st.floats(-1000, 1000), st.floats(0.1, 10))
@settings(max_examples=25, deadline=None)
def test_a_constant_background_of_any_value_is_found(seed: int, offset: float, gain: float) -> None:
    brain = radius() < 0.7
    image = np.where(brain, np.random.default_rng(seed).uniform(1, 2, SHAPE), 0)
    scaled = (image * gain + offset).astype(np.float32)
    found = stripped_background(scaled, 1.0)
    assert found == np.float32(offset)
    np.testing.assert_array_equal(scaled != found, brain)


def test_noise_around_the_head_is_no_constant_background() -> None:
    assert stripped_background(whole_head(0, 10.0)[0], 27.0) is None


def test_a_whole_head_on_zeros_is_too_large_for_a_brain() -> None:
    head = np.where(radius() < 0.8, 100.0, 0.0)
    litre = head[head > 0].size * 1.0 / 1e6
    assert stripped_background(head, 1.4 / litre) == 0
    assert stripped_background(head, 4.0 / litre) is None


def test_a_constant_image_is_not_stripped() -> None:
    assert stripped_background(np.full(SHAPE, 3.0, np.float32), 1.0) is None


def test_a_slab_that_cuts_the_brain_is_still_stripped() -> None:
    slab = np.where(radius()[15:25] < 0.7, 100.0, 0.0)
    assert stripped_background(slab, 1.0) == 0


def test_the_brain_mask_is_the_union_with_its_holes_closed() -> None:
    r = radius()
    first, second = (r < 0.7) & (r > 0.2), np.roll(r < 0.6, 4, axis=0)
    mask = brain_mask([first, second])
    assert mask[first | second].all()
    np.testing.assert_array_equal(mask, (r < 0.7) | second)


def test_a_brain_that_touches_the_border_keeps_its_edge() -> None:
    first = np.zeros(SHAPE, bool)
    first[:, :, :20] = True
    np.testing.assert_array_equal(brain_mask([first]), first)


def test_nothing_in_gives_nothing_out() -> None:
    assert not brain_mask([np.zeros(SHAPE, bool)]).any()


@pytest.mark.parametrize("noise", [1.0, 10.0, 25.0])
@pytest.mark.parametrize("spacing_mm", [(4.0, 4.0, 4.0), (6.0, 3.6, 3.6)])
def test_the_outline_holds_all_tissue_bone_and_holes_and_leaves_air(
    noise: float, spacing_mm: tuple[float, float, float]
) -> None:
    image, tissue = whole_head(1, noise)
    mask, thresholds = head_mask([image], Grid(SHAPE, spacing_mm, (0, 0, 0), IDENTITY))
    assert mask[tissue].all()
    assert mask.sum() < 2.2 * tissue.sum()
    assert not mask[-1, 0, 0]
    assert 2 * noise < thresholds[0] < 250


def test_a_scalp_little_brighter_than_air_is_kept() -> None:
    image, tissue = whole_head(5, 4.0)
    r = radius()
    dim = np.where((r >= 0.6) & (r < 0.8), np.maximum(image * 0.09, 20), image)
    # Two bright tissues draw both of Otsu's thresholds above the scalp.
    dim[:, :, 22:] *= np.where(r < 0.6, 1.6, 1)[:, :, 22:]
    mask, thresholds = head_mask([dim], Grid(SHAPE, (4.0, 4.0, 4.0), (0, 0, 0), IDENTITY))
    scalp = (r < 0.8) & (r >= 0.72)
    assert np.median(dim[scalp]) < thresholds[0]
    assert mask[tissue].all()


def test_a_fine_grid_is_outlined_too() -> None:
    image, tissue = whole_head(2, 10.0)
    fine = image.repeat(2, 0).repeat(3, 1).repeat(3, 2)[:-1, :-1, :-2]
    grid = Grid(fine.shape, (2.0, 4 / 3, 4 / 3), (0, 0, 0), IDENTITY)
    mask, _ = head_mask([fine], grid)
    assert mask.shape == fine.shape
    assert mask[tissue.repeat(2, 0).repeat(3, 1).repeat(3, 2)[:-1, :-1, :-2]].all()
    assert not mask[-1, 0, 0]


def test_two_images_outline_more_than_one() -> None:
    image, tissue = whole_head(3, 5.0)
    half = np.where(np.arange(SHAPE[2]) < 22, image, np.nan)
    grid = Grid(SHAPE, (4.0, 4.0, 4.0), (0, 0, 0), IDENTITY)
    together, thresholds = head_mask([half, image], grid)
    assert together[tissue].all()
    assert len(thresholds) == 2
    alone, _ = head_mask([half], grid)
    assert not alone[tissue].all()


@given(st.floats(0.01, 100), st.floats(-500, 500))
@settings(max_examples=6, deadline=None)
def test_unit_and_offset_do_not_move_the_outline(gain: float, offset: float) -> None:
    image, _ = whole_head(4, 8.0)
    grid = Grid(SHAPE, (4.0, 4.0, 4.0), (0, 0, 0), IDENTITY)
    first, _ = head_mask([image], grid)
    second, _ = head_mask([(image * gain + offset).astype(np.float32)], grid)
    assert (first != second).mean() < 2e-3


def test_without_an_outline_the_whole_field_is_kept() -> None:
    grid = Grid(SHAPE, (1.0, 1.0, 1.0), (0, 0, 0), IDENTITY)
    mask, _ = head_mask([np.full(SHAPE, 5.0, np.float32)], grid)
    assert mask.all()
