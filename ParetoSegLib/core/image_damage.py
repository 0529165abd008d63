"""Damage that SimpleITK reads over in silence: cut files, flipped bits, grids made up.

ITK fills what is missing from a NIfTI file with zeros, replaces a voxel size of 0 by 1, and takes
the identity where a header says nothing about position. On a patient's image each of these is
an error, so the file is looked at once before ITK reads it.
"""

from __future__ import annotations

import math
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ParetoSegLib.core.errors import GeometryError, ImageReadError

SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")
"""Image files that are read and written: voxels and grid in one file each."""

_HEADER_BYTES = 544  # NIfTI-2: 540 bytes and the extension flag
_TEXT_HEADER_BYTES = 1 << 16
_CHUNK = 1 << 16  # at most 64 MiB after decompression, whatever the file holds
_GZIP = b"\x1f\x8b"
_ANY_WRAPPER = 47  # zlib's code for "zlib or gzip, see the header"


def check_damage(path: Path) -> None:
    """Look at an image file's header and at whether its voxels are all there.

    Raises:
        ImageReadError: the file is truncated, damaged, or not what its suffix says.
        GeometryError: the header gives no position, or a voxel size that is no size.
    """
    name = path.name.lower()
    with path.open("rb") as stream:
        head = stream.read(_TEXT_HEADER_BYTES)
    if name.endswith((".nii", ".nii.gz")):
        _check_nifti(path, compressed=head.startswith(_GZIP))
    elif name.endswith(".nrrd"):
        _check_nrrd(path, head)
    elif name.endswith(".mha"):
        _check_mha(path, head)


@dataclass(frozen=True)
class _NiftiHeader:
    has_affine: bool
    sizes_mm: tuple[float, float, float]
    sform_mm: tuple[float, float, float] | None
    end: int


def _check_nifti(path: Path, compressed: bool) -> None:
    if compressed:
        start, length = b"", 0
        for piece in _inflated(path, 0):
            if length < _HEADER_BYTES:
                start += piece[: _HEADER_BYTES - length]
            length += len(piece)
    else:
        with path.open("rb") as stream:
            start = stream.read(_HEADER_BYTES)
        length = path.stat().st_size
    header = _nifti_header(start)
    if header is None:
        raise _not_an_image(path)
    if length < header.end:
        raise _truncated(path)
    if not all(math.isfinite(s) and s > 0 for s in header.sizes_mm):
        shown = ", ".join(f"{s:g}" for s in header.sizes_mm)
        raise GeometryError(
            f"{path.name} has a voxel size of ({shown}) mm, which is none; correct its header."
        )
    if not header.has_affine:
        raise _no_position(path, "its sform and qform codes are 0")
    if header.sform_mm is not None and not all(
        math.isclose(a, b, rel_tol=0.01)
        for a, b in zip(header.sform_mm, header.sizes_mm, strict=True)
    ):
        shown = " and ".join(
            "(" + ", ".join(f"{s:.3g}" for s in sizes) + ")"
            for sizes in (header.sizes_mm, header.sform_mm)
        )
        raise GeometryError(
            f"{path.name} gives two voxel sizes, {shown} mm, in pixdim and sform; "
            "correct its header."
        )


