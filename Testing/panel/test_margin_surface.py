"""The coloured surface lies on the α-surface and says how wide the margin is there."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import slicer
from ParetoSegPanel.colour_scale import (
    NO_MARGIN,
    NO_MARGIN_COLOUR,
    margin_bands,
    margin_range,
)
from ParetoSegPanel.confidence_view import ConfidenceView
from ParetoSegPanel.lesion_navigation import centre_on
from ParetoSegPanel.margin_surface import COLOURS_ROLE, MARGIN, ROLE
from ParetoSegPanel.result_nodes import CaseNodes
from ParetoSegPanel.volumes import ras_of
from vtk.util.numpy_support import vtk_to_numpy

from ParetoSegLib.review.colours import MARGIN_SCALE_MM, confidence_rgb
from Testing.measure.memberships import Ball
from Testing.panel.result_scene import GRIDS, loaded

BALL = Ball((11, 15, 13), 5.5, 0.9)
NO_CORE = Ball((17, 25, 24), 3.5, 0.5, peak=0.8)
WIDTH = 2 * BALL.softness_mm * np.log(9)
"""Between the surfaces at 0.9 and 0.1."""


def mesh_of(case):
    mesh = case.record.helper(ROLE).GetPolyData()
    points = vtk_to_numpy(mesh.GetPoints().GetData())
    return points, vtk_to_numpy(mesh.GetPointData().GetArray(MARGIN))


def away(points, result, ball=BALL):
    centre = ras_of(tuple(result.case.grid.positions(np.array([ball.centre]))[0]))
    return np.linalg.norm(points - np.array(centre), axis=1)


@pytest.mark.parametrize("native", GRIDS.values(), ids=GRIDS)
def test_the_surface_lies_at_alpha_and_the_margin_is_its_width(scene, native):
    case, result = loaded(native, balls=[BALL])
    ConfidenceView(case).show("surface", "tc")
    points, margin = mesh_of(case)
    assert np.abs(away(points, result) - 5.5).max() < 0.2
    assert margin.mean() == pytest.approx(WIDTH, rel=0.06)
    assert np.abs(margin - WIDTH).max() < 0.4


@pytest.mark.parametrize("alpha", [0.05, 0.3, 0.95])
def test_the_margin_does_not_depend_on_alpha(scene, alpha):
    case, result = loaded(balls=[BALL])
    view = ConfidenceView(case)
    view.show("surface", "tc")
    view.set_alpha(alpha)
    view.settle()
    points, margin = mesh_of(case)
    radius = BALL.radius_mm + BALL.softness_mm * np.log(1 / alpha - 1)
    assert abs(away(points, result).mean() - radius) < 0.15
    assert margin.mean() == pytest.approx(WIDTH, rel=0.06)


def test_a_sharper_lesion_has_a_narrower_margin(scene):
    sharp = Ball((17, 25, 24), 3.5, 0.25)
    case, result = loaded(balls=[BALL, sharp])
    ConfidenceView(case).show("surface", "tc")
    points, margin = mesh_of(case)
    on_sharp = away(points, result, sharp) < 5
    assert margin[on_sharp].mean() < margin[~on_sharp].mean() - 0.5


def test_without_a_certain_core_there_is_no_margin(scene):
    case, result = loaded(balls=[BALL, NO_CORE])
    ConfidenceView(case).show("surface", "tc")
    points, margin = mesh_of(case)
    assert [lesion.certain_core for lesion in case.lesions] == [True, False]
    on_it = away(points, result, NO_CORE) < 6
    assert on_it.any()
    assert (margin[on_it] == NO_MARGIN).all()
    assert margin[~on_it].min() > 0


def test_a_rejected_lesion_has_no_surface(scene):
    case, result = loaded(balls=[BALL, Ball((17, 6, 5), 2.0, 0.4)])
    view = ConfidenceView(case)
    view.show("surface", "tc")
    whole = len(mesh_of(case)[0])
    view.set_shown(2, False)
    points, _ = mesh_of(case)
    assert 0 < len(points) < whole
    assert away(points, result).max() < 7


def look_at_middle_of(case, harness, lesion):
    """The colours in the middle of a lesion's picture, unlit: (N, 3) in [0, 1]."""
    case.record.helper(ROLE).GetDisplayNode().SetLighting(False)
    view = slicer.mrmlScene.GetNodeByID("vtkMRMLViewNode1")
    view.SetBoxVisible(False)
    view.SetAxisLabelsVisible(False)
    harness.core().three_d_view.reset_focal_point()
    centre_on(lesion)
    slicer.util.getNodesByClass("vtkMRMLCameraNode")[0].SetViewAngle(5)
    return harness.render_3d((201, 201))[95:106, 95:106].reshape(-1, 3) / 255.0


