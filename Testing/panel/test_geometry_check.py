from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ParetoSegPanel.geometry_check import check_geometry

from ParetoSegLib.core.geometry import Grid
from ParetoSegLib.core.labels import MODALITIES

GRID = Grid((20, 24, 22), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))


def _moved(by_mm: float) -> Grid:
    return replace(GRID, origin=(by_mm, 0.0, 0.0))


def test_one_image_needs_no_words() -> None:
    verdict = check_geometry({"t2f": GRID})
    assert verdict.fits
    assert verdict.sentence == ""


def test_one_grid_is_said_to_be_one() -> None:
    verdict = check_geometry(dict.fromkeys(MODALITIES, GRID))
    assert verdict.fits
    assert verdict.sentence == "All images share one grid."


def test_another_grid_is_allowed_and_said() -> None:
    verdict = check_geometry({"t1c": GRID, "t2f": replace(GRID, spacing_mm=(3.0, 1.0, 1.0))})
    assert verdict.fits
    assert verdict.sentence == "FLAIR will be aligned to the grid of T1c."


def test_images_apart_are_refused_by_name() -> None:
    verdict = check_geometry({"t1c": GRID, "t2w": _moved(500.0)})
    assert not verdict.fits
    assert verdict.sentence.startswith("T2 lies apart from T1c")


def test_a_sliver_of_overlap_is_not_enough() -> None:
    assert not check_geometry({"t1c": GRID, "t2w": _moved(21.9)}).fits
    assert check_geometry({"t1c": GRID, "t2w": _moved(15.0)}).fits


def test_a_single_slice_is_no_volume() -> None:
    verdict = check_geometry({"t1c": replace(GRID, shape=(1, 24, 22))})
    assert not verdict.fits
    assert verdict.sentence == "T1c: too few slices along one axis (1); a whole volume is needed."


@pytest.mark.parametrize("spacing", [(1000.0, 1.0, 1.0), (1.0, 0.0, 1.0), (float("nan"), 1.0, 1.0)])
def test_absurd_voxels_are_refused(spacing: tuple[float, float, float]) -> None:
    verdict = check_geometry({"t1n": replace(GRID, spacing_mm=spacing)})
    assert not verdict.fits
    assert verdict.sentence.startswith("T1: its voxel size makes no sense")


def test_nothing_does_not_fit() -> None:
    assert not check_geometry({}).fits


@given(st.sets(st.sampled_from(MODALITIES), min_size=2), st.floats(0.0, 800.0))
def test_the_verdict_is_one_sentence(present: set[str], by_mm: float) -> None:
    first = min(present)
    grids = {m: _moved(by_mm) if m == first else GRID for m in present}
    verdict = check_geometry(grids)
    assert verdict.sentence.endswith(".")
    assert verdict.sentence.count(". ") == 0
    if by_mm > 30:
        assert not verdict.fits
    if by_mm < 10:
        assert verdict.fits
