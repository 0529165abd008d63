"""Once its brain is known, a whole head is what a skull-stripped one is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ParetoSegLib.core.geometry import Grid
from ParetoSegLib.core.labels import MODALITIES
from ParetoSegLib.data.brain import SMALLEST_BRAIN_CC, solid_brain, within_brain
from ParetoSegLib.data.case import Case, Image
from ParetoSegLib.data.head_mask import BRAIN
from ParetoSegLib.data.preprocessing import Prepared, PreprocessingSettings, prepare

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
GRID = Grid((60, 66, 62), (1.0, 1.0, 1.0), (-30.0, -30.0, -30.0), IDENTITY)
COARSE = Grid((44, 48, 46), (4.0, 4.0, 4.0), (0.0, 0.0, 0.0), IDENTITY)


def ball(grid: Grid, radius_mm: float, shift_mm: tuple[float, float, float] = (0, 0, 0)):
    axes = np.meshgrid(*[np.arange(n, dtype=float) for n in grid.shape], indexing="ij")
    middle = [
        (n - 1) / 2 + s / step
        for n, s, step in zip(grid.shape, shift_mm, grid.spacing_mm, strict=True)
    ]
    steps = grid.spacing_mm
    squares = sum(((a - m) * s) ** 2 for a, m, s in zip(axes, middle, steps, strict=True))
    return squares <= radius_mm**2


BRAIN_BALL = ball(GRID, 20)
MARGIN_MM = PreprocessingSettings().margin_mm


def head(seed: int, scalp: float) -> np.ndarray:
    """A textured ball in a shell of another brightness, in faint noise."""
    rng = np.random.default_rng(seed)
    image = np.abs(rng.normal(0, 2, GRID.shape))
    image[ball(GRID, 26)] += scalp
    image[BRAIN_BALL] = rng.uniform(80, 160, GRID.shape)[BRAIN_BALL]
    return image.astype(np.float32)


def case_of(images: dict[str, np.ndarray], regions: dict[str, np.ndarray] | None = None) -> Case:
    named = {m: Image(array, GRID) for m, array in images.items()}
    return Case("P-1", "P-1", named, "t1c", GRID, regions, {})


def whole_and_stripped(scalp: float, regions: dict[str, np.ndarray] | None = None):
    whole = {m: head(i, scalp) for i, m in enumerate(("t1c", "t2f"))}
    cut = {m: np.where(BRAIN_BALL, a, np.float32(0)) for m, a in whole.items()}
    return prepare(case_of(whole, regions)), prepare(case_of(cut, regions))


def on_full_grid(prepared: Prepared, array: np.ndarray) -> np.ndarray:
    full = np.zeros((*array.shape[:-3], *prepared.full_grid.shape), array.dtype)
    full[(..., *prepared.box)] = array
    return full


@pytest.mark.parametrize("scalp", [30.0, 400.0, 2000.0])
def test_a_head_with_its_brain_outlined_is_prepared_as_a_stripped_one(scalp: float) -> None:
    whole, stripped = whole_and_stripped(scalp)
    inside = within_brain(whole, BRAIN_BALL[whole.box], MARGIN_MM)
    assert inside.mask_source == BRAIN
    assert inside.grid == stripped.grid
    np.testing.assert_array_equal(inside.mask, stripped.mask)
    np.testing.assert_array_equal(inside.images, stripped.images)
    assert not inside.images[~inside.mask[None].repeat(4, 0)].any()


def test_the_way_back_leads_to_the_same_place() -> None:
    whole, _ = whole_and_stripped(400.0)
    inside = within_brain(whole, BRAIN_BALL[whole.box], MARGIN_MM)
    back = inside.way_back.restore(inside.mask[None].astype(np.float32))[0]
    np.testing.assert_array_equal(back > 0, BRAIN_BALL)


def test_labels_beyond_the_brain_widen_the_crop_and_not_the_mask() -> None:
    far = ball(GRID, 2, (24, 0, 0))
    whole, _ = whole_and_stripped(400.0, {"wt": far})
    inside = within_brain(whole, BRAIN_BALL[whole.box], margin_mm=0)
    assert far[inside.box].sum() == far.sum()
    assert not (inside.mask & far[inside.box]).any()


def test_the_head_it_was_is_left_alone() -> None:
    whole, _ = whole_and_stripped(400.0)
    before = whole.images.copy()
    within_brain(whole, BRAIN_BALL[whole.box], MARGIN_MM)
    np.testing.assert_array_equal(whole.images, before)


def test_where_there_was_no_data_there_is_none_and_it_sets_no_scale() -> None:
    image = head(0, 400.0)
    missing = np.zeros(GRID.shape, bool)
    missing[:20] = True
    known = prepare(case_of({"t1c": image}))
    part = np.where(missing[known.box], np.float32(np.nan), known.unscaled["t1c"])
    inside = within_brain(replace(known, unscaled={"t1c": part}), BRAIN_BALL[known.box], MARGIN_MM)
    there = on_full_grid(inside, inside.images)[MODALITIES.index("t1c")]
    assert not there[missing].any()
    values = there[BRAIN_BALL & ~missing]
    assert abs(float(values.mean())) < 0.05
    assert float(values.std()) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("brain", [np.zeros(GRID.shape, bool), np.ones((4, 4, 4), bool)])
def test_an_empty_brain_or_one_of_another_head_is_refused(brain: np.ndarray) -> None:
    whole, _ = whole_and_stripped(400.0)
    assert whole.grid.shape != (4, 4, 4)
    wrong = brain[whole.box] if brain.shape == GRID.shape else brain
    with pytest.raises(ValueError, match="a brain of shape"):
        within_brain(whole, wrong, MARGIN_MM)


class TestSolidBrain:
    def test_it_is_the_largest_part_with_its_holes_filled(self) -> None:
        brain = ball(COARSE, 60)
        found = brain & ~ball(COARSE, 12)
        found |= ball(COARSE, 9, (78, 0, 0))
        solid = solid_brain(found, COARSE.spacing_mm)
        assert solid is not None
        np.testing.assert_array_equal(solid, brain)

    def test_a_lesion_at_the_surface_is_no_bay(self) -> None:
        brain = ball(COARSE, 60)
        solid = solid_brain(brain & ~ball(COARSE, 8, (56, 0, 0)), COARSE.spacing_mm)
        assert solid is not None
        assert (solid & brain).sum() > 0.998 * brain.sum()

    def test_what_hangs_on_by_a_thread_is_cut_off(self) -> None:
        brain, eye = ball(COARSE, 56), ball(COARSE, 10, (76, 0, 0))
        found = brain | eye
        d, h, w = (n // 2 for n in COARSE.shape)
        found[d:41, h, w] = True
        solid = solid_brain(found, COARSE.spacing_mm)
        assert solid is not None
        assert not (solid & ball(COARSE, 8, (76, 0, 0))).any()
        assert (solid & brain).sum() > 0.98 * brain.sum()

    @pytest.mark.parametrize("radius_mm", [0.0, 30.0, 200.0])
    def test_nothing_a_nut_and_a_pumpkin_are_no_brains(self, radius_mm: float) -> None:
        found = ball(COARSE, radius_mm) if radius_mm else np.zeros(COARSE.shape, bool)
        assert found.sum() * COARSE.voxel_mm3 / 1000 < SMALLEST_BRAIN_CC or radius_mm == 200
        assert solid_brain(found, COARSE.spacing_mm) is None
