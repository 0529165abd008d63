"""The network that ships finds the brain in heads that it never saw, and says when it cannot."""

from __future__ import annotations

import numpy as np
import pytest

from ParetoSegLib.core.errors import ModelFolderError
from ParetoSegLib.core.geometry import Grid
from ParetoSegLib.data.case import Case, Image
from ParetoSegLib.data.head_mask import BRAIN, HEAD, STRIPPED
from ParetoSegLib.data.preprocessing import PreprocessingSettings, prepare
from ParetoSegLib.data.synthesis.head_files import shipped_heads
from ParetoSegLib.data.synthesis.heads import Head, small_head
from ParetoSegLib.data.synthesis.patient import make_patient
from ParetoSegLib.data.synthesis.settings import SynthesisSettings
from ParetoSegLib.model.outlining import FOUND, NOT_FOUND, find_brain, look_within, prepare_within

COARSE = PreprocessingSettings(spacing_mm=(2.0, 2.0, 2.0))


def coarse_head() -> Head:
    """One of the heads that ship, at every second voxel: painting it takes a second."""
    head = shipped_heads()[0].load()
    tissues = np.ascontiguousarray(head.tissues[::2, ::2, ::2])
    spacing = tuple(2 * s for s in head.grid.spacing_mm)
    grid = Grid(tissues.shape, spacing, head.grid.origin, head.grid.direction)
    return Head("coarse", tissues, grid)


def as_case(images: dict[str, np.ndarray], grid: Grid) -> Case:
    named = {m: Image(np.asarray(array, np.float32), grid) for m, array in images.items()}
    return Case("P-1", "P-1", named, "t1c" if "t1c" in named else next(iter(named)), grid, None, {})


@pytest.fixture(scope="module")
def painted():
    """A whole head with a tumour, seed unseen in training, labelled with its brain."""
    settings = SynthesisSettings(
        labels="brain", stripped_share=0, lesions=(2, 4), thick_share=0, free_share=0
    )
    return make_patient(coarse_head(), 77_001, settings)


@pytest.mark.parametrize("sequences", [("t1n", "t1c", "t2w", "t2f"), ("t1c",), ("t2f",)])
def test_the_brain_is_found_with_any_sequences(painted, sequences) -> None:
    case = as_case({m: painted.images[m] for m in sequences}, painted.grid)
    head = prepare(case, COARSE)
    assert head.mask_source == HEAD
    found = find_brain(head)
    assert found is not None
    truth = painted.labels[head.box] > 0
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.9
    inside = look_within(head, COARSE, BRAIN)
    assert inside.mask_source == BRAIN
    assert inside.mask.sum() == found.sum()
    assert all(own < whole for own, whole in zip(inside.grid.shape, head.grid.shape, strict=True))
    assert not inside.unscaled
    assert inside.notes == (*head.notes, FOUND)


def test_a_model_that_looks_at_heads_gets_the_whole_one(painted) -> None:
    case = as_case({"t1c": painted.images["t1c"]}, painted.grid)
    assert prepare_within(case, COARSE, HEAD).mask_source == HEAD
    assert prepare_within(case, COARSE, BRAIN).mask_source == BRAIN


def test_a_stripped_image_shows_its_own_mask(painted) -> None:
    brain = np.where(painted.labels > 0, painted.images["t1c"], 0)
    case = as_case({"t1c": brain}, painted.grid)
    stripped = prepare_within(case, COARSE, BRAIN)
    assert stripped.mask_source == STRIPPED
    np.testing.assert_array_equal(stripped.images, prepare(case, COARSE).images)


def test_where_there_is_no_brain_the_head_stays_whole_and_a_note_says_so() -> None:
    toy = make_patient(small_head(3), 5, SynthesisSettings(stripped_share=0))
    head = prepare(as_case(dict(toy.images), toy.grid))
    kept = look_within(head, COARSE, BRAIN)
    assert kept.mask_source == HEAD
    assert not kept.unscaled
    assert kept.notes == (*head.notes, NOT_FOUND)
    np.testing.assert_array_equal(kept.images, head.images)


def test_a_missing_network_is_named(painted, tmp_path) -> None:
    head = prepare(as_case({"t1c": painted.images["t1c"]}, painted.grid), COARSE)
    with pytest.raises(ModelFolderError, match="no model"):
        find_brain(head, tmp_path / "nowhere")
