"""What each layout makes of its files: sequences, labels, schemes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from ParetoSegLib.core.errors import (
    LabelError,
    LayoutError,
    ParetoSegError,
)
from ParetoSegLib.core.labels import BINARY_CORE, BRATS_2018, BRATS_METS, CORE_EDEMA, MODALITIES
from ParetoSegLib.data.case import read_case
from ParetoSegLib.data.layouts import LAYOUTS, find_cases
from Testing.data.layout_folders import (
    by_name,
    make_bcbm,
    make_brats_2018,
    make_brats_mets,
    make_by_name,
    make_lung,
    make_monai,
    make_nnunet,
    make_ucsf,
    touch,
)


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
