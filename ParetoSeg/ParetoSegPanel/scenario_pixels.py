"""What a slice view shows against what it should: pixels and the membership that lies beneath them.

``scenario.py`` looks at Slicer's own views; the tests outside Slicer at the same views drawn
offscreen. Each step raises ``AssertionError`` with what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from ParetoSegLib.review.colours import confidence_rgb
from ParetoSegPanel.alpha_cut import LOWEST, STEPS
from ParetoSegPanel.choices import CONTOURS, HEAT, OFF
from ParetoSegPanel.confidence_view import ConfidenceView
from ParetoSegPanel.contour_pair import CERTAIN_ID, POSSIBLE_ID, line_colour
from ParetoSegPanel.isosurface import shown_steps
from ParetoSegPanel.result_nodes import CaseNodes
from ParetoSegPanel.scenario_steps import settle

VIEW = "Red"

WIDTH_MM = 45.0
"""Of what the view shows while pixels are looked at: some pixels for each voxel."""

NEAR_LINE_VOXELS = 0.7
"""The lines are two pixels wide and smoothed."""

FEWEST_PIXELS = 60
"""Of a line or a map; fewer prove nothing."""

NO_CONFIDENCE = 2.0
"""Stands for "outside the region", above every confidence."""


def has_views() -> bool:
    """Whether slice views are drawn at all: Slicer without a main window has none."""
    manager = slicer.app.layoutManager()
    return manager is not None and manager.sliceWidget(VIEW) is not None


def picture_of(view: str = VIEW) -> np.ndarray:
    """What a slice view shows, int ``(height, width, 3)``, first row on top."""
    window = slicer.app.layoutManager().sliceWidget(view).sliceView().renderWindow()
    window.Render()
    grab = vtk.vtkWindowToImageFilter()
    grab.SetInput(window)
    grab.ReadFrontBufferOff()
    grab.Update()
    image = grab.GetOutput()
    width, height, _ = image.GetDimensions()
    pixels = vtk_to_numpy(image.GetPointData().GetScalars())
    return pixels.reshape(height, width, -1)[::-1, :, :3].astype(int)


def pixels_like(picture: np.ndarray, colour: np.ndarray, tolerance: int = 12) -> np.ndarray:
    """(row, column) of the pixels of nearly this colour, 0 … 255."""
    return np.argwhere(np.abs(picture - colour).max(axis=2) <= tolerance)


def voxels_under(pixels: np.ndarray, volume: Any, height: int, view: str = VIEW) -> np.ndarray:
    """Where pixels of a slice view lie in a volume: ``(n, 3)`` voxel coordinates (z, y, x).

    Args:
        pixels: ``(n, 2)`` rows and columns.
        volume: a volume node.
        height: of the picture.
        view: the name of the view.
    """
    node = slicer.mrmlScene.GetNodeByID(f"vtkMRMLSliceNode{view}")
    to_ras = slicer.util.arrayFromVTKMatrix(node.GetXYToRAS())
    matrix = vtk.vtkMatrix4x4()
    volume.GetRASToIJKMatrix(matrix)
    # Pixels are counted from the top here, from the bottom in Slicer.
    zero = 0.0 * pixels[:, 0]
    xy = np.stack([pixels[:, 1] + 0.5, height - pixels[:, 0] - 0.5, zero, 1.0 + zero])
    places: np.ndarray = (slicer.util.arrayFromVTKMatrix(matrix) @ to_ras @ xy)[2::-1].T
    return places


def visible_membership(case: CaseNodes, region: str) -> np.ndarray:
    """A region's membership where its lesions are shown, on the grid of the image, float32."""
    field = case.field
    shown = ConfidenceView(case).live.shown(region, case.levels)
    whole = np.zeros(field.grid.shape, np.float32)
    whole[field.box] = shown_steps(field.membership[region], shown) / np.float32(STEPS)
    return whole


def contours_run_on_their_surfaces(widget: Any) -> None:
    """Both lines run where the membership crosses their levels.

    Args:
        widget: with a result; a lesion is in the middle of the views.
    """
    case, region = _ready(widget, CONTOURS)
    membership = visible_membership(case, region)
    certain, possible = case.levels_of(region)
    with _nothing_but_the_view(case):
        seen = picture_of()
    for name, level in ((CERTAIN_ID, certain), (POSSIBLE_ID, possible)):
        colour = (255 * np.array(line_colour(region, name))).round()
        pixels = pixels_like(seen, colour)
        inside = _pixels_above(membership, level, case, seen.shape)
        assert inside or not len(pixels), f"a {name} line where nothing reaches {level:.2f}"
        # A lesion always reaches the possible level; what is certain of it may be tiny.
        expected = name == POSSIBLE_ID or inside >= 4 * FEWEST_PIXELS
        assert len(pixels) >= FEWEST_PIXELS or not expected, f"no {name} line"
        if not len(pixels):
            continue
        here = voxels_under(pixels, case.reference, seen.shape[0])
        around = np.array([_at(membership, here + shift) for shift in _ring(case)])
        straddles = (around.min(axis=0) <= level) & (around.max(axis=0) >= level)
        share = straddles.mean()
        assert share > 0.95, f"{share:.0%} of the {name} line is on the level {level:.2f}"


