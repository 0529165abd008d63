"""The coloured surface lies on the α-surface and says how wide the margin is there."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from ParetoSegPanel.confidence_view import ConfidenceView
from ParetoSegPanel.lesion_navigation import centre_on
from ParetoSegPanel.margin_surface import COLOURS_ROLE, MARGIN, ROLE
from ParetoSegPanel.volumes import ras_of
from vtk.util.numpy_support import vtk_to_numpy

from ParetoSegLib.review.colours import MARGIN_SCALE_MM, confidence_rgb
from Testing.measure.memberships import Ball
from Testing.panel.result_scene import GRIDS, loaded

BALL = Ball((11, 15, 13), 5.5, 0.9)
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


def test_without_a_certain_core_the_scale_ends(scene):
    case, _ = loaded(balls=[Ball((11, 15, 13), 4.0, 0.5, peak=0.8)])
    ConfidenceView(case).show("surface", "tc")
    _, margin = mesh_of(case)
    assert not case.lesions[0].certain_core
    assert (margin == MARGIN_SCALE_MM[1]).all()


def test_a_rejected_lesion_has_no_surface(scene):
    case, result = loaded(balls=[BALL, Ball((17, 6, 5), 2.0, 0.4)])
    view = ConfidenceView(case)
    view.show("surface", "tc")
    whole = len(mesh_of(case)[0])
    view.set_shown(2, False)
    points, _ = mesh_of(case)
    assert 0 < len(points) < whole
    assert away(points, result).max() < 7


def test_the_colours_are_the_fixed_scale(scene, harness):
    case, _ = loaded(balls=[BALL])
    ConfidenceView(case).show("surface", "tc")
    display = case.record.helper(ROLE).GetDisplayNode()
    assert display.GetScalarRange() == pytest.approx(MARGIN_SCALE_MM)
    assert display.GetActiveScalarName() == MARGIN
    colours = case.record.helper(COLOURS_ROLE).GetColorTransferFunction()
    for margin in (0.0, 1.3, 5.0):
        expected = confidence_rgb(1 - margin / MARGIN_SCALE_MM[1])
        assert colours.GetColor(margin) == pytest.approx(expected, abs=1e-6)

    display.SetLighting(False)
    view = scene.GetNodeByID("vtkMRMLViewNode1")
    view.SetBoxVisible(False)
    view.SetAxisLabelsVisible(False)
    harness.core().three_d_view.reset_focal_point()
    centre_on(case.lesions[0])
    slicer.util.getNodesByClass("vtkMRMLCameraNode")[0].SetViewAngle(5)
    centre = harness.render_3d((201, 201))[95:106, 95:106].reshape(-1, 3) / 255.0
    _, margin = mesh_of(case)
    expected = [confidence_rgb(1 - m / MARGIN_SCALE_MM[1]) for m in np.unique(margin)]
    nearest = [np.abs(np.array(expected) - pixel).max(axis=1).min() for pixel in centre]
    assert np.median(nearest) < 0.05


def test_a_legend_tells_the_millimetres_in_3d(scene):
    case, _ = loaded()
    ConfidenceView(case).show("surface", "tc")
    (legend,) = slicer.util.getNodesByClass("vtkMRMLColorLegendDisplayNode")
    assert legend.GetTitleText() == "TC margin (mm)"
    assert legend.GetVisibility3D()
    assert not legend.GetVisibility2D()


def test_opacity_reaches_the_surface(scene):
    case, _ = loaded()
    view = ConfidenceView(case)
    view.show("surface", "tc", opacity=0.4)
    assert case.record.helper(ROLE).GetDisplayNode().GetOpacity() == pytest.approx(0.4)
