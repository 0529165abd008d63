"""Boundary confidence of a region as a heat map in the foreground of the slice views.

The colour scale is fixed: the same colour means the same confidence in every patient.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from slicer.i18n import tr as _

from ParetoSegLib.core.geometry import Grid
from ParetoSegLib.measure.confidence import boundary_confidence
from ParetoSegPanel import slice_layers
from ParetoSegPanel.alpha_cut import LOWEST, STEPS, level_of
from ParetoSegPanel.case_record import CaseRecord
from ParetoSegPanel.colour_scale import add_legend, confidence_scale
from ParetoSegPanel.volumes import add_volume, fill_volume

ROLE, COLOURS_ROLE = "heat", "heat colours"

OUTSIDE = 2.0
"""Value where the region is not: above every threshold, so that between here and there the
colours run to "certain" and not through "uncertain"."""

_CONFIDENCE = boundary_confidence(np.arange(STEPS + 1, dtype=np.float32) / STEPS)


def show_heat_map(
    record: CaseRecord,
    steps: np.ndarray,
    grid: Grid,
    region: str,
    opacity: float,
    thresholds: tuple[float, float],
) -> Any:
    """Lay the confidence over every slice view, with its legend; an earlier one is replaced.

    Args:
        record: of the result.
        steps: what is shown of the region's membership, uint8 ``(D, H, W)``.
        grid: of the array.
        region: named in the legend.
        opacity: of the foreground layer.
        thresholds: only confidences from low to high, both in [0, 1], are shown.

    Returns:
        The volume node with the confidence, 2 outside the region.
    """
    confidence = confidence_of(steps)
    node = record.helper(ROLE)
    colours = record.helper(COLOURS_ROLE)
    if colours is None:
        colours = confidence_scale()
        record.add_helper(COLOURS_ROLE, colours)
    if node is None:
        name = _("{result} boundary confidence").format(result=record.segmentation.GetName())
        node = add_volume(confidence, grid, name)
        record.add_helper(ROLE, node)
    else:
        fill_volume(node, confidence, grid)
    display = node.GetDisplayNode()
    was = display.StartModify()
    display.AutoWindowLevelOff()
    display.SetWindowLevelMinMax(0.0, 1.0)
    display.SetApplyThreshold(True)
    display.SetInterpolate(True)
    display.SetAndObserveColorNodeID(colours.GetID())
    display.EndModify(was)
    style_heat_map(record, opacity, thresholds)
    title = _("{region} boundary\nconfidence").format(region=region.upper())
    add_legend(node, title, "%.1f", in_slices=True)
    return node


def style_heat_map(record: CaseRecord, opacity: float, thresholds: tuple[float, float]) -> None:
    """Change how opaque the heat map is, and which confidences it shows."""
    node = record.helper(ROLE)
    node.GetDisplayNode().SetThreshold(*thresholds)
    slice_layers.lay_over(record, node, opacity)


def hide_heat_map(record: CaseRecord) -> None:
    """Take the heat map away and give the user's own layers back."""
    slice_layers.restore(record)
    record.remove_helper(ROLE)
    record.remove_helper(COLOURS_ROLE)


def confidence_of(steps: np.ndarray) -> np.ndarray:
    """γ = (2μ − 1)², float32 of the same shape; ``OUTSIDE`` where μ < 0.05."""
    confidence = _CONFIDENCE[steps]
    confidence[steps < level_of(LOWEST)] = OUTSIDE
    return confidence
