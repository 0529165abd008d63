"""The surface of a region in 3-D, coloured by how wide its margin is there.

The margin at a point of the surface is its distance to the possible surface plus that to the
certain surface of the same lesion, in mm. A lesion without a certain core has no such number: it is
grey, and the legend says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from ParetoSegLib.core.geometry import Grid, bounding_box, padded_box
from ParetoSegPanel.alpha_cut import STEPS
from ParetoSegPanel.case_record import CaseRecord
from ParetoSegPanel.colour_scale import NO_MARGIN, add_legend, margin_range, margin_scale
from ParetoSegPanel.isosurface import isosurface, shown_steps

ROLE, COLOURS_ROLE = "surface", "surface colours"
MARGIN = "Margin (mm)"
"""Name of the surface's point data: millimetres, or ``NO_MARGIN``. Not translated, since scenes are
saved with it."""


def show_surface(
    record: CaseRecord,
    steps: np.ndarray,
    label: np.ndarray,
    grid: Grid,
    region: str,
    cuts: Mapping[int, int],
    levels: tuple[float, float],
    opacity: float,
) -> Any:
    """Show the coloured surface with its legend; an earlier one is replaced.

    Args:
        record: of the result.
        steps: the region's membership, uint8 ``(D, H, W)``.
        label: who shows each voxel, −1 for nobody.
        grid: of the arrays.
        region: named in the legend.
        cuts: the level in steps at which each number is cut.
        levels: (certain, possible).
        opacity: of the surface.

    Returns:
        The model node.
    """
    mesh = margin_mesh(steps, label, grid, cuts, levels)
    node = record.helper(ROLE)
    if node is None:
        node = slicer.mrmlScene.AddNewNodeByClass(
            "vtkMRMLModelNode",
            _("{result} margin").format(result=record.segmentation.GetName()),
        )
        node.CreateDefaultDisplayNodes()
        record.add_helper(ROLE, node)
    colours = record.helper(COLOURS_ROLE)
    if colours is None:
        colours = margin_scale()
        record.add_helper(COLOURS_ROLE, colours)
    node.SetAndObservePolyData(mesh)
    display = node.GetDisplayNode()
    was = display.StartModify()
    display.SetActiveScalar(MARGIN, vtk.vtkAssignAttribute.POINT_DATA)
    display.SetAndObserveColorNodeID(colours.GetID())
    display.SetScalarRangeFlag(slicer.vtkMRMLDisplayNode.UseManualScalarRange)
    display.SetScalarRange(*margin_range())
    display.SetScalarVisibility(True)
    display.SetVisibility(True)
    display.SetVisibility2D(False)
    display.EndModify(was)
    style_surface(record, opacity)
    title = _("{region} margin (mm)").format(region=region.upper())
    add_legend(node, title, labels=None, in_slices=False)
    return node


def style_surface(record: CaseRecord, opacity: float) -> None:
    """Change how opaque the surface is."""
    record.helper(ROLE).GetDisplayNode().SetOpacity(opacity)


def hide_surface(record: CaseRecord) -> None:
    """Take the surface and its colours away."""
    record.remove_helper(ROLE)
    record.remove_helper(COLOURS_ROLE)


def margin_mesh(
    steps: np.ndarray,
    label: np.ndarray,
    grid: Grid,
    cuts: Mapping[int, int],
    levels: tuple[float, float],
) -> Any:
    """Every shown lesion's surface with ``MARGIN`` as point data, in RAS; see ``show_surface``."""
    together = vtk.vtkAppendPolyData()
    for number in sorted(int(n) for n in np.unique(label) if n >= 0):
        box = bounding_box(label == number)
        assert box is not None  # it has a voxel
        box = padded_box(box, (1, 1, 1), steps.shape)
        own = shown_steps(steps[box], label[box], number)
        surface = _with_margin(own, grid.cropped(box), cuts[number] / STEPS, levels)
        if surface is not None:
            together.AddInputData(surface)
    if together.GetNumberOfInputConnections(0) == 0:
        return vtk.vtkPolyData()
    normals = vtk.vtkPolyDataNormals()
    normals.SetInputConnection(together.GetOutputPort())
    normals.SplittingOff()
    normals.ConsistencyOff()
    normals.Update()
    mesh = vtk.vtkPolyData()
    mesh.DeepCopy(normals.GetOutput())
    return mesh


def _with_margin(
    steps: np.ndarray, grid: Grid, alpha: float, levels: tuple[float, float]
) -> Any | None:
    surface = isosurface(steps, grid, alpha)
    if surface.GetNumberOfPoints() == 0:
        return None
    certain, possible = (isosurface(steps, grid, level) for level in levels)
    margin = np.full(surface.GetNumberOfPoints(), NO_MARGIN, np.float32)
    if certain.GetNumberOfCells() and possible.GetNumberOfCells():
        points = vtk_to_numpy(surface.GetPoints().GetData()).astype(float)
        reach_mm = max(grid.spacing_mm)
        inwards = _distance(points, certain, reach_mm)
        outwards = _distance(points, possible, reach_mm)
        # Beyond either surface the two distances overlap.
        margin = np.abs(
            np.where(alpha < levels[1], -outwards, outwards)
            + np.where(alpha > levels[0], -inwards, inwards)
        )
    values = numpy_to_vtk(margin.astype(np.float32), deep=True)
    values.SetName(MARGIN)
    surface.GetPointData().SetScalars(values)
    return surface


def _distance(points: np.ndarray, other: Any, reach_mm: float) -> np.ndarray:
    """Distance in mm from points ``(N, 3)`` to a surface of small triangles.

    To the plane of the triangle whose middle is nearest, or to that middle where the point lies
    beside the triangle (over an edge of the surface). VTK's own filter measures to the triangles
    themselves, at twenty times the time.

    Args:
        points: where to measure from.
        other: the surface.
        reach_mm: no triangle is larger.
    """
    from scipy.spatial import cKDTree

    triangles = vtk_to_numpy(other.GetPolys().GetConnectivityArray()).reshape(-1, 3)
    corners = vtk_to_numpy(other.GetPoints().GetData()).astype(float)[triangles]
    middles = corners.mean(axis=1)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1)
    whole = lengths > 0
    middles, normals = middles[whole], normals[whole] / lengths[whole, None]
    far, nearest = cKDTree(middles, compact_nodes=False).query(points)
    plane = np.abs(np.einsum("ij,ij->i", points - middles[nearest], normals[nearest]))
    beside = np.sqrt(np.maximum(far**2 - plane**2, 0.0))
    return np.where(beside > reach_mm, far, plane)