def colour_for(margin):
    """What the fixed scale says."""
    if margin < 0:
        return NO_MARGIN_COLOUR
    last = MARGIN_SCALE_MM[1]
    return confidence_rgb(1 - (int(margin) + 0.5) / last if margin < last else 0)


def test_the_bands_are_the_fixed_scale(scene):
    assert [words for words, _ in margin_bands()] == [
        "no certain core",
        *("0 – 1", "1 – 2", "2 – 3", "3 – 4", "4 – 5"),
        "≥ 5",
    ]
    low, high = margin_range()
    assert (low, high) == (-1, 6)
    for margin in (NO_MARGIN, 0.0, 0.9, 1.0, 3.2, 4.99, 5.0):
        band = int((margin - low) / (high - low) * len(margin_bands()))
        assert margin_bands()[band][1] == pytest.approx(colour_for(margin)), margin


@pytest.mark.parametrize(
    "ball",
    [Ball((11, 15, 13), 5.5, 0.1), BALL, Ball((11, 15, 13), 5.5, 1.6, peak=0.99), NO_CORE],
    ids=["sharp", "soft", "wider than the scale", "no certain core"],
)
def test_the_picture_has_the_colours_of_the_scale(scene, harness, ball):
    case, _ = loaded(balls=[ball])
    ConfidenceView(case).show("surface", "tc")
    display = case.record.helper(ROLE).GetDisplayNode()
    assert display.GetActiveScalarName() == MARGIN
    centre = look_at_middle_of(case, harness, case.lesions[0])
    _, margin = mesh_of(case)
    expected = np.array([colour_for(m) for m in np.unique(margin)])
    # Between two points of the surface their colours run into each other.
    low, high = expected.min(axis=0) - 0.02, expected.max(axis=0) + 0.02
    assert ((centre >= low) & (centre <= high)).all(axis=1).mean() > 0.9
    nearest = [np.abs(expected - pixel).max(axis=1).min() for pixel in centre]
    assert np.median(nearest) < 0.1


def test_a_legend_names_every_colour_in_3d(scene, harness):
    case, _ = loaded()
    ConfidenceView(case).show("surface", "tc")
    (legend,) = slicer.util.getNodesByClass("vtkMRMLColorLegendDisplayNode")
    assert legend.GetTitleText() == "TC margin (mm)"
    assert legend.GetVisibility3D()
    assert not legend.GetVisibility2D()
    assert legend.GetUseColorNamesForLabels()
    colours = case.record.helper(COLOURS_ROLE)
    names = [colours.GetColorName(n) for n in range(colours.GetNumberOfColors())]
    assert names == [words for words, _ in margin_bands()]
    # From the top of its bar to the bottom, as it is drawn.
    view = slicer.mrmlScene.GetNodeByID("vtkMRMLViewNode1")
    for background in (view.SetBackgroundColor, view.SetBackgroundColor2):
        background(0.0, 0.0, 0.0)
    view.SetBoxVisible(False)
    case.record.helper(ROLE).GetDisplayNode().SetOpacity(0.0)
    bar = harness.render_3d((600, 600))[190:, 565] / 255.0
    drawn = [bar[0], *(pixel for last, pixel in pairwise(bar) if any(last != pixel))]
    drawn = [pixel for pixel in drawn if pixel.any()]
    np.testing.assert_allclose(drawn, [colour for _, colour in margin_bands()][::-1], atol=0.01)


def test_names_and_colours_are_saved_with_the_scene(scene, harness, tmp_path):
    case, _ = loaded(balls=[BALL, NO_CORE])
    ConfidenceView(case).show("surface", "tc")
    harness.save_scene(tmp_path / "study.mrb")
    harness.load_scene(tmp_path / "study.mrb")
    (again,) = CaseNodes.all_in_scene()
    display = again.record.helper(ROLE).GetDisplayNode()
    colours = display.GetColorNode()
    assert colours is again.record.helper(COLOURS_ROLE)
    assert display.GetScalarRange() == pytest.approx(margin_range())
    for number, (words, colour) in enumerate(margin_bands()):
        assert colours.GetColorName(number) == words
        rgba = [0.0] * 4
        colours.GetColor(number, rgba)
        assert rgba[:3] == pytest.approx(colour, abs=0.01)


def test_opacity_reaches_the_surface(scene):
    case, _ = loaded()
    view = ConfidenceView(case)
    view.show("surface", "tc", opacity=0.4)
    assert case.record.helper(ROLE).GetDisplayNode().GetOpacity() == pytest.approx(0.4)
