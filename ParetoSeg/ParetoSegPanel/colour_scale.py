"""The fixed colour scales as Slicer's colour nodes, with their legends.

Confidence runs from 0 to 1 and its colours are continuous. A margin has no upper end, and a lesion
without a certain core has none at all: its colours are bands with names, so that the legend can say
both.
"""

from __future__ import annotations

from typing import Any

import slicer
from slicer.i18n import tr as _

from ParetoSegLib.review.colours import (
    CONFIDENCE_STOPS,
    MARGIN_SCALE_MM,
    RGB,
    confidence_rgb,
    rgb,
)

NO_MARGIN = -1.0
"""Stands for a margin in the data of a surface whose lesion has no certain core."""

NO_MARGIN_COLOUR: RGB = (0.6, 0.6, 0.6)
"""Grey: on no place of the scale."""

BAND_MM = 1.0

LEGEND_LABELS = 6
TITLE_POINTS, LABEL_POINTS = 16, 14
LEGEND_SIZE, WORDY_LEGEND_SIZE = (0.08, 0.4), (0.18, 0.4)
"""Of the view, with numbers and with words. VTK fits the letters into it: larger, the title would
cover the lesion; smaller, words could not be read."""


def confidence_scale() -> Any:
    """A colour node for confidence: red is 0, uncertain; blue is 1, certain."""
    name = _("ParetoSeg boundary confidence")
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLProceduralColorNode", name)
    # Nodes that are hidden from editors are not offered when the scene is saved.
    node.SetHideFromEditors(False)
    function = node.GetColorTransferFunction()
    function.RemoveAllPoints()
    for number, stop in enumerate(CONFIDENCE_STOPS):
        function.AddRGBPoint(number / (len(CONFIDENCE_STOPS) - 1), *rgb(stop))
    return node


def margin_scale() -> Any:
    """A colour node for margins in mm, to be shown over ``margin_range``; see ``margin_bands``."""
    name = _("ParetoSeg margin (mm)")
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLColorTableNode", name)
    node.SetHideFromEditors(False)
    node.SetTypeToUser()
    bands = margin_bands()
    node.SetNumberOfColors(len(bands))
    for number, (words, colour) in enumerate(bands):
        node.SetColor(number, words, *colour, 1.0)
    return node


def margin_bands() -> list[tuple[str, RGB]]:
    """(words, colour) of each band of ``BAND_MM`` over ``margin_range``, from its low end.

    First ``NO_MARGIN``, grey; then from blue, narrow and certain, to red, wide; the last has no
    upper end.
    """
    low, high = MARGIN_SCALE_MM
    bands = [(_("no certain core"), NO_MARGIN_COLOUR)]
    for number in range(round((high - low) / BAND_MM)):
        start, end = low + number * BAND_MM, low + (number + 1) * BAND_MM
        words = _("{start} – {end}").format(start=f"{start:g}", end=f"{end:g}")
        bands.append((words, confidence_rgb(1.0 - (start + end) / 2.0 / high)))
    bands.append((_("≥ {end}").format(end=f"{high:g}"), confidence_rgb(0.0)))
    return bands


def margin_range() -> tuple[float, float]:
    """What the bands cover; a wider margin gets the colour of the last one."""
    return MARGIN_SCALE_MM[0] - BAND_MM, MARGIN_SCALE_MM[1] + BAND_MM


def add_legend(node: Any, title: str, labels: str | None, in_slices: bool) -> Any:
    """A colour legend for a volume or a model, in slice views or in 3-D views.

    Args:
        node: whose colours are explained.
        title: above the legend.
        labels: printf format of the numbers; ``None`` to name every colour instead.
        in_slices: in slice views, else in 3-D views.
    """
    legend = slicer.modules.colors.logic().AddDefaultColorLegendDisplayNode(node)
    legend.SetTitleText(title)
    legend.SetUseColorNamesForLabels(labels is None)
    legend.SetLabelFormat("%s" if labels is None else labels)
    legend.SetNumberOfLabels(LEGEND_LABELS)
    legend.SetSize(*(WORDY_LEGEND_SIZE if labels is None else LEGEND_SIZE))
    # The legend's own font, Courier, has no "≥".
    legend.GetLabelTextProperty().SetFontFamilyToArial()
    legend.GetTitleTextProperty().SetFontSize(TITLE_POINTS)
    legend.GetLabelTextProperty().SetFontSize(LABEL_POINTS)
    legend.SetVisibility2D(in_slices)
    legend.SetVisibility3D(not in_slices)
    return legend
