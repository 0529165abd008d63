"""Backgrounds: toy heads, reduced label maps, stripping, variation, files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from ParetoSegLib.core.errors import LabelError, LayoutError
from ParetoSegLib.data.synthesis.clustering import clustered
from ParetoSegLib.data.synthesis.head_files import find_heads, read_label_map, shipped_heads
from ParetoSegLib.data.synthesis.heads import small_head
from ParetoSegLib.data.synthesis.stripping import stripped
from ParetoSegLib.data.synthesis.tissues import (
    BRAIN,
    Tissue,
    belongs,
    reduce_labels,
    without_layers,
)
from ParetoSegLib.data.synthesis.variation import varied

SHARED = Path(__file__).parents[3].parent / "shared" / "data"


def test_a_small_head_holds_what_a_head_holds() -> None:
    head = small_head(3)
    present = set(np.unique(head.tissues).tolist())
    wanted = (*BRAIN[:3], Tissue.VENTRICLE, Tissue.CSF, Tissue.BONE, Tissue.FAT, Tissue.SKIN)
    assert present >= {0, *wanted}
    assert head.whole
    np.testing.assert_array_equal(small_head(3).tissues, head.tissues)
    assert (small_head(4).tissues != head.tissues).any()


@pytest.mark.parametrize("voxels", [48, 64, 96])
def test_stripping_keeps_the_brain_and_drops_the_skull(voxels: int) -> None:
    head = small_head(1, voxels)
    bare = stripped(head)
    assert not bare.whole
    assert belongs(bare.tissues, BRAIN).sum() == belongs(head.tissues, BRAIN).sum()
    assert bare.tissues.size < head.tissues.size
    # The brain's voxels stay where they were in space.
    was = head.grid.positions(np.argwhere(belongs(head.tissues, BRAIN))).mean(axis=0)
    now = bare.grid.positions(np.argwhere(belongs(bare.tissues, BRAIN))).mean(axis=0)
    np.testing.assert_allclose(was, now, atol=1e-6)


def test_variation_changes_anatomy_and_not_its_amounts() -> None:
    head = small_head(2)
    other = varied(head, np.random.default_rng(5))
    assert other.tissues.shape == head.tissues.shape
    assert (other.tissues != head.tissues).mean() > 0.02
    for tissue in (Tissue.WHITE, Tissue.CORTEX, Tissue.CSF):
        share = (other.tissues == tissue).sum() / (head.tissues == tissue).sum()
        assert 0.7 < share < 1.4


def test_layers_come_back_after_they_were_merged() -> None:
    head = small_head(6)
    merged = without_layers(head.tissues)
    assert not belongs(merged, (Tissue.SKIN, Tissue.FAT, Tissue.MARROW)).any()
    again = reduce_labels(merged, head.grid.spacing_mm, "map.nii.gz")
    assert belongs(again, (Tissue.SKIN,)).any()
    assert belongs(again, (Tissue.FAT,)).any()
    inside = head.tissues < Tissue.BONE
    np.testing.assert_array_equal(again[inside], head.tissues[inside])


def test_a_label_map_with_unknown_values_is_refused() -> None:
    with pytest.raises(LabelError, match=r"map\.nii\.gz holds the label 499"):
        reduce_labels(np.array([[[0, 2, 499]]]), (1.0, 1.0, 1.0), "map.nii.gz")


def test_a_label_map_is_turned_to_lps(tmp_path: Path) -> None:
    head = small_head(8)
    image = sitk.DICOMOrient(head.grid.image(head.tissues), "RAS")
    sitk.WriteImage(image, str(tmp_path / "map one.nii.gz"))
    (found,) = find_heads(tmp_path)
    again = found.load()
    assert again.name == "map one"
    assert again.grid.direction == pytest.approx(np.eye(3).ravel())
    for tissue in (Tissue.WHITE, Tissue.VENTRICLE):
        was = head.grid.positions(np.argwhere(head.tissues == tissue)).mean(axis=0)
        now = again.grid.positions(np.argwhere(again.tissues == tissue)).mean(axis=0)
        np.testing.assert_allclose(was, now, atol=1e-4)


@pytest.mark.parametrize("make", [False, True])
def test_a_folder_without_heads_is_refused(tmp_path: Path, make: bool) -> None:
    folder = tmp_path / "nothing"
    if make:
        folder.mkdir()
    with pytest.raises(LayoutError, match="nothing"):
        find_heads(folder)


def test_the_shipped_heads_are_small_human_and_painted() -> None:
    files = shipped_heads()
    assert 1 <= len(files) <= 4
    head = files[0].load()
    brain_cc = belongs(head.tissues, BRAIN).sum() * head.grid.voxel_mm3 / 1000
    assert 800 < brain_cc < 1700
    assert head.licence == "Apache-2.0"
    assert not head.images
    present = set(np.unique(head.tissues).tolist())
    assert present >= {Tissue.FAT, Tissue.SKIN, Tissue.MARROW, Tissue.CHOROID, Tissue.VEIN}


@pytest.mark.slow
def test_a_synthseg_map_becomes_tissues() -> None:
    path = SHARED / "synthseg-label-maps" / "training_seg_01.nii.gz"
    if not path.is_file():
        pytest.skip("shared data are not here")
    head = read_label_map(path)
    assert belongs(head.tissues, BRAIN).sum() > 900_000
    assert set(np.unique(head.tissues).tolist()) <= set(Tissue)


@pytest.mark.slow
def test_a_real_patient_becomes_a_head() -> None:
    folder = SHARED / "open-ms"
    if not folder.is_dir():
        pytest.skip("shared data are not here")
    head = find_heads(folder)[0].load()
    assert set(head.images) == {"t1n", "t1c", "t2w", "t2f"}
    white, grey = head.tissues == Tissue.WHITE, head.tissues == Tissue.CORTEX
    assert head.images["t1n"][white].mean() > head.images["t1n"][grey].mean()
    assert 0.2 < white.sum() / (head.tissues > 0).sum() < 0.7


def test_heads_come_from_a_mix_of_places(tmp_path: Path) -> None:
    head = small_head(8, 48)
    one, other = tmp_path / "maps", tmp_path / "single.nii.gz"
    one.mkdir()
    sitk.WriteImage(head.grid.image(head.tissues), str(one / "a.nii.gz"))
    sitk.WriteImage(head.grid.image(head.tissues), str(other))
    patient = tmp_path / "patients" / "patient01"
    patient.mkdir(parents=True)
    brain = belongs(head.tissues, (*BRAIN, Tissue.CSF, Tissue.VENTRICLE))
    shades = np.array([0, 100, 70, 80, 90, 20, 20] + [0] * 10, np.float32)
    for name in ("T1", "T1POST", "T2", "FLAIR"):
        image = shades[head.tissues] * brain
        sitk.WriteImage(head.grid.image(image), str(patient / f"{name}.nii.gz"))
    (tmp_path / "patients" / "LICENSE.txt").write_text("CC-BY, DOI: 10.1007/s12021-017-9348-7")
    files = find_heads(one, other, "mni", tmp_path / "patients")
    assert [file.name for file in files] == ["a", "single", "mni", "patient01"]
    real = files[3].load()
    assert real.licence == "CC BY"
    assert "Lesjak" in real.source
    assert [file.name for file in find_heads(patient)] == ["patient01"]


def test_clustering_finds_the_tissues_of_a_clean_image() -> None:
    head = small_head(3)
    inside = belongs(head.tissues, (*BRAIN, Tissue.CSF, Tissue.VENTRICLE))
    t1 = np.array([0, 100, 70, 75, 95, 20, 22] + [0] * 10, np.float32)[head.tissues]
    t2 = np.array([0, 50, 70, 60, 55, 180, 170] + [0] * 10, np.float32)[head.tissues]
    rng = np.random.default_rng(0)
    drift = np.linspace(0.85, 1.15, t1.shape[2], dtype=np.float32)
    t1 = (t1 * drift + rng.normal(0, 2, t1.shape)).astype(np.float32)
    found = clustered(t1, inside, head.grid.spacing_mm, t2)
    assert (found[~inside] == 0).all()
    for tissue in (Tissue.WHITE, Tissue.CORTEX):
        right = found[head.tissues == tissue] == tissue
        assert right.mean() > 0.8
    fluid = belongs(found, (Tissue.CSF, Tissue.VENTRICLE))
    assert fluid[belongs(head.tissues, (Tissue.CSF, Tissue.VENTRICLE))].mean() > 0.8


@pytest.mark.slow
def test_the_average_brain_becomes_a_head() -> None:
    pytest.importorskip("nilearn")
    (file,) = find_heads("mni")
    head = file.load()
    assert not head.whole
    assert not head.images
    assert "ICBM" in head.licence
    brain_cc = belongs(head.tissues, BRAIN).sum() * head.grid.voxel_mm3 / 1000
    assert 1200 < brain_cc < 2000
    present = set(np.unique(head.tissues).tolist())
    assert present == {0, *BRAIN, Tissue.VENTRICLE, Tissue.CSF}
    # LPS: the cerebellum is behind and below.
    stem = np.argwhere(head.tissues == Tissue.STEM).mean(axis=0)
    deep = np.argwhere(head.tissues == Tissue.DEEP).mean(axis=0)
    assert stem[0] < deep[0]
    assert stem[1] > deep[1]
