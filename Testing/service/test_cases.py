"""Cases from arrays: as cases from files, whatever the axes, and refused with the same rigour."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

from ParetoSegLib.core.errors import GeometryError, ImageReadError
from ParetoSegLib.core.geometry import Grid
from ParetoSegLib.data.case import CaseFiles, read_case
from ParetoSegLib.service.cases import case_of, check_voxels

SHAPE = (5, 6, 7)
PLAIN = Grid(SHAPE, (2.0, 1.0, 1.5), (3.0, -4.0, 5.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
ARRAY = np.random.default_rng(0).random(SHAPE).astype(np.float32)


@given(
    st.sampled_from(list(permutations(range(3)))),
    st.lists(st.sampled_from([-1.0, 1.0]), min_size=3, max_size=3),
)
def test_arrays_and_files_give_the_same_case(
    tmp_path_factory: pytest.TempPathFactory, order, signs
) -> None:
    direction = (np.eye(3)[list(order)] * signs).ravel()
    grid = replace(PLAIN, direction=tuple(float(v) for v in direction))
    path: Path = tmp_path_factory.mktemp("c") / "t1c.nrrd"
    sitk.WriteImage(grid.image(ARRAY), str(path))
    read = read_case(CaseFiles("case", "case", {"t1c": path}))
    made = case_of("case", {"t1c": (ARRAY, grid)})
    assert made.grid.matches(read.grid, 1e-5)
    assert made.native_grid.matches(read.native_grid, 1e-5)
    np.testing.assert_array_equal(made.images["t1c"].array, read.images["t1c"].array)
    np.testing.assert_array_equal(made.to_native(made.images["t1c"].array), ARRAY)
    assert np.shares_memory(made.images["t1c"].array, ARRAY)


def test_the_reference_is_the_one_that_files_would_have() -> None:
    moved = replace(PLAIN, origin=(3.5, -4.0, 5.0))
    case = case_of("case", {"t2f": (ARRAY, PLAIN), "t1c": (ARRAY, moved), "t1n": (ARRAY, PLAIN)})
    assert case.reference == "t1c"
    assert list(case.images) == ["t1n", "t1c", "t2f"]
    assert case.grid.origin == moved.origin
    assert case.images["t1n"].grid.origin == PLAIN.origin
    same = case_of("case", {"t1c": (ARRAY, PLAIN), "t2f": (ARRAY, PLAIN)})
    assert same.images["t2f"].grid is same.grid


def _changed(**changes: object) -> Grid:
    return replace(PLAIN, **changes)


@pytest.mark.parametrize(
    ("images", "error", "said"),
    [
        ({}, ImageReadError, "no image"),
        ({"t1ce": (ARRAY, PLAIN)}, ImageReadError, "t1ce"),
        ({"t1c": (ARRAY[0], PLAIN)}, ImageReadError, "3-D"),
        ({"t1c": (ARRAY[None], PLAIN)}, ImageReadError, "3-D"),
        ({"t1c": (ARRAY[:4], PLAIN)}, ImageReadError, "shape"),
        ({"t1c": (ARRAY[:1], _changed(shape=(1, 6, 7)))}, GeometryError, "no image of a head"),
        ({"t1c": (ARRAY, _changed(spacing_mm=(200.0, 1.0, 1.0)))}, GeometryError, "mm"),
        ({"t1c": (ARRAY, _changed(spacing_mm=(float("nan"), 1.0, 1.0)))}, GeometryError, "mm"),
        ({"t1c": (ARRAY, _changed(direction=(1, 1, 0, 0, 1, 0, 0, 0, 1)))}, GeometryError, "right"),
        ({"t1c": (ARRAY, _changed(origin=(float("inf"), 0, 0)))}, GeometryError, "right"),
        (
            {"t1c": (ARRAY, PLAIN), "t2f": (ARRAY, _changed(origin=(500.0, 0, 0)))},
            GeometryError,
            "t2f image lies wholly apart",
        ),
    ],
)
def test_what_fits_nowhere_is_refused(images, error, said: str) -> None:
    with pytest.raises(error, match=said):
        case_of("case", images)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_voxels_that_are_no_numbers_are_refused(value: float) -> None:
    array = ARRAY.copy()
    array[2, 3, 4] = value
    with pytest.raises(ImageReadError, match="not finite"):
        check_voxels(case_of("case", {"t1c": (array, PLAIN)}))


def test_an_image_of_nothing_is_refused() -> None:
    check_voxels(case_of("case", {"t1c": (ARRAY, PLAIN)}))
    with pytest.raises(ImageReadError, match="in every voxel"):
        check_voxels(case_of("case", {"t1c": (np.zeros(SHAPE, np.float32), PLAIN)}))