def _nifti_header(start: bytes) -> _NiftiHeader | None:
    """The parts that ITK corrects unasked; ``None`` if this is no NIfTI or Analyze header."""
    if len(start) < 348:
        return None
    for order in "<>":
        (kind,) = struct.unpack_from(order + "i", start)
        if kind == 348:
            dim = struct.unpack_from(order + "8h", start, 40)
            (bits,) = struct.unpack_from(order + "h", start, 72)
            pixdim = struct.unpack_from(order + "8f", start, 76)
            (offset,) = struct.unpack_from(order + "f", start, 108)
            qform, sform = struct.unpack_from(order + "2h", start, 252)
            rows = struct.unpack_from(order + "12f", start, 280)
            magic = start[344:348]
        elif kind == 540 and len(start) >= 540:
            dim = struct.unpack_from(order + "8q", start, 16)
            (bits,) = struct.unpack_from(order + "h", start, 14)
            pixdim = struct.unpack_from(order + "8d", start, 104)
            (offset,) = struct.unpack_from(order + "q", start, 168)
            qform, sform = struct.unpack_from(order + "2i", start, 344)
            rows = struct.unpack_from(order + "12d", start, 400)
            magic = start[4:8]
        else:
            continue
        if not 1 <= dim[0] <= 7 or not math.isfinite(offset):
            return None
        # Analyze 7.5 has neither the magic nor an affine where NIfTI has one.
        has_affine = magic[:3] in (b"n+1", b"n+2") and (qform > 0 or sform > 0)
        axes = min(dim[0], 3)
        sizes = tuple(pixdim[1 + a] if a < axes else 1.0 for a in range(3))
        sform_mm = None
        if sform > 0 and qform <= 0 and axes == 3:
            sform_mm = tuple(math.hypot(*rows[a::4]) for a in range(3))
            if not all(sform_mm):
                sform_mm = None  # singular: ITK says so
        voxels = math.prod(max(1, n) for n in dim[1 : dim[0] + 1])
        return _NiftiHeader(has_affine, sizes, sform_mm, int(offset) + voxels * bits // 8)  # type: ignore[arg-type]
    return None


def _check_nrrd(path: Path, head: bytes) -> None:
    if not head.startswith(b"NRRD"):
        raise _not_an_image(path)
    text, data_start = _split(path, head, rb"\r?\n\r?\n")
    if not re.search(rb"^space:", text, re.MULTILINE | re.IGNORECASE) or not re.search(
        rb"^space directions:", text, re.MULTILINE | re.IGNORECASE
    ):
        raise _no_position(path, "it has no 'space' or 'space directions'")
    if re.search(rb"^encoding:\s*(gz|gzip)\s*$", text, re.MULTILINE | re.IGNORECASE):
        for _ in _inflated(path, data_start):
            pass


def _check_mha(path: Path, head: bytes) -> None:
    if not re.search(rb"^\s*(NDims|ObjectType)\s*=", head, re.MULTILINE):
        raise _not_an_image(path)
    text, data_start = _split(path, head, rb"ElementDataFile\s*=[^\n]*\n")
    if not re.search(rb"^\s*Element(Spacing|Size)\s*=", text, re.MULTILINE):
        raise GeometryError(f"{path.name} does not give its voxel size; convert it again.")
    if not re.search(rb"^\s*(TransformMatrix|Rotation|Orientation)\s*=", text, re.MULTILINE):
        raise _no_position(path, "it has no TransformMatrix")
    if re.search(rb"^\s*CompressedData\s*=\s*True", text, re.MULTILINE | re.IGNORECASE):
        for _ in _inflated(path, data_start):
            pass


def _split(path: Path, head: bytes, end: bytes) -> tuple[bytes, int]:
    """A text header, and where the data begin behind it."""
    found = re.search(end, head)
    if found is None:
        raise _truncated(path)
    return head[: found.start()], found.end()


def _inflated(path: Path, start: int) -> Iterator[bytes]:
    """Decompress a zlib or gzip stream piece by piece; its checksum is checked at the end."""
    inflate = zlib.decompressobj(_ANY_WRAPPER)
    piece = b""
    try:
        with path.open("rb") as stream:
            stream.seek(start)
            while piece := piece or stream.read(_CHUNK):
                if inflate.eof:
                    # gzip allows several streams in a row; anything else is padding.
                    piece += stream.read(1)
                    if not piece.startswith(_GZIP):
                        return
                    inflate = zlib.decompressobj(_ANY_WRAPPER)
                yield inflate.decompress(piece)
                piece = inflate.unused_data
    except zlib.error as error:
        raise ImageReadError(
            f"{path.name} is damaged: it cannot be decompressed; copy it again from its source."
        ) from error
    if not inflate.eof:
        raise _truncated(path)


def _truncated(path: Path) -> ImageReadError:
    return ImageReadError(
        f"{path.name} is truncated: it holds fewer voxels than its header says; "
        "copy it again from its source."
    )


def _not_an_image(path: Path) -> ImageReadError:
    return ImageReadError(
        f"{path.name} is not an image, or its header is damaged; check that it is the right file."
    )


def _no_position(path: Path, why: str) -> GeometryError:
    return GeometryError(
        f"{path.name} does not say where it lies in the patient (affine missing: {why}); "
        "convert it again from its source."
    )
