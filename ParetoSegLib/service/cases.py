"""A case from arrays in memory, as ``data.case`` makes one from files."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ParetoSegLib.core.errors import GeometryError, ImageReadError
from ParetoSegLib.core.geometry import Grid
from ParetoSegLib.core.images import MOST_VOXELS, SPACING_MM
from ParetoSegLib.core.labels import MODALITIES, REFERENCE_ORDER
from ParetoSegLib.data.case import Case, Image, Orientation, overlapping


def case_of(name: str, images: Mapping[str, tuple[np.ndarray, Grid]]) -> Case:
    """Turn arrays to LPS and check that they belong together.

    Args:
        name: of the case; it stands in results.
        images: array ``(D, H, W)`` and its grid by sequence, axes in any order and direction.

    Returns:
        A case whose images are views of the arrays.

    Raises:
        ImageReadError: there is no image, an unknown sequence, or an array that is not 3-D.
        GeometryError: a grid is absurd, does not fit its array, or lies apart from the reference.
    """
    unknown = sorted(set(images) - set(MODALITIES))
    if unknown:
        raise ImageReadError(
            f"The sequence {unknown[0]!r:.40} is unknown; the names are {', '.join(MODALITIES)}."
        )
    reference = next((m for m in REFERENCE_ORDER if m in images), None)
    if reference is None:
        raise ImageReadError(f"There is no image; give at least one of {', '.join(MODALITIES)}.")
    for modality, (array, grid) in images.items():
        _check(modality, array, grid)

    array, native = images[reference]
    turned = {reference: _turned(array, native)}
    grid = turned[reference].grid
    for modality in MODALITIES:
        if modality not in images or modality == reference:
            continue
        other = _turned(*images[modality])
        if other.grid.matches(grid):
            other = Image(other.array, grid)
        elif not overlapping(other.grid, grid):
            raise GeometryError(
                f"The {modality} image lies wholly apart from the {reference} image in space; "
                "check that both show the same patient and visit."
            )
        turned[modality] = other
    ordered = {m: turned[m] for m in MODALITIES if m in turned}
    return Case(name, name, ordered, reference, native, None, {})


def check_voxels(case: Case) -> None:
    """Refuse images that show nothing, which costs a look at every voxel.

    Raises:
        ImageReadError: voxels that are not finite, or one value everywhere.
    """
    for modality, image in case.images.items():
        low, high = float(image.array.min()), float(image.array.max())
        if not np.isfinite([low, high]).all():
            raise ImageReadError(
                f"The {modality} image holds voxels that are not finite numbers; leave it out or "
                "load it again."
            )
        if low == high:
            raise ImageReadError(
                f"The {modality} image is {low:g} in every voxel; leave the sequence out if there "
                "is no image of it."
            )


def _check(modality: str, array: np.ndarray, grid: Grid) -> None:
    if array.ndim != 3 or array.shape != grid.shape:
        raise ImageReadError(
            f"The {modality} image has the shape {array.shape} on a grid of {grid.shape}; only "
            "3-D scalar images can be used."
        )
    if array.size > MOST_VOXELS or min(array.shape) < 2:
        raise GeometryError(
            f"The {modality} image has {array.shape[2]}×{array.shape[1]}×{array.shape[0]} voxels, "
            "which is no image of a head."
        )
    spacing = grid.spacing_mm
    if not all(SPACING_MM[0] <= s <= SPACING_MM[1] for s in spacing):
        raise GeometryError(
            f"The {modality} image has voxels of {spacing[2]:g}×{spacing[1]:g}×{spacing[0]:g} mm, "
            "which is no image of a head; correct its spacing."
        )
    axes = np.array(grid.direction).reshape(3, 3)
    if not (
        np.isfinite([*grid.direction, *grid.origin]).all()
        and np.allclose(axes @ axes.T, np.eye(3), atol=1e-3)
    ):
        raise GeometryError(
            f"The axes of the {modality} image are not at right angles; resample it first."
        )


def _turned(array: np.ndarray, grid: Grid) -> Image:
    turn = Orientation.of(grid)
    return Image(turn.apply(array), turn.turned(grid))
