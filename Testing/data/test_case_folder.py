"""One case from its folder or from named files, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from ParetoSegLib.core.errors import (
    ImageReadError,
    LayoutError,
    UsageError,
)
from ParetoSegLib.data.case_folder import case_from_files, case_from_folder
from ParetoSegLib.data.layouts import find_cases
from Testing.data.layout_folders import (
    MAKERS,
    make_synthetic,
    touch,
)


def test_a_case_folder_is_a_data_set_of_one(tmp_path: Path) -> None:
    make_synthetic(tmp_path)
    folder = tmp_path / "ParetoSynth-00002-000"
    layout, (case,) = find_cases(folder)
    assert layout == "paretosynth"
    assert case.name == "ParetoSynth-00002-000"
    assert case_from_folder(folder).images == case.images


@pytest.mark.parametrize("layout", ["brats-mets", "brats-2018", "ucsf-bmsr", "by-name"])
def test_one_case_from_its_folder(layout: str, tmp_path: Path) -> None:
    MAKERS[layout](tmp_path)
    for case in find_cases(tmp_path)[1]:
        folder = next(iter(case.images.values())).parent
        assert case_from_folder(folder) == case


def test_a_folder_without_names_to_go_by(tmp_path: Path) -> None:
    touch(tmp_path / "p", "series1.nii.gz", "t1c-seg.nii.gz")
    with pytest.raises(LayoutError, match="t1c"):
        case_from_folder(tmp_path / "p")
    with pytest.raises(LayoutError, match="missing"):
        case_from_folder(tmp_path / "missing")


def test_two_candidates_for_one_sequence(tmp_path: Path) -> None:
    touch(tmp_path / "p", "T1post.nii.gz", "t1ce.nii.gz")
    with pytest.raises(LayoutError, match=r"T1post\.nii\.gz and t1ce\.nii\.gz"):
        case_from_folder(tmp_path / "p")


def test_explicit_files(tmp_path: Path) -> None:
    (tmp_path / "a b.nii").write_bytes(b"one")
    (tmp_path / "ç.nii").write_bytes(b"two")
    case = case_from_files("X-1-000", t1c=tmp_path / "a b.nii", t2f=tmp_path / "ç.nii")
    assert case.patient == "X-1"
    assert case.images == {"t1c": tmp_path / "a b.nii", "t2f": tmp_path / "ç.nii"}


def test_one_image_given_twice(tmp_path: Path) -> None:
    for name in ("a.nii", "b.nii"):
        (tmp_path / name).write_bytes(b"same")
    with pytest.raises(UsageError, match="both t1c and t2f"):
        case_from_files("x", t1c=tmp_path / "a.nii", t2f=tmp_path / "b.nii")


def test_no_files_and_missing_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least one"):
        case_from_files("x")
    with pytest.raises(ImageReadError, match=r"a\.nii"):
        case_from_files("x", t1c=tmp_path / "a.nii")
