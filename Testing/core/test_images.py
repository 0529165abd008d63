"""Reading and writing images: what goes in comes out, and every bad file is one clear sentence."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ParetoSegLib.core.errors import (
    ImageReadError,
    LabelError,
    OutputError,
)
from ParetoSegLib.core.image_damage import SUFFIXES, check_damage
from ParetoSegLib.core.images import (
    file_hash,
    is_image_file,
    read_image,
    read_labels,
    stem_of,
    write_image,
)
from Testing.core.image_files import (
    OBLIQUE,
    SHAPE,
    picture,
    placed,
    refusal,
)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
def test_written_images_are_read_back(suffix: str, dtype: type, tmp_path: Path) -> None:
    image = placed(picture(dtype))
    path = tmp_path / f"Größe 1 µ – Köln{suffix}"
    write_image(image, path)
    again = read_image(path)
    assert again.GetPixelID() == sitk.sitkFloat32
    np.testing.assert_array_equal(sitk.GetArrayFromImage(again), sitk.GetArrayFromImage(image))
    np.testing.assert_allclose(again.GetDirection(), OBLIQUE, atol=1e-6)
    np.testing.assert_allclose(again.GetOrigin(), image.GetOrigin(), atol=1e-4)
    np.testing.assert_allclose(again.GetSpacing(), image.GetSpacing(), rtol=1e-6)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_compressed_files_are_compressed(tmp_path: Path) -> None:
    flat = sitk.Image(60, 60, 60, sitk.sitkFloat32)
    flat[3, 4, 5] = 1.0
    for suffix in (".nii.gz", ".nrrd", ".mha"):
        write_image(flat, tmp_path / f"a{suffix}")
        assert (tmp_path / f"a{suffix}").stat().st_size < 60**3 / 10


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.nii.gz"
    write_image(picture(), path)
    before = path.read_bytes()
    write = sitk.WriteImage

    def full_disk(image: sitk.Image, name: str, **options: bool) -> None:
        write(image, name, **options)
        os.truncate(name, Path(name).stat().st_size // 2)

    monkeypatch.setattr(sitk, "WriteImage", full_disk)
    with pytest.raises(OutputError, match=r"a\.nii\.gz"):
        write_image(placed(picture()), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.nii.gz"]


def test_unknown_suffixes_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"a\.png"):
        write_image(picture(), tmp_path / "a.png")


def test_a_place_that_is_a_file_cannot_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError):
        write_image(picture(), tmp_path / "file" / "a.nii.gz")


@pytest.mark.parametrize("shape", [(1, *SHAPE), (1, 1, *SHAPE)])
def test_trailing_axes_of_one_are_dropped(shape: tuple[int, ...], tmp_path: Path) -> None:
    values = np.random.default_rng(0).random(shape).astype(np.float32)
    path = tmp_path / "a.nii.gz"
    sitk.WriteImage(sitk.GetImageFromArray(values, isVector=False), str(path))
    image = read_image(path)
    assert image.GetSize() == SHAPE[::-1]
    np.testing.assert_array_equal(
        sitk.GetArrayFromImage(image), values.reshape(SHAPE).astype(np.float32)
    )


def test_the_real_atlas_with_a_trailing_axis_is_read() -> None:
    path = Path(__file__).parents[2].parent / "shared" / "data" / "sri24" / "t1_stripped.nii.gz"
    if not path.is_file():
        pytest.skip("the shared images are not here")
    assert read_image(path).GetDimension() == 3


# ---- files that are no images


def test_missing(tmp_path: Path) -> None:
    assert "does not exist" in str(refusal(tmp_path / "no such.nii.gz"))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_empty(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    path.touch()
    assert "empty" in str(refusal(path))


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("content", [b"no image " * 100, b"x", b"\x1f\x8bno gzip" * 9, bytes(999)])
def test_not_an_image(suffix: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    assert isinstance(refusal(path), ImageReadError)


@pytest.mark.parametrize("suffix", [".txt", ".png", ".dcm", ""])
def test_unknown_suffix(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"scan{suffix}"
    path.write_bytes(b"something")
    assert "DICOM" in str(refusal(path))


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=30, deadline=None)
@given(share=st.floats(0.02, 0.995))
def test_truncated_anywhere(suffix: str, share: float, tmp_path_factory) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path_factory.mktemp("cut") / f"a{suffix}"
    write_image(picture(), path)
    content = path.read_bytes()
    path.write_bytes(content[: max(1, int(share * len(content)))])
    assert isinstance(refusal(path), ImageReadError)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
@settings(max_examples=30, deadline=None)
@given(share=st.floats(0.6, 0.97), bit=st.integers(0, 7))
@example(share=0.9444515194735993, bit=7)
def test_a_flipped_bit_never_changes_a_voxel_in_silence(
    suffix: str,
    share: float,
    bit: int,
    tmp_path_factory,  # type: ignore[no-untyped-def]
) -> None:
    path = tmp_path_factory.mktemp("bit") / f"a{suffix}"
    image = picture(shape=(12, 12, 12))
    write_image(image, path)
    content = bytearray(path.read_bytes())
    content[int(share * len(content))] ^= 1 << bit
    path.write_bytes(content)
    try:
        read = read_image(path)
    except ImageReadError:
        return
    # A flip may be without effect: padding bits, or a reference to an equal stretch elsewhere.
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read), sitk.GetArrayFromImage(image))


def test_several_gzip_streams_in_a_row_are_one_file(tmp_path: Path) -> None:
    write_image(picture(), tmp_path / "a.nii")
    content = (tmp_path / "a.nii").read_bytes()
    whole = tmp_path / "b.nii.gz"
    whole.write_bytes(gzip.compress(content[:400]) + gzip.compress(content[400:]) + bytes(7))
    check_damage(whole)
    np.testing.assert_array_equal(
        sitk.GetArrayFromImage(read_image(whole)), sitk.GetArrayFromImage(picture())
    )


# ---- images of the wrong kind


@pytest.mark.parametrize(
    ("shape", "word"),
    [((6, 7), "2-D"), ((1, 6, 7), "2-D"), ((5, 1, 7), "2-D"), ((3, 5, 6, 7), "4-D")],
)
def test_wrong_number_of_axes(shape: tuple[int, ...], word: str, tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    sitk.WriteImage(sitk.GetImageFromArray(np.ones(shape, np.float32), isVector=False), str(path))
    assert word in str(refusal(path))


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_several_components(suffix: str, dtype: type, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    values = np.ones((*SHAPE, 3), dtype)
    sitk.WriteImage(sitk.GetImageFromArray(values, isVector=True), str(path))
    assert "several values per voxel" in str(refusal(path))


def test_complex_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    sitk.WriteImage(sitk.GetImageFromArray(np.ones(SHAPE, np.complex64)), str(path))
    assert isinstance(refusal(path), ImageReadError)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("read", [read_image, read_labels])
def test_values_that_are_no_numbers(
    value: float, dtype: type, read: Callable[[Path], object], tmp_path: Path
) -> None:
    values = np.ones(SHAPE, dtype)
    values[1, 2, 3] = 2
    values[2, 3, 4] = value
    path = tmp_path / "a.mha"
    sitk.WriteImage(sitk.GetImageFromArray(values), str(path))
    assert "1 voxel that is NaN or infinite" in str(refusal(path, read))


def test_values_too_large_for_single_precision(tmp_path: Path) -> None:
    values = np.ones(SHAPE)
    values[0, 0, 0] = 1e300
    path = tmp_path / "a.nrrd"
    sitk.WriteImage(sitk.GetImageFromArray(values), str(path))
    assert isinstance(refusal(path), ImageReadError)


@pytest.mark.parametrize("value", [0, -7])
def test_constant(value: int, tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    sitk.WriteImage(sitk.GetImageFromArray(np.full(SHAPE, value, np.int16)), str(path))
    assert f"{value} in every voxel" in str(refusal(path))
    assert sitk.GetArrayFromImage(read_labels(path)).max() == value


def test_absurd_size_is_refused_before_memory_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.mha"
    path.write_text(
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nTransformMatrix = 1 0 0 0 1 0 0 0 1\n"
        "ElementSpacing = 1 1 1\nDimSize = 90000 90000 90000\nElementType = MET_FLOAT\n"
        "ElementDataFile = LOCAL\n"
    )
    assert isinstance(refusal(path), ImageReadError)


# ---- labels


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float32, np.float64])
def test_labels_are_whole_numbers(dtype: type, tmp_path: Path) -> None:
    values = np.random.default_rng(1).integers(0, 5, SHAPE).astype(dtype)
    path = tmp_path / "seg.nii.gz"
    sitk.WriteImage(sitk.GetImageFromArray(values), str(path))
    labels = read_labels(path)
    assert labels.GetPixelID() == sitk.sitkInt32
    np.testing.assert_array_equal(sitk.GetArrayFromImage(labels), values)


def test_labels_keep_their_grid_whatever_their_type(tmp_path: Path) -> None:
    for dtype in (np.uint8, np.float32):
        image = placed(picture(dtype))
        path = tmp_path / "seg.mha"
        write_image(image, path)
        labels = read_labels(path)
        assert labels.GetDirection() == image.GetDirection()
        assert labels.GetOrigin() == image.GetOrigin()


def test_labels_a_hair_off_are_rounded(tmp_path: Path) -> None:
    values = np.ones(SHAPE, np.float32) * np.float32(2.9999998)
    path = tmp_path / "seg.mha"
    sitk.WriteImage(sitk.GetImageFromArray(values), str(path))
    assert (sitk.GetArrayFromImage(read_labels(path)) == 3).all()


@pytest.mark.parametrize("value", [0.5, -1.25, 1e12])
def test_fractions_are_no_labels(value: float, tmp_path: Path) -> None:
    values = np.zeros(SHAPE, np.float64)
    values[0, 1, 2] = value
    path = tmp_path / "seg.mha"
    sitk.WriteImage(sitk.GetImageFromArray(values), str(path))
    error = refusal(path, read_labels)
    assert isinstance(error, LabelError)
    assert f"{value:g}" in str(error)


# ---- names and hashes


def test_hash_of_a_file_is_sha256(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    assert file_hash(path).startswith("ba7816bf8f01cfea")
    with pytest.raises(ImageReadError, match="nothing"):
        file_hash(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("a.b.nii.gz", "a.b"),
        ("A.NII", "A"),
        ("x.nrrd", "x"),
        ("ä ö.mha", "ä ö"),
        ("x.txt", "x.txt"),
    ],
)
def test_stem(name: str, stem: str) -> None:
    assert stem_of(Path("folder.nii") / name) == stem
    assert is_image_file(Path(name)) == (stem != name)
    assert not is_image_file(Path("." + name))


def test_itk_speaks_as_before_after_a_read(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    write_image(picture(), path)
    for shown in (True, False):
        sitk.ProcessObject.SetGlobalWarningDisplay(shown)
        try:
            read_image(path)
            assert sitk.ProcessObject.GetGlobalWarningDisplay() is shown
        finally:
            sitk.ProcessObject.SetGlobalWarningDisplay(True)
