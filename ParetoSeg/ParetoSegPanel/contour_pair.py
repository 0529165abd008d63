"""The certain and the possible surface of a region as two outlines in the slice views.

They are a segmentation of their own, apart from the result, so that nothing of them gets into an
export. Their source are surfaces, not voxels: the lines run where the membership crosses the
level, between voxels, and cost no time when α moves.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from ParetoSegLib.core.geometry import Grid
from ParetoSegLib.review.colours import COLOURS, RGB, rgb
from ParetoSegPanel.case_record import CaseRecord
from ParetoSegPanel.isosurface import isosurface
from ParetoSegPanel.segment_voxels import SURFACE

ROLE = "contours"
CERTAIN_ID, POSSIBLE_ID = "certain", "possible"
LINE_WIDTH = 2
_TOWARDS_BLACK, _TOWARDS_WHITE = 0.4, 0.5
"""How far the two lines are from the region's colour, in which the segmentation's own outline is
drawn: enough to tell all three apart, and not so much that the dark one is lost on a dark image or
the pale one on a bright image."""


def show_contours(
    record: CaseRecord,
    steps: np.ndarray,
    grid: Grid,
    region: str,
    levels: tuple[float, float],
    opacity: float,
) -> Any:
    """Show both outlines; those of an earlier call are replaced.

    Args:
        record: of the result.
        steps: what is shown of the region's membership, uint8 ``(D, H, W)``.
        grid: of the array.
        region: whose colour is used.
        levels: (certain, possible).
        opacity: of the lines.

    Returns:
        The helper segmentation node.
    """
    node = record.helper(ROLE)
    if node is None:
        node = slicer.mrmlScene.AddNewNodeByClass(
            "vtkMRMLSegmentationNode",
            _("{result} certain and possible").format(result=record.segmentation.GetName()),
        )
        node.CreateDefaultDisplayNodes()
        record.add_helper(ROLE, node)
    segmentation = node.GetSegmentation()
    was = node.StartModify()
    segmentation.RemoveAllSegments()
    segmentation.SetSourceRepresentationName(SURFACE)
    display = node.GetDisplayNode()
    words = {CERTAIN_ID: _("certain"), POSSIBLE_ID: _("possible")}
    for name, alpha in zip((CERTAIN_ID, POSSIBLE_ID), levels, strict=True):
        segment = slicer.vtkSegment()
        segment.SetName(f"{region.upper()} {words[name]} ({alpha:.2f})")
        segment.SetColor(*line_colour(region, name))
        segment.AddRepresentation(SURFACE, isosurface(steps, grid, alpha))
        segmentation.AddSegment(segment, name)
        display.SetSegmentVisibility2DFill(name, False)
        display.SetSegmentVisibility2DOutline(name, True)
    display.SetVisibility(True)
    display.SetVisibility3D(False)
    display.SetSliceIntersectionThickness(LINE_WIDTH)
    node.EndModify(was)
    style_contours(record, opacity)
    return node


def style_contours(record: CaseRecord, opacity: float) -> None:
    """Change how opaque the lines are."""
    display = record.helper(ROLE).GetDisplayNode()
    for name in (CERTAIN_ID, POSSIBLE_ID):
        display.SetSegmentOpacity2DOutline(name, opacity)


def hide_contours(record: CaseRecord) -> None:
    """Take both outlines away."""
    record.remove_helper(ROLE)


def line_colour(region: str, name: str) -> RGB:
    """A darker shade of the region's colour for the possible outline, a paler one for the certain.

    So the three lines of a region differ in lightness, for every kind of colour vision.
    """
    colour = rgb(COLOURS[region])
    if name == POSSIBLE_ID:
        red, green, blue = (c * (1.0 - _TOWARDS_BLACK) for c in colour)
    else:
        red, green, blue = (c + (1.0 - c) * _TOWARDS_WHITE for c in colour)
    return (red, green, blue)
