"""One reader of images, one writer.

What comes in is a 3-D scalar image with a grid that makes sense, or an error that says what is
wrong with the file. SimpleITK does the reading; what it passes over in silence is checked here
and in ``image_damage``.
"""

from __future__ import annotations

import gzip
import hashlib
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from ParetoSegLib.core.dicom_series import read_series
from ParetoSegLib.core.errors import GeometryError, ImageReadError, LabelError, OutputError
from ParetoSegLib.core.geometry import Grid
from ParetoSegLib.core.image_damage import SUFFIXES, check_damage
from ParetoSegLib.core.outputs import whole_file

SPACING_MM = (0.05, 20.0)
"""Voxel sizes outside this are slips in a header (metres, pixels), not images of a head."""

MOST_VOXELS = 1 << 30
"""More than any head at any resolution; checked before memory is asked for."""

GZIP_LEVEL = 1
"""ITK's NIfTI writer takes a higher one whatever it is told: files come out a sixth smaller, in
twice the time."""

CORNER = 2
"""Voxels along each axis of what stands for a whole image where only its header is wanted."""

_NIFTI_BYTES, _NIFTI_SIZES_AT = 352, 42
"""Of a NIfTI-1 header with its extension flag; where it says how many voxels each axis has."""

_ITK = threading.RLock()
"""Held while ITK's warnings are off, which is one switch for the whole process."""

_FLOATING = (sitk.sitkFloat32, sitk.sitkFloat64)


def read_image(path: Path, called: str | None = None) -> sitk.Image:
    """Read a NIfTI, NRRD or MHA file or a DICOM series folder as a 3-D float32 image.

    Trailing axes of length 1 are dropped. Axes and grid are the file's own.

    Args:
        path: a file, or a folder that holds one DICOM series.
        called: what errors call it; by default the file's name, and no name for a folder.

    Raises:
        ImageReadError: missing, empty, truncated, damaged, not an image, not 3-D or not scalar,
            NaN or infinite voxels, the same value everywhere.
        GeometryError: no affine, absurd voxel sizes, axes that are not at right angles.
    """
    name = called or shown_name(path)
    image = _read(path, name, sitk.sitkFloat32)
    low, high = _range(image, name)
    if low == high:
        raise ImageReadError(
            f"{name} is {low:g} in every voxel; leave the sequence out if there is no image of it."
        )
    return image


def read_map(path: Path, called: str | None = None) -> sitk.Image:
    """Read a map of membership as float32; unlike an image it may be 0 (or 1) everywhere.

    Raises:
        ImageReadError: as ``read_image``, or it holds values outside [0, 1].
        GeometryError: as ``read_image``.
    """
    name = called or shown_name(path)
    image = _read(path, name, sitk.sitkFloat32)
    low, high = _range(image, name)
    if low < -1e-3 or high > 1 + 1e-3:
        raise ImageReadError(
            f"{name} holds values from {low:.3g} to {high:.3g}, but membership lies between 0 "
            "and 1; write it again."
        )
    return image


def read_labels(path: Path, called: str | None = None) -> sitk.Image:
    """Read a label image, int32; what its values mean is for a ``LabelScheme`` to say.

    Raises:
        ImageReadError: as ``read_image``, but one value everywhere (no lesion) is fine.
        GeometryError: as ``read_image``.
        LabelError: a value is not a whole number.
    """
    name = called or shown_name(path)
    image = _read(path, name, None)
    if image.GetPixelID() not in _FLOATING:
        return sitk.Cast(image, sitk.sitkInt32)
    low, high = _range(image, name)
    values = sitk.GetArrayViewFromImage(image)
    whole = np.rint(values)
    # Scale factors in headers leave whole numbers a little off.
    off = np.abs(values - whole) > 1e-3
    if off.any() or max(-low, high) >= 2**31:
        value = values[off][0] if off.any() else max(low, high, key=abs)
        raise LabelError(
            f"{name} holds the value {value:g}, which is no label; check that it is a "
            "segmentation and not an image or a probability map."
        )
    labels = sitk.GetImageFromArray(whole.astype(np.int32))
    labels.CopyInformation(image)
    return labels


def write_image(image: sitk.Image, path: Path) -> None:
    """Write an image, compressed, whole or not at all; the suffix chooses the format.

    Equal images give equal files, byte for byte.

    Raises:
        OutputError: the place cannot be written, or the disk is full.
    """
    corner = image[tuple(slice(0, min(CORNER, n)) for n in image.GetSize())]
    _write(sitk.GetArrayViewFromImage(image), corner, lambda: image, path)


