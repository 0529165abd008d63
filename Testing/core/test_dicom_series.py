"""A DICOM series is one image, or one clear sentence."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from ParetoSegLib.core.errors import (
    ImageReadError,
)
from ParetoSegLib.core.images import (
    file_hash,
    read_image,
)
from Testing.core.image_files import (
    SHAPE,
    refusal,
)


def write_series(
    folder: Path, values: np.ndarray, uid: str = "1.2.3", gap_mm: float = 3.0, echo: bool = False
) -> None:
    """A DICOM series of ``(D, H, W)`` values with slices along z."""
    folder.mkdir(parents=True, exist_ok=True)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for number, plane in enumerate(values):
        image = sitk.GetImageFromArray(plane[None].astype(np.int16))
        image.SetSpacing((0.9, 1.1, gap_mm))
        z = gap_mm * (number // 2 if echo else number)
        for key, value in {
            "0008|0060": "MR",
            "0008|0018": f"{uid}.{number + 1}",
            "0020|000d": "1.2",
            "0020|000e": uid,
            "0020|0013": str(number),
            "0020|0032": f"-20\\13.5\\{z:g}",
            "0020|0037": "1\\0\\0\\0\\1\\0",
        }.items():
            image.SetMetaData(key, value)
        writer.SetFileName(str(folder / f"{uid}-{number:03d}.dcm"))
        writer.Execute(image)


def planes() -> np.ndarray:
    return np.random.default_rng(2).integers(0, 900, SHAPE)


def test_a_dicom_series_is_one_image(tmp_path: Path) -> None:
    write_series(tmp_path / "Döe Jane" / "t1 c", planes())
    image = read_image(tmp_path / "Döe Jane" / "t1 c")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), planes())
    np.testing.assert_allclose(image.GetSpacing(), (0.9, 1.1, 3.0))
    np.testing.assert_allclose(image.GetOrigin(), (-20, 13.5, 0))


def test_several_series_are_counted(tmp_path: Path) -> None:
    folder = tmp_path / "DOE JANE"
    for uid in ("1.2.3", "1.2.4", "1.2.5"):
        write_series(folder, planes(), uid)
    assert "3 DICOM series" in str(refusal(folder))


def test_a_folder_without_dicom(tmp_path: Path) -> None:
    folder = tmp_path / "DOE JANE"
    folder.mkdir()
    (folder / "notes.txt").write_text("nothing")
    assert "no DICOM series" in str(refusal(folder))


def test_a_missing_slice_is_seen(tmp_path: Path) -> None:
    folder = tmp_path / "DOE JANE"
    write_series(folder, planes())
    (folder / "1.2.3-002.dcm").unlink()
    assert "missing" in str(refusal(folder))


def test_two_images_in_one_place_are_seen(tmp_path: Path) -> None:
    folder = tmp_path / "DOE JANE"
    write_series(folder, planes()[:4], echo=True)
    assert "in one place" in str(refusal(folder))


def test_a_single_slice_is_no_series(tmp_path: Path) -> None:
    folder = tmp_path / "DOE JANE"
    write_series(folder, planes()[:1])
    assert "2-D" in str(refusal(folder))


def test_a_truncated_slice(tmp_path: Path) -> None:
    folder = tmp_path / "DOE JANE"
    write_series(folder, planes())
    slice_file = folder / "1.2.3-002.dcm"
    slice_file.write_bytes(slice_file.read_bytes()[:-30])
    refusal(folder)


def test_a_folder_can_be_called_by_its_sequence(tmp_path: Path) -> None:
    with pytest.raises(ImageReadError, match=r"^The DICOM folder of t2f "):
        read_image(tmp_path, "The DICOM folder of t2f")


def test_hash_depends_on_content_alone(tmp_path: Path) -> None:
    write_series(tmp_path / "a", planes())
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    for number, path in enumerate(sorted((tmp_path / "b").iterdir(), reverse=True)):
        path.rename(path.with_name(f"IM{number}"))
    assert file_hash(tmp_path / "a") == file_hash(tmp_path / "b")
    first = sorted((tmp_path / "b").iterdir())[0]
    first.write_bytes(first.read_bytes()[:-1] + b"\x07")
    assert file_hash(tmp_path / "a") != file_hash(tmp_path / "b")
