"""Slicer's volumes as arrays on a grid, and back.

Slicer counts in (i, j, k) and RAS millimetres, the library in arrays ``(D, H, W)`` = (k, j, i) and
LPS. Nothing is resampled or turned here: whatever flips, permutes or tilts an image stays in the
grid.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from ParetoSegLib.core.errors import GeometryError
from ParetoSegLib.core.geometry import Box, Grid

RAS_FROM_LPS = np.diag([-1.0, -1.0, 1.0])
"""Turns LPS millimetres into RAS and back."""

_SKEW = 1e-3
"""Directions whose products exceed this are not at right angles."""


def image_of(node: Any) -> tuple[np.ndarray, Grid]:
    """The voxels of a volume node, a float32 copy ``(D, H, W)``, and its grid in LPS.

    Args:
        node: a ``vtkMRMLScalarVolumeNode`` with any IJK-to-RAS matrix.

    Raises:
        GeometryError: the volume is empty, has colours or time points, lies under a transform, or
            has axes that are not at right angles (a tilted gantry).
    """
    grid = grid_of(node)
    return np.array(slicer.util.arrayFromVolume(node), np.float32, order="C"), grid


def grid_of(node: Any) -> Grid:
    """The grid of a volume node in LPS.

    Raises:
        GeometryError: as ``image_of``.
    """
    name = node.GetName()
    image = node.GetImageData()
    if image is None or 0 in image.GetDimensions() or image.GetPointData().GetScalars() is None:
        raise GeometryError(
            _("The volume {name} is empty; choose one that holds an image.").format(name=name)
        )
    if image.GetNumberOfScalarComponents() != 1:
        raise GeometryError(
            _(
                "The volume {name} holds {count} values a voxel; choose an image of one sequence."
            ).format(name=name, count=image.GetNumberOfScalarComponents())
        )
    transform = node.GetParentTransformNode()
    if transform is not None:
        raise GeometryError(
            _(
                "The volume {name} lies under the transform {transform}; harden the transform or "
                "take the volume out of it."
            ).format(name=name, transform=transform.GetName())
        )
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    ras = array_of(matrix)
    lengths = np.linalg.norm(ras[:3, :3], axis=0)
    if not np.isfinite(ras).all() or lengths.min() <= 0:
        raise GeometryError(
            _("The volume {name} has voxels without a size; correct its geometry.").format(
                name=name
            )
        )
    cosines = ras[:3, :3] / lengths
    if np.abs(cosines.T @ cosines - np.eye(3)).max() > _SKEW:
        raise GeometryError(
            _(
                "The axes of the volume {name} are not at right angles (a tilted gantry?); "
                "resample it onto a straight grid first."
            ).format(name=name)
        )
    i, j, k = image.GetDimensions()
    di, dj, dk = (float(v) for v in lengths)
    x, y, z = (float(v) for v in RAS_FROM_LPS @ ras[:3, 3] + 0.0)
    direction = tuple(float(v) for v in (RAS_FROM_LPS @ cosines + 0.0).ravel())
    return Grid((k, j, i), (dk, dj, di), (x, y, z), direction)


def ijk_to_ras(grid: Grid) -> Any:
    """The ``vtkMatrix4x4`` from (i, j, k) to RAS millimetres."""
    matrix = np.eye(4)
    columns = np.array(grid.direction).reshape(3, 3) * np.array(grid.spacing_mm[::-1])
    matrix[:3, :3] = RAS_FROM_LPS @ columns
    matrix[:3, 3] = RAS_FROM_LPS @ np.array(grid.origin)
    return matrix_of(matrix)


def add_volume(array: np.ndarray, grid: Grid, name: str) -> Any:
    """A new scalar volume node in the scene, with a display node, that holds a copy of ``array``.

    Args:
        array: ``(D, H, W)`` on ``grid``, of a type that VTK knows.
        grid: in LPS.
        name: of the node.
    """
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    node.CreateDefaultDisplayNodes()
    fill_volume(node, array, grid)
    return node


def fill_volume(node: Any, array: np.ndarray, grid: Grid) -> None:
    """Put a copy of ``array`` on ``grid`` into a volume node.

    Raises:
        ValueError: the shapes of array and grid differ.
    """
    if array.shape != grid.shape:
        raise ValueError(f"array of shape {array.shape} on a grid of shape {grid.shape}")
    node.SetIJKToRASMatrix(ijk_to_ras(grid))
    slicer.util.updateVolumeFromArray(node, np.ascontiguousarray(array))


def oriented_image(grid: Grid, box: Box) -> Any:
    """A ``vtkOrientedImageData`` of zeros, uint8, over the part ``box`` of ``grid``."""
    image = slicer.vtkOrientedImageData()
    image.SetGeometryFromImageToWorldMatrix(ijk_to_ras(grid))
    d, h, w = box
    image.SetExtent(w.start, w.stop - 1, h.start, h.stop - 1, d.start, d.stop - 1)
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
    image.GetPointData().GetScalars().Fill(0)
    return image


def ras_of(position_lps: tuple[float, float, float]) -> tuple[float, float, float]:
    """An LPS position (x, y, z) in mm as RAS."""
    x, y, z = position_lps
    return (-x, -y, z)


def array_of(matrix: Any) -> np.ndarray:
    """A ``vtkMatrix4x4`` as an array ``(4, 4)``."""
    return np.array([[matrix.GetElement(r, c) for c in range(4)] for r in range(4)])


def matrix_of(array: np.ndarray) -> Any:
    """An array ``(4, 4)`` as a ``vtkMatrix4x4``."""
    matrix = vtk.vtkMatrix4x4()
    for row in range(4):
        for column in range(4):
            matrix.SetElement(row, column, float(array[row, column]))
    return matrix