def write_array(array: np.ndarray, grid: Grid, path: Path) -> None:
    """Write an array on its grid, the same bytes as ``write_image(grid.image(array), path)``.

    Into ``.nii.gz`` it goes slice by slice: whatever its strides, it is never copied as a whole.

    Raises:
        OutputError: as ``write_image``.
    """
    if array.shape != grid.shape:
        raise ValueError(f"array of shape {array.shape} on a grid of shape {grid.shape}")
    d, h, w = (slice(0, min(CORNER, n)) for n in grid.shape)
    corner = grid.cropped((d, h, w)).image(np.ascontiguousarray(array[d, h, w]))
    _write(array, corner, lambda: grid.image(np.ascontiguousarray(array)), path)


def _write(
    voxels: np.ndarray, corner: sitk.Image, image: Callable[[], sitk.Image], path: Path
) -> None:
    if not path.name.lower().endswith(SUFFIXES):
        raise OutputError(f"The output {path.name} needs one of the endings {', '.join(SUFFIXES)}.")
    with whole_file(path) as partial:
        try:
            if path.name.lower().endswith(".nii.gz"):
                _write_packed(voxels, corner, partial)
            else:
                _write_with_itk(image(), partial, compress=True)
        except (RuntimeError, ImageReadError, FileNotFoundError) as error:
            raise OutputError(
                f"The output {path.name} cannot be written; "
                "choose a folder you may write to, with space left."
            ) from error


def packs_fast() -> bool:
    """Whether packing hardly takes longer than copying."""
    return _packer() is not gzip.GzipFile


def _write_packed(voxels: np.ndarray, corner: sitk.Image, path: Path) -> None:
    """ITK's own header and the voxels behind it, packed: the same bytes as its ``.nii.gz`` holds.

    Nothing is written to the disk but what stays there.
    """
    with (
        path.open("wb") as packed,
        _packer()("", "wb", GZIP_LEVEL, packed, mtime=0) as target,
    ):
        target.write(_nifti_header(corner, voxels.shape[::-1], path))
        for part in voxels:
            target.write(np.ascontiguousarray(part).data.cast("B"))


def _nifti_header(corner: sitk.Image, size: tuple[int, ...], path: Path) -> bytes:
    """What ITK writes before the voxels of an image: what it writes of its corner, and the size."""
    small = path.with_name(path.name[: -len(".gz")])
    try:
        _write_with_itk(corner, small, compress=False)
        written = bytearray(small.read_bytes())
    finally:
        small.unlink(missing_ok=True)
    del written[_NIFTI_BYTES:]
    struct.pack_into(f"={len(size)}h", written, _NIFTI_SIZES_AT, *size)
    return bytes(written)


def _packer() -> Any:
    """ISA-L's gzip where it is installed (extra ``speed``): as small, in a tenth of the time."""
    try:
        from isal.igzip import IGzipFile
    except ImportError:
        return gzip.GzipFile
    return IGzipFile


def _write_with_itk(image: sitk.Image, path: Path, compress: bool) -> None:
    with _quiet():
        sitk.WriteImage(image, str(path), useCompression=compress)
    check_damage(path)  # on a full disk ITK stops in the middle without a word


def file_hash(path: Path) -> str:
    """SHA-256 of a file, as hex; of a folder, the hash of its files' sorted hashes.

    Renaming the files of a DICOM series so leaves its hash as it was.

    Raises:
        ImageReadError: there is no such file, or it cannot be read.
    """
    try:
        if path.is_dir():
            parts = sorted(file_hash(p) for p in path.iterdir() if _counts(p))
            return hashlib.sha256("".join(parts).encode()).hexdigest()
        digest = hashlib.sha256()
        with path.open("rb") as stream:
            while piece := stream.read(1 << 20):
                digest.update(piece)
        return digest.hexdigest()
    except OSError as error:
        raise _unreadable(path, shown_name(path), error) from error


def shown_name(path: Path) -> str:
    """A file's name for messages; a folder's name stays unsaid, since it may be a patient's."""
    return "The DICOM folder" if path.is_dir() else path.name


def is_image_file(path: Path) -> bool:
    """Whether the name is that of an image file this reader takes."""
    return path.name.lower().endswith(SUFFIXES) and not path.name.startswith(".")


def stem_of(path: Path) -> str:
    """The name without the suffix of an image file (``a.b.nii.gz`` → ``a.b``)."""
    for suffix in SUFFIXES:
        if path.name.lower().endswith(suffix):
            return path.name[: -len(suffix)]
    return path.name


def _counts(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".")


