from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk

from ParetoSegLib.core.errors import GeometryError, ImageReadError, LabelError
from ParetoSegLib.core.geometry import Grid
from ParetoSegLib.core.labels import BRATS_METS
from ParetoSegLib.data.case import read_case
from ParetoSegLib.review.predictions import find_predictions, onto_grid, read_prediction
from Testing.review.study import (
    LEVELS,
    LPS,
    RAS,
    SHAPE,
    ball,
    files_of,
    grid,
    lesions,
    write,
    write_prediction,
    write_reference,
)

NAME = "BraTS-MET-00001-000"
LABELS = lesions((13, 17, 12))


@pytest.fixture
def folder(tmp_path):
    reference = write_reference(tmp_path / "study", NAME, LABELS)
    return write_prediction(tmp_path / "out", reference, LABELS)


@pytest.mark.parametrize("direction", [LPS, RAS], ids=["LPS", "RAS"])
def test_what_was_written_is_read_on_the_grid_of_the_reference(tmp_path, direction):
    reference = write_reference(tmp_path / "study", NAME, LABELS, direction)
    written = write_prediction(tmp_path / "out", reference, LABELS)
    case = read_case(files_of(reference))
    found = read_prediction(written, case.grid)
    assert not found.resampled
    assert found.levels == LEVELS
    assert found.not_assessable == frozenset()
    for region, mask in case.regions.items():
        np.testing.assert_array_equal(found.masks[region], mask)
        np.testing.assert_array_equal(found.membership[region] >= 0.5, mask)


def test_a_region_that_was_not_assessed_is_absent_not_empty(tmp_path):
    reference = write_reference(tmp_path / "study", NAME, LABELS)
    written = write_prediction(tmp_path / "out", reference, LABELS, ("tc", "wt"))
    found = read_prediction(written, grid())
    assert found.not_assessable == {"et"}
    assert set(found.masks) == set(found.membership) == set(found.levels) == {"tc", "wt"}


def test_a_bare_segmentation_is_enough(folder):
    for path in folder.iterdir():
        if path.name != "segmentation.nii.gz":
            path.unlink()
    found = read_prediction(folder, grid())
    assert set(found.masks) == {"et", "tc", "wt"}
    assert found.membership == found.levels == {}


def test_a_tumour_free_membership_is_zero_everywhere(tmp_path):
    reference = write_reference(tmp_path / "study", NAME, np.zeros(SHAPE, np.int16))
    written = write_prediction(tmp_path / "out", reference, np.zeros(SHAPE, np.int16))
    found = read_prediction(written, grid())
    assert all(not membership.any() for membership in found.membership.values())
    assert len(found.membership) == 3


def test_labels_on_another_grid_take_the_nearest_voxel(folder):
    fine = Grid(tuple(2 * n for n in SHAPE), (0.5, 0.5, 0.5), (-12.25, 6.75, 2.75), LPS)
    doubled = LABELS.repeat(2, 0).repeat(2, 1).repeat(2, 2)
    sitk.WriteImage(fine.image(doubled), str(folder / "segmentation.nii.gz"), True)
    found = read_prediction(folder, grid())
    assert found.resampled
    np.testing.assert_array_equal(found.masks["tc"], BRATS_METS.region_masks(LABELS, "")["tc"])


def test_a_cropped_prediction_is_padded_with_background():
    box = (slice(0, 26), slice(4, 30), slice(2, 28))
    cropped = grid().cropped(box).image(LABELS[box])
    array, resampled = onto_grid(cropped, grid(), "segmentation.nii.gz")
    assert resampled
    expected = np.zeros_like(LABELS)
    expected[box] = LABELS[box]
    np.testing.assert_array_equal(array, expected)


def test_another_space_is_an_error_that_names_the_file():
    elsewhere = Grid(SHAPE, (1.0, 1.0, 1.0), (40.0, 7.0, 3.0), LPS)
    with pytest.raises(GeometryError, match=r"segmentation\.nii\.gz covers 0%"):
        onto_grid(elsewhere.image(LABELS), grid(), "segmentation.nii.gz")


def test_membership_must_be_membership(folder):
    write(300 * ball((13, 17, 15), 5).astype(np.float32), folder / "membership_tc.nii.gz")
    with pytest.raises(ImageReadError, match=r"membership_tc\.nii\.gz holds values from 0 to 300"):
        read_prediction(folder, grid())


def test_stray_labels_are_an_error(folder):
    write(np.where(LABELS == 3, 9, LABELS), folder / "segmentation.nii.gz")
    with pytest.raises(LabelError, match=r"segmentation\.nii\.gz holds the label 9"):
        read_prediction(folder, grid())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"regions": 3}',
        '{"regions": {"tc": {"certain_level": "high"}}}',
        json.dumps({"regions": {"tc": {"certain_level": 0.2, "possible_level": 0.8}}}),
    ],
)
def test_a_damaged_summary_is_an_error(folder, text):
    (folder / "summary.json").write_text(text, encoding="utf-8")
    with pytest.raises(ImageReadError, match=r"summary\.json of this prediction"):
        read_prediction(folder, grid())


def test_a_missing_segmentation_is_an_error(folder):
    (folder / "segmentation.nii.gz").unlink()
    with pytest.raises(ImageReadError, match=r"segmentation\.nii\.gz"):
        read_prediction(folder, grid())


def test_only_result_folders_are_predictions(folder):
    out = folder.parent
    folder.rename(out / "stopped.partial")
    (out / "notes").mkdir()
    (out / "readme.txt").write_text("hello")
    write(LABELS, out / "a b é" / "segmentation.nii.gz")
    assert list(find_predictions(out)) == ["a b é"]
