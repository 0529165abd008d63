"""A small study on disk: references in the BraTS-METS layout, and what predict would write."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ParetoSegLib.core.geometry import Grid
from ParetoSegLib.core.labels import BRATS_METS, REGIONS
from ParetoSegLib.data.case import CaseFiles, read_case
from ParetoSegLib.measure.lesions import find_lesions
from ParetoSegLib.method.fuzzy import fuzzy_labels
from ParetoSegLib.review.export import write_result
from ParetoSegLib.review.result import Result

SHAPE = (26, 34, 30)
LPS = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
RAS = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)
LEVELS = dict.fromkeys(REGIONS, (0.8, 0.2))


def ball(centre: tuple[float, float, float], radius: float) -> np.ndarray:
    axes = np.ogrid[tuple(slice(0, n) for n in SHAPE)]
    return sum((a - c) ** 2 for a, c in zip(axes, centre, strict=True)) <= radius**2


def lesions(*centres: tuple[float, float, float], radius: float = 4.0) -> np.ndarray:
    """BraTS-METS labels of balls: enhancing, in a rim of core, in edema."""
    labels = np.zeros(SHAPE, np.int16)
    for value, wider in ((2, 2.0), (1, 0.0), (3, -1.5)):
        for centre in centres:
            labels[ball(centre, radius + wider)] = value
    return labels


def grid(direction: tuple[float, ...] = LPS) -> Grid:
    return Grid(SHAPE, (1.0, 1.0, 1.0), (-12.0, 7.0, 3.0), direction)


def write(array: np.ndarray, path: Path, direction: tuple[float, ...] = LPS) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(grid(direction).image(array), str(path), True)
    return path


def brain() -> np.ndarray:
    image = np.random.default_rng(1).normal(100, 5, SHAPE).astype(np.float32)
    image[~ball((13, 17, 15), 14)] = 0
    return image


def write_reference(
    study: Path, name: str, labels: np.ndarray, direction: tuple[float, ...] = LPS
) -> Path:
    folder = study / name
    write(brain(), folder / f"{name}-t1c.nii.gz", direction)
    write(labels, folder / f"{name}-seg.nii.gz", direction)
    return folder


def files_of(folder: Path) -> CaseFiles:
    name = folder.name
    return CaseFiles(
        name,
        name,
        {"t1c": folder / f"{name}-t1c.nii.gz"},
        (folder / f"{name}-seg.nii.gz",),
        BRATS_METS,
    )


def write_prediction(
    output: Path,
    reference: Path,
    labels: np.ndarray,
    assessable: tuple[str, ...] = REGIONS,
) -> Path:
    """Write what predict would, were this its opinion; ``labels`` in the reference's own axes."""
    case = read_case(files_of(reference), with_labels=False)
    masks = BRATS_METS.region_masks(case.orientation.apply(labels), "test")
    membership = fuzzy_labels(masks, case.grid.spacing_mm)
    found = find_lesions(membership, case.grid, assessable, LEVELS)
    folder = output / reference.name
    write_result(Result(case, membership, assessable, found, LEVELS, "test", {}), folder)
    return folder
