"""Surfaces of equal membership, sharper than the voxels, in RAS millimetres."""

from __future__ import annotations

from typing import Any

import numpy as np
import vtk
from vtk.util.numpy_support import numpy_to_vtk

from ParetoSegLib.core.geometry import Grid
from ParetoSegPanel.alpha_cut import LOWEST, STEPS, level_of
from ParetoSegPanel.volumes import array_of, ijk_to_ras

_BELOW = level_of(LOWEST) - 1
"""The highest step of what is not shown: below every surface that can be asked for."""


def shown_steps(steps: np.ndarray, label: np.ndarray, number: int | None = None) -> np.ndarray:
    """Membership with everything that is not shown pushed below every surface.

    Args:
        steps: uint8 membership of a region.
        label: who shows each voxel, −1 for nobody.
        number: of the one lesion to keep; all that are shown if ``None``.
    """
    kept = label >= 0 if number is None else label == number
    return np.where(kept, steps, np.minimum(steps, np.uint8(_BELOW)))


def isosurface(steps: np.ndarray, grid: Grid, alpha: float) -> Any:
    """The surface {μ = α} as a ``vtkPolyData``, interpolated between voxels.

    Args:
        steps: membership in steps of 1/200, uint8 ``(D, H, W)``.
        grid: of the array.
        alpha: where the surface lies.
    """
    depth, height, width = steps.shape
    image = vtk.vtkImageData()
    image.SetDimensions(width, height, depth)
    flat = numpy_to_vtk(np.ascontiguousarray(steps).ravel(), deep=True)
    image.GetPointData().SetScalars(flat)
    surface = vtk.vtkFlyingEdges3D()
    surface.SetInputData(image)
    # Steps are rounded down: half a step lower, {q ≥ 200 α} lies inside and nothing on the surface.
    surface.SetValue(0, alpha * STEPS - 0.5)
    surface.ComputeNormalsOff()
    surface.ComputeGradientsOff()
    surface.ComputeScalarsOff()
    matrix = ijk_to_ras(grid)
    transform = vtk.vtkTransform()
    transform.SetMatrix(matrix)
    placed = vtk.vtkTransformPolyDataFilter()
    placed.SetTransform(transform)
    placed.SetInputConnection(surface.GetOutputPort())
    last = placed
    if np.linalg.det(array_of(matrix)[:3, :3]) < 0:
        # A mirrored grid turns every triangle inside out.
        last = vtk.vtkReverseSense()
        last.ReverseCellsOn()
        last.SetInputConnection(placed.GetOutputPort())
    last.Update()
    result = vtk.vtkPolyData()
    result.DeepCopy(last.GetOutput())
    return result