def _read(path: Path, name: str, pixel_type: int | None) -> sitk.Image:
    """Read with every check that needs no voxel values."""
    try:
        if path.is_dir():
            with _quiet():
                image = read_series(path, name)
            _check_header(image, image.GetNumberOfComponentsPerPixel(), name)
            image = _three_axes(image)
        else:
            if not path.exists():
                raise ImageReadError(f"{name} does not exist; check its path.")
            if path.stat().st_size == 0:
                raise ImageReadError(f"{name} is empty; copy it again from its source.")
            if not path.name.lower().endswith(SUFFIXES):
                raise ImageReadError(
                    f"{name} is not one of {', '.join(SUFFIXES)}; convert it, or give the folder "
                    "of a DICOM series."
                )
            check_damage(path)
            image = _read_file(path, name, pixel_type)
    except OSError as error:
        raise _unreadable(path, name, error) from error
    _check_grid(image, name)
    if pixel_type is not None and image.GetPixelID() != pixel_type:
        image = sitk.Cast(image, pixel_type)
    return image


def _read_file(path: Path, name: str, pixel_type: int | None) -> sitk.Image:
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        with _quiet():
            reader.ReadImageInformation()
            _check_header(reader, reader.GetNumberOfComponents(), name)
            if pixel_type is not None:
                reader.SetOutputPixelType(pixel_type)
            return _three_axes(reader.Execute())
    except RuntimeError as error:
        said = str(error)
        if "orthonormal" in said or "direction" in said:
            raise _bent(name) from error
        if "spacing" in said:
            raise GeometryError(f"{name} has a voxel size of 0 mm; correct its header.") from error
        if "memory" in said:
            raise ImageReadError(f"{name} does not fit into memory; free some.") from error
        raise ImageReadError(
            f"{name} cannot be read as an image; it is damaged, or not what its ending says."
        ) from error


def _check_header(header: sitk.ImageFileReader | sitk.Image, components: int, name: str) -> None:
    """Refuse by axes and pixel type, before any voxel is read."""
    size = list(header.GetSize())
    while len(size) > 3 and size[-1] == 1:
        size.pop()
    shown = " × ".join(str(n) for n in size)
    if len(size) > 3:
        raise ImageReadError(f"{name} is {len(size)}-D ({shown}); give one 3-D image per sequence.")
    if len(size) < 3 or min(size) < 2:
        raise ImageReadError(f"{name} is a single 2-D slice ({shown}); give the whole 3-D image.")
    if components != 1:
        raise ImageReadError(
            f"{name} has several values per voxel (colours or vectors); give a grey-value image."
        )
    if header.GetPixelID() in (sitk.sitkComplexFloat32, sitk.sitkComplexFloat64):
        raise ImageReadError(f"{name} holds complex numbers; give the magnitude image.")
    if int(np.prod(size, dtype=object)) > MOST_VOXELS:
        raise ImageReadError(f"{name} is absurdly large ({shown} voxels); check its header.")


def _three_axes(image: sitk.Image) -> sitk.Image:
    while image.GetDimension() > 3:
        image = image[(slice(None),) * (image.GetDimension() - 1) + (0,)]
    return image


def _check_grid(image: sitk.Image, name: str) -> None:
    spacing = image.GetSpacing()
    if not all(SPACING_MM[0] <= s <= SPACING_MM[1] for s in spacing):
        shown = " × ".join(f"{s:g}" for s in spacing)
        raise GeometryError(
            f"{name} has voxels of {shown} mm; each side must lie between {SPACING_MM[0]:g} and "
            f"{SPACING_MM[1]:g} mm, so check its header."
        )
    if not np.isfinite(image.GetOrigin()).all():
        raise GeometryError(f"{name} has an origin that is not a number; correct its header.")
    axes = np.array(image.GetDirection()).reshape(3, 3)
    if not np.allclose(axes.T @ axes, np.eye(3), atol=1e-3):
        raise _bent(name)


def _bent(name: str) -> GeometryError:
    return GeometryError(
        f"{name} has axes that are singular or not at right angles; correct its header or "
        "resample it onto a straight grid."
    )


def _range(image: sitk.Image, name: str) -> tuple[float, float]:
    """Least and greatest value; NaN and infinity show in them, so one pass is enough."""
    values = sitk.GetArrayViewFromImage(image)
    low, high = float(values.min()), float(values.max())
    if not np.isfinite([low, high]).all():
        count = int(values.size - np.isfinite(values).sum())
        voxels = "1 voxel that is" if count == 1 else f"{count} voxels that are"
        raise ImageReadError(
            f"{name} holds {voxels} NaN or infinite; replace them, by 0 outside the head."
        )
    return low, high


def _unreadable(path: Path, name: str, error: OSError) -> ImageReadError:
    if isinstance(error, FileNotFoundError):
        return ImageReadError(f"{name} does not exist; check its path.")
    return ImageReadError(
        f"{name} cannot be opened ({error.strerror or 'unknown cause'}); check its permissions."
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep ITK's C++ warnings off the screen; what matters in them is an error here."""
    with _ITK:
        shown = sitk.ProcessObject.GetGlobalWarningDisplay()
        sitk.ProcessObject.SetGlobalWarningDisplay(False)
        try:
            yield
        finally:
            sitk.ProcessObject.SetGlobalWarningDisplay(shown)
