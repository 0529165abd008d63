"""A folder of DICOM slices as one image: one series, every slice there, none twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ParetoSegLib.core.errors import GeometryError, ImageReadError

POSITION, ORIENTATION = "0020|0032", "0020|0037"

GAP_TOLERANCE = 0.1
"""Distances between slices may differ by this share: headers round, missing slices do not."""


def read_series(folder: Path, name: str) -> sitk.Image:
    """Read the one DICOM series of a folder, in its own pixel type.

    Args:
        folder: searched without its subfolders.
        name: what errors call it.

    Raises:
        ImageReadError: no series, several, or one that cannot be read.
        GeometryError: slices without a position, missing, or two in one place.
    """
    finder = sitk.ImageSeriesReader
    series = finder.GetGDCMSeriesIDs(str(folder))
    if not series:
        raise ImageReadError(f"{name} holds no DICOM series; give the folder its slices are in.")
    if len(series) > 1:
        raise ImageReadError(
            f"{name} holds {len(series)} DICOM series; give a folder that holds one."
        )
    files = finder.GetGDCMSeriesFileNames(str(folder), series[0])
    try:
        if len(files) == 1:
            # One file is an enhanced (multi-frame) image, or a lonely slice that the reader of
            # files refuses as 2-D.
            return sitk.ReadImage(files[0])
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames(files)
        reader.MetaDataDictionaryArrayUpdateOn()
        image = reader.Execute()
    except RuntimeError as error:
        raise ImageReadError(
            f"{name} holds a DICOM series that cannot be read; its files are damaged, of unequal "
            "size, or compressed in a way that is not known."
        ) from error
    _check_slices(reader, len(files), name)
    return image


def _check_slices(reader: sitk.ImageSeriesReader, count: int, name: str) -> None:
    """Refuse slices that are not equally spaced along their normal."""
    if not all(
        reader.HasMetaDataKey(i, key) for i in range(count) for key in (POSITION, ORIENTATION)
    ):
        raise GeometryError(
            f"{name} has slices that do not say where they lie in the patient; "
            "export the original series."
        )
    rows = [_numbers(reader.GetMetaData(i, ORIENTATION)) for i in range(count)]
    if not np.allclose(rows, rows[0], atol=1e-3):
        raise GeometryError(f"{name} has slices of several orientations; export one series alone.")
    normal = np.cross(rows[0][:3], rows[0][3:])
    places = np.sort([_numbers(reader.GetMetaData(i, POSITION)) @ normal for i in range(count)])
    gaps = np.diff(places)
    usual = float(np.median(gaps))
    if (gaps <= 1e-3).any():
        raise GeometryError(
            f"{name} has several slices in one place (time points or echoes); "
            "export one image alone."
        )
    if (np.abs(gaps - usual) > GAP_TOLERANCE * usual).any():
        raise GeometryError(
            f"{name} has slices {gaps.min():.2f} to {gaps.max():.2f} mm apart; "
            "some are missing, so export the series again."
        )


def _numbers(text: str) -> np.ndarray:
    return np.array([float(part) for part in text.split("\\")])
