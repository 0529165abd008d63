"""Painted results in the real scene: on straight, permuted and tilted grids."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
from ParetoSegPanel.result_nodes import CaseNodes, load_result
from ParetoSegPanel.volumes import add_volume, array_of, grid_of

from ParetoSegLib.core.geometry import Grid
from ParetoSegLib.review.result import Result
from Testing.review.cases import CANDIDATE, NATIVE, THREE, painted

LPS = Grid((22, 34, 30), (1.5, 1.0, 1.2), (-10.0, 20.0, 5.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))

_TILT = np.deg2rad(20.0)
_TURN = np.array([[np.cos(_TILT), -np.sin(_TILT), 0], [np.sin(_TILT), np.cos(_TILT), 0], [0, 0, 1]])
TILTED = Grid(
    (34, 22, 30),
    (1.0, 1.5, 1.2),
    (5.0, 30.0, -20.0),
    tuple((_TURN @ [[1, 0, 0], [0, 0, -1], [0, 1, 0]]).ravel().tolist()),
)
"""Permuted, and 20° about the body's long axis off it; right-handed, as ``NATIVE`` is not."""

GRIDS = {"straight": LPS, "permuted": NATIVE, "tilted": TILTED}

BALLS = (*THREE, CANDIDATE)


def reference_of(result: Result, name: str = "T1c") -> Any:
    """The result's reference image as a volume node, in the file's own axes."""
    case = result.case
    array = np.ascontiguousarray(case.to_native(case.images[case.reference].array))
    return add_volume(array, case.native_grid, name)


def loaded(
    native: Grid = NATIVE,
    name: str = "Result",
    balls: Any = BALLS,
    parts: bool = False,
    **options: Any,
) -> tuple[CaseNodes, Result]:
    """A painted result with its reference image in the scene."""
    result = painted(balls, native=native, **options)
    return load_result(result, reference_of(result, f"{name} T1c"), name, parts), result


def segment_array(case: CaseNodes, segment: str) -> np.ndarray:
    """A segment on the whole reference image, boolean, as Slicer itself resamples it."""
    array = slicer.util.arrayFromSegmentBinaryLabelmap(case.segmentation, segment, case.reference)
    return np.asarray(array) > 0


def places_of(case: CaseNodes, segment: str) -> set[tuple[float, ...]]:
    """Where in LPS a segment's voxels are: Slicer mirrors left-handed images when it loads them."""
    indices = np.argwhere(segment_array(case, segment))
    places = grid_of(case.reference).positions(indices) if indices.size else np.zeros((0, 3))
    return {tuple(place) for place in (np.round(places, 2) + 0.0).tolist()}


def set_segment(case: CaseNodes, segment: str, array: np.ndarray) -> None:
    """Replace a segment's voxels as Segment Editor and scripts do."""
    slicer.util.updateSegmentBinaryLabelmapFromArray(
        array.astype(np.uint8), case.segmentation, segment, case.reference
    )


def node_ids(scene: Any) -> set[str]:
    """The ids of every node there is."""
    return {scene.GetNthNode(n).GetID() for n in range(scene.GetNumberOfNodes())}


def layers_of(scene: Any) -> dict[str, tuple[Any, ...]]:
    """What every slice view has in its layers."""
    return {
        view.GetLayoutName(): (
            view.GetBackgroundVolumeID(),
            view.GetForegroundVolumeID(),
            view.GetLabelVolumeID(),
            view.GetForegroundOpacity(),
            view.GetLabelOpacity(),
        )
        for view in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    }


def pixel_of(view: str, ras: tuple[float, ...], height: int) -> tuple[int, int]:
    """(row, column) of a RAS position in the picture of a slice view."""
    node = slicer.mrmlScene.GetNodeByID(f"vtkMRMLSliceNode{view}")
    x, y, *_ = np.linalg.inv(array_of(node.GetXYToRAS())) @ np.array([*ras, 1.0])
    return height - 1 - round(float(y)), round(float(x))
