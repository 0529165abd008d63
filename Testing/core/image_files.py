"""Image files to read: good ones, and NIfTI headers that say something else."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from ParetoSegLib.core.errors import (
    ParetoSegError,
)
from ParetoSegLib.core.images import (
    read_image,
)

SHAPE = (5, 6, 7)
OBLIQUE = (0.8, -0.6, 0.0, 0.6, 0.8, 0.0, 0.0, 0.0, 1.0)


def picture(dtype: type = np.float32, shape: tuple[int, ...] = SHAPE) -> sitk.Image:
    values = np.random.default_rng(3).integers(0, 900, shape).astype(dtype)
    return sitk.GetImageFromArray(values)


def placed(image: sitk.Image, direction: tuple[float, ...] = OBLIQUE) -> sitk.Image:
    image.SetSpacing((0.9, 1.1, 3.0))
    image.SetOrigin((-20.0, 13.5, 7.25))
    image.SetDirection(direction)
    return image


def refusal(path: Path, read: Callable[[Path], object] = read_image) -> ParetoSegError:
    """The error of reading a bad file: one sentence that names the file and no folder."""
    with pytest.raises(ParetoSegError) as caught:
        read(path)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    assert str(path.parent) not in sentence
    if path.is_dir():
        assert path.name not in sentence
    else:
        assert path.name in sentence
    return caught.value


def patched_nifti(path: Path, *edits: tuple[int, str, object]) -> Path:
    """A NIfTI file with numbers in its header overwritten: (offset, format, value)."""
    sitk.WriteImage(placed(picture(), (1, 0, 0, 0, 1, 0, 0, 0, 1)), str(path))
    content = bytearray(path.read_bytes())
    for offset, form, value in edits:
        struct.pack_into("<" + form, content, offset, value)
    path.write_bytes(content)
    return path


PIXDIM, QFORM, SFORM, SROWS = 76, 252, 254, 280
