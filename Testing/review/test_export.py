from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ParetoSegLib.core.errors import OutputError
from ParetoSegLib.core.geometry import Grid
from ParetoSegLib.core.labels import BRATS_METS, REGIONS
from ParetoSegLib.core.project import DISCLAIMER
from ParetoSegLib.review import export
from ParetoSegLib.review.export import LESION_COLUMNS, STEPS, quantised, write_result
from Testing.measure.memberships import scenes
from Testing.review.cases import CANDIDATE, NATIVE, THREE, painted

VALUES = arrays.arrays(
    np.float32,
    st.integers(1, 50),
    elements=st.one_of(
        st.floats(0, 1, width=32),
        st.floats(0.4990234375, 0.5009765625, width=32),  # two steps around ½
    ),
)


@settings(max_examples=200, deadline=None)
@given(VALUES)
def test_rounding_never_crosses_a_half_and_stays_near(values) -> None:
    rounded = quantised(values)
    assert rounded.dtype == np.float32
    assert np.array_equal(rounded >= 0.5, values >= 0.5)
    assert ((rounded >= 0) & (rounded <= 1)).all()
    assert np.abs(rounded - values).max() <= 1 / STEPS
    away = np.abs(values - 0.5) > 1 / STEPS
    assert (np.abs(rounded - values)[away] <= 0.5 / STEPS + 1e-7).all()
    assert np.array_equal(quantised(rounded), rounded)
    assert np.array_equal(np.rint(rounded * STEPS), rounded * STEPS)


@settings(max_examples=20, deadline=None)
@given(scenes())
def test_rounding_keeps_regions_nested(scene) -> None:
    membership, _ = scene
    et, tc, wt = (quantised(membership[r]) for r in REGIONS)
    assert (et <= tc).all()
    assert (tc <= wt).all()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory):
    result = painted((*THREE, CANDIDATE))
    folder = tmp_path_factory.mktemp("Ergebnisse für M") / "Fall 7 ü"
    write_result(result, folder)
    return result, folder


def read(path: Path) -> tuple[np.ndarray, Grid]:
    image = sitk.ReadImage(str(path))
    return sitk.GetArrayFromImage(image), Grid.of(image)


def test_every_image_is_on_the_file_s_own_grid(written) -> None:
    result, folder = written
    images = sorted(folder.glob("*.nii.gz"))
    assert len(images) == 7
    for path in images:
        array, grid = read(path)
        assert grid.matches(NATIVE)
        assert array.dtype == (np.uint8 if path.name == "segmentation.nii.gz" else np.float32)
    segmentation, _ = read(folder / "segmentation.nii.gz")
    assert np.array_equal(segmentation, result.case.to_native(result.segmentation))


def test_what_is_read_back_agrees_with_the_segmentation(written) -> None:
    _, folder = written
    segmentation, _ = read(folder / "segmentation.nii.gz")
    masks = BRATS_METS.region_masks(segmentation, "segmentation.nii.gz")
    for region in REGIONS:
        membership, _ = read(folder / f"membership_{region}.nii.gz")
        confidence, _ = read(folder / f"boundary_confidence_{region}.nii.gz")
        assert np.array_equal(membership >= 0.5, masks[region])
        for array in (membership, confidence):
            assert array.min() >= 0
            assert array.max() <= 1
        assert np.abs(confidence - (2 * membership - 1) ** 2).max() < 5 / STEPS