def heat_map_has_the_colours_of_the_scale(widget: Any) -> None:
    """Colours say the confidence by the fixed scale; what is outside the region stays grey.

    Args:
        widget: with a result and an image behind it; a lesion is in the middle of the views.
    """
    case, region = _ready(widget, HEAT)
    membership = visible_membership(case, region)
    confidence = np.where(membership < LOWEST, NO_CONFIDENCE, (2 * membership - 1) ** 2)
    with _nothing_but_the_view(case):
        seen = picture_of()
    # The legend is at the right edge.
    height, width = seen.shape[:2]
    rows, columns = np.mgrid[0:height:3, 0 : int(0.7 * width) : 3]
    pixels = np.stack([rows.ravel(), columns.ravel()], 1)
    wanted = _at(confidence, voxels_under(pixels, case.reference, height), NO_CONFIDENCE)
    shown = wanted <= 1
    assert shown.sum() >= FEWEST_PIXELS, "nothing of the heat map is in the view"
    colours = 255 * np.array([confidence_rgb(c) for c in wanted[shown]])
    got = seen[pixels[shown, 0], pixels[shown, 1]]
    # Colours turn within a voxel at the boundary: a tenth of one is a large step there.
    share = (np.abs(got - colours).max(axis=1) < 30).mean()
    assert share > 0.85, f"only {share:.0%} of the map has the colours of the scale"
    outside = seen[pixels[~shown, 0], pixels[~shown, 1]]
    share = (np.ptp(outside, axis=1) < 12).mean()
    assert share > 0.9, f"only {share:.0%} of what is outside the region is grey"


def switching_off_gives_the_picture_back(widget: Any) -> None:
    """After any view of confidence the user's picture is what it was, pixel by pixel."""
    panel = widget.panel
    panel.parameters.confidenceView = OFF
    settle()
    before = picture_of()
    for view in (CONTOURS, HEAT):
        panel.parameters.confidenceView = view
        settle()
        changed = np.abs(picture_of() - before).max(axis=2) > 60
        assert changed.sum() >= FEWEST_PIXELS, f"{view} shows nothing"
        panel.parameters.confidenceView = OFF
        settle()
        left = (np.abs(picture_of() - before).max(axis=2) > 2).sum()
        assert not left, f"{left} pixels differ after {view} was switched off"


def look_closely(position_lps: tuple[float, float, float], view: str = VIEW) -> None:
    """Let a slice view show some centimetres around a place."""
    node = slicer.mrmlScene.GetNodeByID(f"vtkMRMLSliceNode{view}")
    x, y, z = position_lps
    node.JumpSliceByCentering(-x, -y, z)
    wide, high, deep = node.GetFieldOfView()
    node.SetFieldOfView(WIDTH_MM, WIDTH_MM * high / wide, deep)
    settle(0.1)


def _ready(widget: Any, view: str) -> tuple[CaseNodes, str]:
    parameters = widget.panel.parameters
    parameters.opacity = 1.0
    parameters.confidenceView = view
    settle()
    return widget.panel.case, str(parameters.region)


@contextmanager
def _nothing_but_the_view(case: CaseNodes) -> Iterator[None]:
    """Without the segmentation, whose outlines have the same colours."""
    display = case.segmentation.GetDisplayNode()
    was = display.GetVisibility()
    display.SetVisibility(False)
    settle(0.1)
    try:
        yield
    finally:
        display.SetVisibility(was)


def _at(array: np.ndarray, places: np.ndarray, outside: float = 0.0) -> np.ndarray:
    from scipy.ndimage import map_coordinates

    return np.asarray(map_coordinates(array, places.T, order=1, cval=outside))


def _ring(case: CaseNodes) -> np.ndarray:
    """Steps in every direction, in voxels, ``(26, 3)``."""
    spacing = np.array(case.reference.GetSpacing())[::-1]
    directions = np.array(list(np.ndindex(3, 3, 3))) - 1
    steps: np.ndarray = directions[directions.any(axis=1)] * NEAR_LINE_VOXELS
    return steps * spacing.min() / spacing


def _pixels_above(
    membership: np.ndarray, level: float, case: CaseNodes, shape: tuple[int, ...]
) -> int:
    """How many pixels of a view lie above a level."""
    rows, columns = np.mgrid[0 : shape[0] : 2, 0 : shape[1] : 2]
    pixels = np.stack([rows.ravel(), columns.ravel()], 1)
    here = _at(membership, voxels_under(pixels, case.reference, shape[0]))
    return 4 * int((here >= level).sum())
