"""What ``predict`` wrote for a case, read back onto the grid of the case's reference."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ParetoSegLib.core.errors import GeometryError, ImageReadError
from ParetoSegLib.core.geometry import Grid
from ParetoSegLib.core.images import read_labels, read_map
from ParetoSegLib.core.labels import BRATS_METS, REGIONS
from ParetoSegLib.data.case import Orientation
from ParetoSegLib.review.export import NOT_ASSESSABLE, SEGMENTATION, SUMMARY

LEAST_COVERAGE = 0.5
"""A prediction must reach this share of the reference's voxels, else it is of something else."""


@dataclass(frozen=True)
class Prediction:
    """One case as predicted, on the reference's grid.

    Args:
        masks: boolean ``(D, H, W)`` by region; regions that were not assessable are left out.
        membership: float32 in [0, 1] by region, for those that have a file.
        not_assessable: regions that the prediction does not judge.
        levels: (certain, possible) of the volume interval by region, if they were written.
        resampled: whether its grid was another one.
    """

    masks: Mapping[str, np.ndarray]
    membership: Mapping[str, np.ndarray]
    not_assessable: frozenset[str]
    levels: Mapping[str, tuple[float, float]]
    resampled: bool


def find_predictions(folder: Path) -> dict[str, Path]:
    """Result folders by case name: the subfolders that hold a segmentation or a summary.

    Folders that a stopped run left behind (``….partial``) do not count.
    """
    return {
        path.name: path
        for path in sorted(folder.iterdir())
        if path.is_dir()
        and path.suffix not in (".partial", ".replaced")
        and ((path / SEGMENTATION).exists() or (path / SUMMARY).exists())
    }


def read_prediction(folder: Path, grid: Grid) -> Prediction:
    """Read one result folder.

    Args:
        folder: holds ``segmentation.nii.gz``, and ``membership_{et,tc,wt}.nii.gz`` and
            ``summary.json`` if there are any.
        grid: the reference's, along LPS. Files on another grid are brought onto it by their
            affines: labels by nearest neighbour, membership linearly.

    Raises:
        ImageReadError: a file is missing, broken, or holds membership outside [0, 1].
        LabelError: the segmentation holds labels that are not BraTS-METS's.
        GeometryError: the prediction's grid does not cover the reference's.
    """
    not_assessable, levels = _read_summary(folder / SUMMARY)
    image = read_labels(folder / SEGMENTATION)
    labels, resampled = onto_grid(image, grid, SEGMENTATION)
    masks = BRATS_METS.region_masks(labels, SEGMENTATION)
    membership: dict[str, np.ndarray] = {}
    for region in REGIONS:
        path = folder / f"membership_{region}.nii.gz"
        if region not in not_assessable and path.exists():
            membership[region], moved = onto_grid(read_map(path), grid, path.name)
            resampled |= moved
    return Prediction(
        masks={r: mask for r, mask in masks.items() if r not in not_assessable},
        membership={r: np.clip(m, 0, 1).astype(np.float32) for r, m in membership.items()},
        not_assessable=not_assessable,
        levels=levels,
        resampled=resampled,
    )


def onto_grid(image: sitk.Image, grid: Grid, name: str) -> tuple[np.ndarray, bool]:
    """The image's array on ``grid``, and whether it had to be resampled for that.

    Whole numbers are labels and take the nearest voxel's value, others are interpolated linearly.

    Raises:
        GeometryError: it reaches less than half of the grid.
    """
    own = Grid.of(image)
    turn = Orientation.of(own)
    if turn.turned(own).matches(grid):
        return np.array(turn.apply(sitk.GetArrayViewFromImage(image)), order="C"), False
    size = [int(n) for n in grid.shape[::-1]]
    place = (grid.origin, grid.spacing_mm[::-1], grid.direction)
    identity = sitk.Transform(3, sitk.sitkIdentity)
    everywhere = own.image(np.ones(own.shape, np.uint8))
    reached = sitk.Resample(everywhere, size, identity, sitk.sitkNearestNeighbor, *place)
    share = float(sitk.GetArrayViewFromImage(reached).mean())
    if share < LEAST_COVERAGE:
        raise GeometryError(
            f"{name} covers {share:.0%} of the reference's grid; compare it with the reference "
            "that lies in the same space."
        )
    is_whole = "integer" in image.GetPixelIDTypeAsString()
    interpolator = sitk.sitkNearestNeighbor if is_whole else sitk.sitkLinear
    return sitk.GetArrayFromImage(sitk.Resample(image, size, identity, interpolator, *place)), True


def _read_summary(path: Path) -> tuple[frozenset[str], dict[str, tuple[float, float]]]:
    """Regions that were not assessable, and the interval's levels; nothing without the file."""
    if not path.exists():
        return frozenset(), {}
    try:
        regions = json.loads(path.read_text(encoding="utf-8"))["regions"]
        missing = frozenset(r for r, facts in regions.items() if facts == NOT_ASSESSABLE)
        levels = {
            r: (float(facts["certain_level"]), float(facts["possible_level"]))
            for r, facts in regions.items()
            if r not in missing
        }
    except (OSError, ValueError, TypeError, AttributeError, LookupError) as error:
        raise ImageReadError(
            f"{path.name} of this prediction is not what predict writes; predict the case again."
        ) from error
    if not regions.keys() <= set(REGIONS) or any(not 0 <= p <= c <= 1 for c, p in levels.values()):
        raise ImageReadError(
            f"{path.name} of this prediction names unknown regions or levels; predict the case "
            "again."
        )
    return missing, levels