def test_a_row_a_lesion_with_units(written) -> None:
    result, folder = written
    with (folder / "lesions.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == LESION_COLUMNS
    assert [row["kind"] for row in rows] == ["lesion"] * 3 + ["candidate"]
    for row, lesion in zip(rows, result.lesions.lesions, strict=True):
        assert float(row["tc_volume_cc"]) == pytest.approx(lesion.volume_cc, abs=1e-4)
        assert float(row["centroid_y_lps_mm"]) == pytest.approx(lesion.centroid_lps[1], abs=0.01)
        assert row["margin_mm"] == ("n/a" if lesion.margin_mm is None else row["margin_mm"])
    assert any(row["certain_core"] == "no" and row["margin_mm"] == "n/a" for row in rows[:3])
    measured = ("volume", "margin", "diameter", "centroid")
    assert all(c.endswith(("_cc", "_mm")) for c in LESION_COLUMNS if any(m in c for m in measured))


def test_the_summary_says_what_was_done(written) -> None:
    result, folder = written
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert summary["disclaimer"] == DISCLAIMER
    assert summary["case"] == "Fall 7 ü"
    assert summary["inputs"] == dict(result.case.hashes)
    assert summary["presence"] == {"t1n": False, "t1c": True, "t2w": False, "t2f": True}
    assert summary["versions"] == {"ParetoSegLib": "0.1.0"}
    assert summary["model"]["fingerprint"] == "f" * 64
    assert summary["lesions"] == {"region": "tc", "lesions": 3, "candidates": 1}
    assert summary["not_assessable"] == {}
    assert sorted(summary["files"]) == sorted(p.name for p in folder.iterdir())
    for region in REGIONS:
        facts = summary["regions"][region]
        low, high = facts["volume_interval_cc"]
        assert low <= facts["volume_cc"] <= high
    total = sum(lesion.volume_cc for lesion in result.lesions.found)
    assert summary["regions"]["tc"]["volume_cc"] == pytest.approx(total, abs=1e-4)


def test_no_file_tells_who_or_where_or_when(written) -> None:
    _, folder = written
    for path in folder.iterdir():
        data = path.read_bytes()
        if path.suffix in (".csv", ".json"):
            text = data.decode()
            assert "Geheim" not in text
            assert folder.parent.name not in text
            assert not re.search(r"[/\\]|\b(19|20)\d\d-\d\d", text.replace("n/a", ""))
        else:
            assert data[4:8] == b"\0\0\0\0"  # gzip's time stamp
            header = sitk.ImageFileReader()
            header.SetFileName(str(path))
            header.ReadImageInformation()
            words = " ".join(header.GetMetaData(key) for key in header.GetMetaDataKeys())
            assert "Geheim" not in words
            assert folder.name not in words


def test_what_cannot_be_assessed_is_said_and_not_zero(tmp_path: Path) -> None:
    write_result(painted(assessable=("tc", "wt"), modalities=("t2f",)), tmp_path / "case")
    summary = json.loads((tmp_path / "case" / "summary.json").read_text(encoding="utf-8"))
    assert summary["regions"]["et"] == "not assessable"
    assert "t1c" in summary["not_assessable"]["et"]
    assert not list((tmp_path / "case").glob("*_et*"))
    rows = (tmp_path / "case" / "lesions.csv").read_text(encoding="utf-8").splitlines()
    column = rows[0].split(",").index("et_volume_cc")
    assert rows[1].split(",")[column] == "not assessable"


def test_no_lesion_is_a_result_too(tmp_path: Path) -> None:
    write_result(painted(()), tmp_path / "case")
    rows = (tmp_path / "case" / "lesions.csv").read_text(encoding="utf-8").splitlines()
    assert rows == [",".join(LESION_COLUMNS)]
    segmentation, _ = read(tmp_path / "case" / "segmentation.nii.gz")
    assert not segmentation.any()
    summary = json.loads((tmp_path / "case" / "summary.json").read_text(encoding="utf-8"))
    assert summary["regions"]["et"]["volume_cc"] == 0


def test_an_earlier_result_is_replaced_whole(tmp_path: Path) -> None:
    folder = tmp_path / "case"
    write_result(painted(), folder)
    write_result(painted(assessable=("wt",)), folder)
    assert not list(folder.glob("*_tc*"))
    assert [p.name for p in tmp_path.iterdir()] == ["case"]


def test_a_failure_leaves_the_earlier_result(tmp_path: Path, monkeypatch) -> None:
    folder = tmp_path / "case"
    write_result(painted(), folder)
    before = {p.name: p.read_bytes() for p in folder.iterdir()}

    def full_disk(array: np.ndarray, grid: Grid, path: Path) -> None:
        if "confidence" in path.name:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(export, "write_array", full_disk)
    with pytest.raises(OutputError, match="space left"):
        write_result(painted(THREE), folder)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    assert [p.name for p in tmp_path.iterdir()] == ["case"]


def test_numbers_that_json_cannot_hold_are_refused(tmp_path: Path) -> None:
    result = painted()
    broken = replace(result, facts={**result.facts, "seconds": float("nan")})
    with pytest.raises(ValueError, match="JSON"):
        write_result(broken, tmp_path / "case")
    assert not list(tmp_path.iterdir())
