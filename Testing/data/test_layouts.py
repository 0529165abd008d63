"""Folder layouts: each is recognised alone, by name and one level above, or clearly refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from ParetoSegLib.core.errors import (
    ImageReadError,
    LabelError,
    LayoutError,
    ParetoSegError,
    UsageError,
)
from ParetoSegLib.core.labels import BINARY_CORE, BRATS_2018, BRATS_METS, CORE_EDEMA, MODALITIES
from ParetoSegLib.data.case import CaseFiles, read_case
from ParetoSegLib.data.case_folder import case_from_files, case_from_folder
from ParetoSegLib.data.layouts import LAYOUTS, find_cases


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def brats(root: Path, name: str, *parts: str) -> None:
    parts = parts or (*MODALITIES, "seg")
    touch(root / name, *(f"{name}-{part}.nii.gz" for part in parts))


def make_brats_mets(root: Path) -> None:
    brats(root, "BraTS-MET-00086-000")
    brats(root, "BraTS-MET-00086-001", "t1c", "t1n", "t2f", "seg")
    brats(root, "BraTS-MET-00102-000", *MODALITIES)
    touch(root, "readme.txt", ".DS_Store", "BraTS-MET-00102-000/._BraTS-MET-00102-000-t1c.nii.gz")


def make_pretreat(root: Path) -> None:
    place = root / "PKG - Pretreat-MetsToBrain-Masks"
    brats(place, "BraTS-MET-00086-000")
    brats(place, "BraTS-MET-00090-000")
    touch(place, "Pretreat-MetsToBrain-Masks_clin_20230918.xlsx")


def make_synthetic(root: Path) -> None:
    for number in (1, 2):
        name = f"ParetoSynth-{number:05d}-000"
        truths = [f"truth_{r}" for r in ("et", "tc", "wt")]
        brats(root, name, *MODALITIES, "seg", *truths, "rater1", "rater2", "rater12")
        (root / name / "synthesis.json").write_text('{"name": "x", "training": false}')


def make_brats_2018(root: Path) -> None:
    for grade, name, end in (("HGG", "Brats18_A_1", ".nii.gz"), ("LGG", "Brats18_B_1", ".nii")):
        words = ("flair", "t1", "t1ce", "t2", "seg")
        touch(root / grade / name, *(f"{name}_{w}{end}" for w in words))
    touch(root, "survival_data.csv")


def make_ucsf(root: Path) -> None:
    words = ("T1pre", "T1post", "FLAIR", "subtraction", "T2Synth", "seg")
    for name, more in (("100101A", ("BraTS-seg",)), ("100101B", ()), ("100102A", ())):
        touch(root / name, *(f"{name}_{w}.nii.gz" for w in words + more))


def make_bcbm(root: Path) -> None:
    masks_of = {"BCBM-001-0": ("0", "1"), "BCBM-002-0": ("lesion",), "BCBM-003-0": ()}
    for name, masks in masks_of.items():
        touch(root, f"{name}_image_ss_n4.nii.gz", *(f"{name}_mask_{m}.nii.gz" for m in masks))


def make_lung(root: Path) -> None:
    place = root / "Brain-Mets-Lung-MRI-Path-Segs"
    for name in ("YG_1", "YG_2"):
        touch(place / name, f"{name}_T1CE.nii.gz", f"{name}_FLAIR.nii.gz", f"{name}_seg.nii.gz")


REGION_LABELS = {
    "background": 0,
    "whole tumor": [1, 2, 3],
    "tumor core": [2, 3],
    "enhancing tumor": 3,
}


def make_nnunet(root: Path, **described: object) -> None:
    for name in ("met_001", "met_002"):
        touch(root, *(f"imagesTr/{name}_{c:04d}.nii.gz" for c in range(2)))
        touch(root, f"labelsTr/{name}.nii.gz")
    touch(root, "imagesTs/met_900_0000.nii.gz", "imagesTs/met_900_0001.nii.gz")
    content = {
        "channel_names": {"0": "FLAIR", "1": "T1-Gd"},
        "labels": REGION_LABELS,
        "file_ending": ".nii.gz",
        "numTraining": 2,
    } | described
    (root / "dataset.json").write_text(json.dumps(content), encoding="utf-8")


DATALIST = {
    "labels": {"0": "background", "1": "necrotic", "2": "edema", "3": "enhancing"},
    "training": [
        {"fold": 0, "image": ["d/a_t1c.nii.gz", "d/a_flair.nii.gz"], "label": "d/a_seg.nii.gz"},
        {"fold": 1, "t1c": "d/b/t1c.nii.gz", "t1n": "d/b/t1.nii.gz", "label": ["d/b/seg.nii.gz"]},
    ],
    "validation": [{"name": "c", "patient": "p", "image": "d/x_T1ce.mha"}],
    "testing": [{"image": ["d/z_t1c.nii.gz"]}],
}


def make_monai(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    (root / "folds.json").write_text(json.dumps(DATALIST), encoding="utf-8")
    (root / "settings.json").write_text('{"training": 3, "testing": {}}', encoding="utf-8")


def make_by_name(root: Path) -> None:
    touch(root / "Ärztin 1", "T1 post.nrrd", "T1.nii", "T2 FLAIR.mha", "lesion mask T1.nii")
    touch(root / "patient 2", "T2w/IM1.dcm", "sub-2_ce-gadolinium_T1w/IM1.dcm", "report/a.txt")


MAKERS: dict[str, Callable[[Path], None]] = {
    "brats-mets": make_brats_mets,
    "pretreat-mets": make_pretreat,
    "paretosynth": make_synthetic,
    "brats-2018": make_brats_2018,
    "ucsf-bmsr": make_ucsf,
    "bcbm": make_bcbm,
    "brain-mets-lung": make_lung,
    "nnunet": make_nnunet,
    "monai": make_monai,
    "by-name": make_by_name,
}


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


# ---- what each one makes of its files


def by_name(cases: list[CaseFiles]) -> dict[str, CaseFiles]:
    return {case.name: case for case in cases}


def test_brats_mets_visits_missing_t2w_and_missing_labels(tmp_path: Path) -> None:
    make_brats_mets(tmp_path)
    cases = by_name(find_cases(tmp_path)[1])
    assert {c.patient for c in cases.values()} == {"BraTS-MET-00086", "BraTS-MET-00102"}
    assert tuple(cases["BraTS-MET-00086-000"].images) == MODALITIES
    assert tuple(cases["BraTS-MET-00086-001"].images) == ("t1n", "t1c", "t2f")
    assert cases["BraTS-MET-00086-001"].scheme == BRATS_METS
    assert cases["BraTS-MET-00102-000"].labels == ()


@pytest.mark.parametrize("flat", [True, False])
def test_corrected_labels_lie_over_the_others(flat: bool, tmp_path: Path) -> None:
    make_brats_mets(tmp_path / "TrainingData")
    overlay = tmp_path / "MET-Challenge-corrected-labels"
    for name in ("BraTS-MET-00086-000", "BraTS-MET-00102-000", "BraTS-MET-99999-000"):
        touch(overlay if flat else overlay / name, f"{name}-seg.nii.gz")
    cases = by_name(find_cases(tmp_path)[1])
    assert len(cases) == 3
    for name, corrected in (("00086-000", True), ("00086-001", False), ("00102-000", True)):
        (label,) = cases[f"BraTS-MET-{name}"].labels
        assert (overlay in label.parents) == corrected
        assert cases[f"BraTS-MET-{name}"].scheme == BRATS_METS


def test_ucsf_compartments_win_over_the_binary_mask(tmp_path: Path) -> None:
    make_ucsf(tmp_path)
    cases = by_name(find_cases(tmp_path)[1])
    assert cases["100101A"].labels[0].name == "100101A_BraTS-seg.nii.gz"
    assert cases["100101A"].scheme == BRATS_METS
    assert cases["100101B"].labels[0].name == "100101B_seg.nii.gz"
    assert cases["100101B"].scheme == BINARY_CORE
    assert cases["100101A"].patient == cases["100101B"].patient != cases["100102A"].patient
    images = {m: p.name for m, p in cases["100102A"].images.items()}
    assert images == {
        "t1n": "100102A_T1pre.nii.gz",
        "t1c": "100102A_T1post.nii.gz",
        "t2w": "100102A_T2Synth.nii.gz",
        "t2f": "100102A_FLAIR.nii.gz",
    }


def test_brats_2018_has_its_own_values(tmp_path: Path) -> None:
    make_brats_2018(tmp_path)
    cases = by_name(find_cases(tmp_path)[1])
    assert cases["Brats18_A_1"].scheme == BRATS_2018
    assert cases["Brats18_A_1"].images["t1c"].name == "Brats18_A_1_t1ce.nii.gz"
    assert cases["Brats18_B_1"].images["t1n"].name == "Brats18_B_1_t1.nii"


def test_bcbm_masks_are_all_kept(tmp_path: Path) -> None:
    make_bcbm(tmp_path)
    cases = by_name(find_cases(tmp_path)[1])
    assert [p.name for p in cases["BCBM-001-0"].labels] == [
        "BCBM-001-0_mask_0.nii.gz",
        "BCBM-001-0_mask_1.nii.gz",
    ]
    assert cases["BCBM-001-0"].scheme == BINARY_CORE
    assert cases["BCBM-001-0"].patient == "BCBM-001"
    assert cases["BCBM-003-0"].labels == ()
    assert set(cases["BCBM-003-0"].images) == {"t1c"}


def test_lung_has_core_and_edema(tmp_path: Path) -> None:
    make_lung(tmp_path)
    (first, _) = find_cases(tmp_path)[1]
    assert set(first.images) == {"t1c", "t2f"}
    assert first.scheme == CORE_EDEMA


def test_nnunet_channels_and_regions(tmp_path: Path) -> None:
    make_nnunet(tmp_path)
    first, second = find_cases(tmp_path)[1]
    assert (first.name, second.name) == ("met_001", "met_002")
    assert first.images["t1c"].name == "met_001_0001.nii.gz"
    assert first.images["t2f"].name == "met_001_0000.nii.gz"
    assert first.scheme is not None
    assert first.scheme.regions == {"et": {3}, "tc": {2, 3}, "wt": {1, 2, 3}}
    assert list(first.images) == ["t1c", "t2f"]


def test_nnunet_version_1_and_other_endings(tmp_path: Path) -> None:
    touch(tmp_path, "imagesTr/a_0000.nrrd", "labelsTr/a.nrrd", "imagesTr/b_0000.nrrd")
    content = {
        "modality": {"0": "T1c"},
        "labels": {"0": "background", "1": "metastasis"},
        "file_ending": ".nrrd",
        "training": [{"image": "./imagesTr/a.nrrd", "label": "./labelsTr/a.nrrd"}],
    }
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    layout, (first, second) = find_cases(tmp_path)
    assert layout == "nnunet"
    assert first.scheme is not None
    assert first.scheme.regions == {"tc": {1}}
    assert second.labels == ()
    assert second.scheme is None


def test_nnunet_test_images_alone(tmp_path: Path) -> None:
    make_nnunet(tmp_path)
    for path in [*(tmp_path / "imagesTr").iterdir(), *(tmp_path / "labelsTr").iterdir()]:
        path.unlink()
    (tmp_path / "imagesTr").rmdir()
    assert [c.name for c in find_cases(tmp_path)[1]] == ["met_900"]


@pytest.mark.parametrize(
    "described",
    [
        {"channel_names": {}},
        {"channel_names": {"0": "CT", "1": "PET"}},
        {"channel_names": {"0": "FLAIR"}},
        {"channel_names": {"0": "T1c", "1": "T1ce"}},
        {"channel_names": {"first": "T1c"}},
        {"labels": None},
        {"labels": {"background": 0, "frob": 1}},
        {"labels": {"background": 0, "tumor core": 1, "ignore": 2}},
        {"labels": {"background": 0}},
        {"labels": {"background": 0, "tumor": "1"}},
    ],
)
def test_nnunet_that_does_not_say_what_it_holds(
    described: dict[str, object], tmp_path: Path
) -> None:
    make_nnunet(tmp_path, **described)
    with pytest.raises(LayoutError) as caught:
        find_cases(tmp_path)
    assert "dataset.json" in str(caught.value)


def test_monai_paths_are_relative_to_the_list(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    make_monai(tmp_path / "lists")
    monkeypatch.chdir(tmp_path)
    layout, cases = find_cases(tmp_path / "lists" / "folds.json")
    assert layout == "monai"
    found = by_name(cases)
    assert set(found) == {"a", "b", "c"}
    assert found["a"].images == {
        "t1c": tmp_path / "lists/d/a_t1c.nii.gz",
        "t2f": tmp_path / "lists/d/a_flair.nii.gz",
    }
    assert found["b"].images["t1n"] == tmp_path / "lists/d/b/t1.nii.gz"
    assert found["b"].labels == (tmp_path / "lists/d/b/seg.nii.gz",)
    assert found["c"].patient == "p"
    assert found["a"].scheme is not None
    assert found["a"].scheme.regions == {"et": {3}, "tc": {1, 3}, "wt": {1, 2, 3}}


def write_list(folder: Path, **content: object) -> Path:
    path = folder / "list.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_monai_channels_schemes_and_testing_alone(tmp_path: Path) -> None:
    path = write_list(
        tmp_path,
        scheme="brats-2018",
        channel_names={"0": "FLAIR", "1": "T1gd"},
        testing=[{"image": ["x/0.nii", "x/1.nii"], "label": "x/2.nii"}],
    )
    (case,) = find_cases(path)[1]
    assert case.images["t2f"].name == "0.nii"
    assert case.scheme == BRATS_2018
    assert case.name == "1"  # of the reference image


@pytest.mark.parametrize(
    "content",
    [
        {"training": [{"image": "a.nii"}]},
        {"training": [{"image": ["a.nii", "b.nii"]}], "modality": {"0": "T1c"}},
        {"training": [{"label": "a.nii"}]},
        {"training": [{"image": {"t1c": 3}}]},
        {"training": [{"t1c": "a.nii", "label": "b.nii"}]},
        {"training": [{"t1c": "a.nii", "label": "b.nii"}], "scheme": "brats"},
        {"training": [{"t1c": "a.nii", "label": "b.nii"}], "labels": ["x"]},
        {"training": [{"image": ["a_t1c.nii", "b_t1ce.nii"]}]},
        {"training": [{"t1c": "a.nii", "name": "../../etc"}]},
        {"training": [{"t1c": "a.nii", "name": "a"}, {"t1c": "b.nii", "name": "A"}]},
        {"training": [{"t1c": "a.nii"}, 7]},
    ],
)
def test_monai_lists_that_are_not_understood(content: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(LayoutError) as caught:
        find_cases(write_list(tmp_path, **content))
    assert str(tmp_path) not in str(caught.value)


def test_two_datalists_need_a_choice(tmp_path: Path) -> None:
    make_monai(tmp_path)
    write_list(tmp_path, training=[{"t1c": "a.nii"}])
    with pytest.raises(LayoutError, match=r"folds\.json, list\.json"):
        find_cases(tmp_path)
    assert len(find_cases(tmp_path / "list.json")[1]) == 1


def test_by_name_takes_files_and_dicom_folders(tmp_path: Path) -> None:
    make_by_name(tmp_path)
    first, second = (find_cases(tmp_path)[1][i] for i in (1, 0))
    assert {m: p.name for m, p in first.images.items()} == {
        "t1n": "T1.nii",
        "t1c": "T1 post.nrrd",
        "t2f": "T2 FLAIR.mha",
    }
    assert {m: p.name for m, p in second.images.items()} == {
        "t1c": "sub-2_ce-gadolinium_T1w",
        "t2w": "T2w",
    }


def test_what_lies_inside_a_case_is_not_another(tmp_path: Path) -> None:
    touch(tmp_path / "p1", "t1c.nii", "older/t1.nii", "older/t1c.nii")
    assert [c.name for c in find_cases(tmp_path)[1]] == ["p1"]


# ---- refusals


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


# ---- one case


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


# ---- from the folder to the voxels


def put(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(sitk.GetImageFromArray(array), str(path))


def test_found_cases_can_be_read(tmp_path: Path) -> None:
    image = np.random.default_rng(0).random((4, 5, 6)).astype(np.float32)
    labels = np.zeros(image.shape, np.uint8)
    labels[1, 2, 3], labels[2, 2, 3] = 1, 2
    make_nnunet(tmp_path / "nn")
    for name in ("met_001", "met_002"):
        for channel in range(2):
            put(tmp_path / f"nn/imagesTr/{name}_{channel:04d}.nii.gz", image)
        put(tmp_path / f"nn/labelsTr/{name}.nii.gz", labels)
    for files in find_cases(tmp_path / "nn")[1]:
        case = read_case(files)
        assert case.regions is not None
        assert {r: int(m.sum()) for r, m in case.regions.items()} == {"et": 0, "tc": 1, "wt": 2}
    labels[0, 0, 0] = 8
    put(tmp_path / "nn/labelsTr/met_001.nii.gz", labels)
    with pytest.raises(LabelError, match=r"met_001\.nii\.gz .* dataset\.json"):
        read_case(find_cases(tmp_path / "nn")[1][0])


def test_errors_are_one_sentence_each(tmp_path: Path) -> None:
    touch(tmp_path / "x", "a.txt")
    for layout in ("auto", *LAYOUTS, "nonsense"):
        with pytest.raises(ParetoSegError) as caught:
            find_cases(tmp_path / "x", layout)
        assert "\n" not in str(caught.value)
        assert str(caught.value).endswith(".")
