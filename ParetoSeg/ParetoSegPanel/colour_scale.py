"""The fixed colour scales as Slicer's colour nodes, with their legends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import slicer

from ParetoSegLib.review.colours import CONFIDENCE_STOPS, MARGIN_SCALE_MM, rgb

LEGEND_LABELS = 6
TITLE_POINTS, LABEL_POINTS = 16, 14
LEGEND_SIZE = (0.08, 0.4)
"""Of the view. VTK fits the letters into it: larger, the title would cover the lesion."""


def confidence_scale() -> Any:
    """A colour node for confidence: red is 0, uncertain; blue is 1, certain."""
    return _scale("ParetoSeg boundary confidence", CONFIDENCE_STOPS, 0.0, 1.0)


def margin_scale() -> Any:
    """A colour node for margins in mm: blue is narrow, certain; red is wide."""
    return _scale("ParetoSeg margin (mm)", CONFIDENCE_STOPS[::-1], *MARGIN_SCALE_MM)


def add_legend(node: Any, title: str, labels: str, in_slices: bool) -> Any:
    """A colour legend for a volume or a model, in slice views or in 3-D views.

    Args:
        node: whose colours are explained.
        title: above the legend.
        labels: printf format of the numbers.
        in_slices: in slice views, else in 3-D views.
    """
    legend = slicer.modules.colors.logic().AddDefaultColorLegendDisplayNode(node)
    legend.SetTitleText(title)
    legend.SetLabelFormat(labels)
    legend.SetNumberOfLabels(LEGEND_LABELS)
    legend.SetSize(*LEGEND_SIZE)
    legend.GetTitleTextProperty().SetFontSize(TITLE_POINTS)
    legend.GetLabelTextProperty().SetFontSize(LABEL_POINTS)
    legend.SetVisibility2D(in_slices)
    legend.SetVisibility3D(not in_slices)
    return legend


def _scale(name: str, stops: Sequence[str], low: float, high: float) -> Any:
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLProceduralColorNode", name)
    # Nodes that are hidden from editors are not offered when the scene is saved.
    node.SetHideFromEditors(False)
    function = node.GetColorTransferFunction()
    function.RemoveAllPoints()
    for number, stop in enumerate(stops):
        place = low + (high - low) * number / (len(stops) - 1)
        function.AddRGBPoint(place, *rgb(stop))
    return node
