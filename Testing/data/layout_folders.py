"""A small folder of each layout, with empty files where images would lie."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from ParetoSegLib.core.labels import MODALITIES
from ParetoSegLib.data.case import CaseFiles


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


def by_name(cases: list[CaseFiles]) -> dict[str, CaseFiles]:
    return {case.name: case for case in cases}
