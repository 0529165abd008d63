"""Grids in files: absurd, missing and contradictory ones are refused in one clear sentence."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from ParetoSegLib.core.errors import (
    GeometryError,
    ParetoSegError,
)
from ParetoSegLib.core.images import (
    read_image,
    write_image,
)
from Testing.core.image_files import (
    PIXDIM,
    QFORM,
    SFORM,
    SROWS,
    patched_nifti,
    picture,
    placed,
    refusal,
)


@pytest.mark.parametrize("size", [0.0, -1.0, float("nan"), float("inf"), 1e-3, 21.0, 1000.0])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_absurd_spacing(size: float, axis: int, tmp_path: Path) -> None:
    edits = [(PIXDIM + 4 * (1 + axis), "f", size), (SFORM, "h", 0)]
    path = patched_nifti(tmp_path / "a.nii", *edits)
    assert isinstance(refusal(path), GeometryError)
    zipped = tmp_path / "b.nii.gz"
    zipped.write_bytes(gzip.compress(path.read_bytes()))
    assert isinstance(refusal(zipped), GeometryError)


@pytest.mark.parametrize("size", [0.05, 0.5, 6.0, 20.0])
def test_unusual_spacing_is_read(size: float, tmp_path: Path) -> None:
    image = picture()
    image.SetSpacing((size, size, size))
    path = tmp_path / "a.nrrd"
    write_image(image, path)
    np.testing.assert_allclose(read_image(path).GetSpacing(), size, rtol=1e-6)


def test_zero_spacing_in_other_formats(tmp_path: Path) -> None:
    for suffix, old, new in (
        (".mha", b"ElementSpacing = 0.9", b"ElementSpacing = 0.0"),
        (".nrrd", b"space directions: (0.9,0,0)", b"space directions: (0.0,0,0)"),
    ):
        path = tmp_path / f"a{suffix}"
        write_image(placed(picture(), (1, 0, 0, 0, 1, 0, 0, 0, 1)), path)
        content = path.read_bytes()
        assert b"0.9" in content
        path.write_bytes(_swap(content, old, new))
        assert isinstance(refusal(path), GeometryError)


def _swap(content: bytes, old: bytes, new: bytes) -> bytes:
    if old not in content:  # writers spell 0.9 with all its digits
        start = content.index(old.partition(b"0.9")[0]) + len(old.partition(b"0.9")[0])
        end = min(content.index(c, start) for c in (b" ", b",") if c in content[start:])
        return content[:start] + b"0" + content[end:]
    return content.replace(old, new, 1)


def test_missing_affine_in_nifti(tmp_path: Path) -> None:
    path = patched_nifti(tmp_path / "a.nii", (QFORM, "h", 0), (SFORM, "h", 0))
    assert "affine" in str(refusal(path))


def test_analyze_files_have_no_affine(tmp_path: Path) -> None:
    path = patched_nifti(tmp_path / "a.nii", (344, "4s", bytes(4)))
    assert isinstance(refusal(path), ParetoSegError)


@pytest.mark.parametrize(
    ("suffix", "start"),
    [(".nrrd", b"space"), (".nrrd", b"space directions"), (".mha", b"TransformMatrix")],
)
def test_missing_affine_in_other_formats(suffix: str, start: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    sitk.WriteImage(placed(picture()), str(path), False)
    lines = path.read_bytes().split(b"\n")
    kept = [ln for ln in lines if not ln.startswith((start + b":", start + b" ="))]
    assert len(kept) < len(lines)
    path.write_bytes(b"\n".join(kept))
    assert "affine" in str(refusal(path))


def test_spacing_left_out_is_not_made_up(tmp_path: Path) -> None:
    path = tmp_path / "a.mha"
    sitk.WriteImage(picture(), str(path), False)
    content = path.read_bytes()
    start = content.index(b"ElementSpacing")
    path.write_bytes(content[:start] + content[content.index(b"\n", start) + 1 :])
    assert "voxel size" in str(refusal(path))


@pytest.mark.parametrize(
    "rows",
    [
        np.zeros((3, 4)),
        [[0.9, 0.9, 0, 0], [0, 0, 0, 0], [0, 0, 3, 0]],
        [[0.9, 0.5, 0, 0], [0, 1.1, 0, 0], [0, 0, 3, 0]],
    ],
    ids=["zero", "singular", "sheared"],
)
def test_axes_that_span_no_straight_grid_in_nifti(rows: object, tmp_path: Path) -> None:
    edits = [(SROWS + 4 * i, "f", float(v)) for i, v in enumerate(np.ravel(rows))]
    path = patched_nifti(tmp_path / "a.nii", (QFORM, "h", 0), *edits)
    assert isinstance(refusal(path), GeometryError)


@pytest.mark.parametrize(
    "matrix", ["1 0 0 1 0 0 0 0 1", "1 0 0 0.5 1 0 0 0 1", "0 0 0 0 0 0 0 0 0"]
)
def test_axes_that_span_no_straight_grid_in_meta_image(matrix: str, tmp_path: Path) -> None:
    path = tmp_path / "a.mha"
    sitk.WriteImage(picture(), str(path), False)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"1 0 0 0 1 0 0 0 1", matrix.encode(), 1))
    assert isinstance(refusal(path), GeometryError)


def test_two_voxel_sizes_in_one_header(tmp_path: Path) -> None:
    path = patched_nifti(tmp_path / "a.nii", (QFORM, "h", 0), (PIXDIM + 4, "f", 2.0))
    assert "two voxel sizes" in str(refusal(path))
