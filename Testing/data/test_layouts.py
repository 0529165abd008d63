"""Folder layouts: each is recognised alone, by name and one level above, or clearly refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from ParetoSegLib.core.errors import (
    LayoutError,
    UsageError,
)
from ParetoSegLib.core.labels import MODALITIES
from ParetoSegLib.data.layouts import LAYOUTS, find_cases
from Testing.data.layout_folders import (
    MAKERS,
    brats,
    make_brats_mets,
    make_pretreat,
    make_ucsf,
    touch,
)


def test_every_layout_is_tested() -> None:
    assert MAKERS.keys() == LAYOUTS.keys()


@pytest.mark.parametrize("layout", MAKERS)
def test_recognised_and_said_which(layout: str, tmp_path: Path) -> None:
    root = tmp_path / "daten groß"
    MAKERS[layout](root)
    name, cases = find_cases(root)
    assert name == layout
    assert len(cases) >= 2
    assert [c.name for c in cases] == sorted({c.name for c in cases})
    for case in cases:
        assert case.images
        assert set(case.images) <= set(MODALITIES)
        assert (case.scheme is None) == (not case.labels)
        assert case.dataset == layout
        paths = [*case.images.values(), *case.labels]
        assert len(set(paths)) == len(paths)
        assert all(p.exists() for p in paths) or layout == "monai"
        assert not any(w in p.name for p in case.images.values() for w in ("rater", "truth", "._"))


@pytest.mark.parametrize("layout", MAKERS)
def test_named_and_one_level_above_give_the_same(layout: str, tmp_path: Path) -> None:
    root = tmp_path / "above" / "root"
    MAKERS[layout](root)
    found = find_cases(root)
    assert find_cases(root, layout) == found
    assert find_cases(tmp_path / "above") == found


@pytest.mark.parametrize("layout", MAKERS)
def test_a_wrong_name_is_refused(layout: str, tmp_path: Path) -> None:
    touch(tmp_path / "x", "notes.txt")
    with pytest.raises(LayoutError) as caught:
        find_cases(tmp_path / "x", layout)
    assert LAYOUTS[layout].title in str(caught.value)
    assert LAYOUTS[layout].expects in str(caught.value)


def test_nothing_fits(tmp_path: Path) -> None:
    touch(tmp_path / "x", "a/b.txt", "c.nii.gz")
    with pytest.raises(LayoutError) as caught:
        find_cases(tmp_path / "x")
    assert all(layout in str(caught.value) for layout in LAYOUTS)
    assert str(tmp_path) not in str(caught.value)


def test_missing_and_empty_folders(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match="nowhere"):
        find_cases(tmp_path / "nowhere")
    with pytest.raises(LayoutError):
        find_cases(tmp_path)


def test_an_unknown_layout_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="brats-mets"):
        find_cases(tmp_path, "flat")


def test_several_data_sets_need_a_choice(tmp_path: Path) -> None:
    make_brats_mets(tmp_path / "a")
    make_ucsf(tmp_path / "b")
    with pytest.raises(LayoutError, match="brats-mets, ucsf-bmsr"):
        find_cases(tmp_path)
    assert len(find_cases(tmp_path, "ucsf-bmsr")[1]) == 3


def test_pretreat_beside_brats_mets_is_told_apart(tmp_path: Path) -> None:
    make_brats_mets(tmp_path / "BraTS-METS")
    make_pretreat(tmp_path)
    with pytest.raises(LayoutError, match="brats-mets, pretreat-mets"):
        find_cases(tmp_path)


@pytest.mark.parametrize("layout", ["brats-mets", "auto"])
def test_duplicate_names_are_refused(layout: str, tmp_path: Path) -> None:
    brats(tmp_path / "first", "BraTS-MET-00086-000")
    brats(tmp_path / "second", "BraTS-MET-00086-000")
    with pytest.raises(LayoutError, match=r"two cases called BraTS-MET-00086-000"):
        find_cases(tmp_path, layout)


def test_duplicates_in_flat_layouts_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "a/P_image_ss_n4.nii.gz", "b/P_image_ss_n4.nii.gz")
    with pytest.raises(LayoutError, match="two cases called P"):
        find_cases(tmp_path)
