"""The outlines run where the membership crosses its levels, in shades of the region's colour."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from ParetoSegPanel.confidence_view import ConfidenceView
from ParetoSegPanel.contour_pair import CERTAIN_ID, POSSIBLE_ID, ROLE, line_colour
from ParetoSegPanel.lesion_navigation import centre_on
from ParetoSegPanel.volumes import array_of, ras_of
from vtk.util.numpy_support import vtk_to_numpy

from ParetoSegLib.review.colours import COLOURS, rgb
from Testing.measure.memberships import Ball
from Testing.panel.result_scene import GRIDS, loaded, pixel_of

BALL = Ball((11, 15, 13), 5.5, 1.1)


def radius(alpha, ball=BALL):
    """Where the painted ball's membership is α, in mm from its centre."""
    return ball.radius_mm + ball.softness_mm * np.log(ball.peak / alpha - 1)


def centre_of(result, ball=BALL):
    """RAS position of the ball's centre."""
    return np.array(ras_of(tuple(result.case.grid.positions(np.array([ball.centre]))[0])))


def surface_points(case, name):
    node = case.record.helper(ROLE)
    surface = node.GetSegmentation().GetSegment(name).GetRepresentation("Closed surface")
    return vtk_to_numpy(surface.GetPoints().GetData())


def near(picture, row, column, colour, reach=3):
    """Whether some pixel within ``reach`` has the colour, to 12 of 255 a channel."""
    patch = picture[row - reach : row + reach + 1, column - reach : column + reach + 1]
    return (np.abs(patch / 255.0 - np.array(colour)).max(axis=-1) < 12 / 255).any()


def cielab(colour):
    """(L*, a*, b*) of an sRGB colour in [0, 1], under daylight D65 (IEC 61966-2-1, CIE 15)."""
    c = np.asarray(colour, float)
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    t = to_xyz @ linear / (0.9505, 1.0, 1.089)
    x, y, z = np.where(t > (6 / 29) ** 3, np.cbrt(t), t * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def lines_of(region):
    """Colours of the possible, the segmentation's and the certain outline, as drawn."""
    middle = rgb(COLOURS[region])
    return [line_colour(region, POSSIBLE_ID), middle, line_colour(region, CERTAIN_ID)]


@pytest.mark.parametrize("region", COLOURS)
def test_the_three_lines_are_apart_in_lightness(region):
    lightness = [cielab(colour)[0] for colour in lines_of(region)]
    assert (np.diff(lightness) > 10).all()


@pytest.mark.parametrize("region", COLOURS)
def test_no_line_is_lost_on_an_image(region):
    """Whatever its grey: 20 is many times what the eye tells apart."""
    greys = np.array([cielab([grey] * 3) for grey in np.linspace(0, 1, 256)])
    for colour in lines_of(region):
        assert np.linalg.norm(greys - cielab(colour), axis=1).min() > 20


@pytest.mark.parametrize("native", GRIDS.values(), ids=GRIDS)
@pytest.mark.parametrize(("name", "alpha"), [("certain", 0.9), ("possible", 0.1)])
def test_surfaces_lie_at_their_levels(scene, native, name, alpha):
    case, result = loaded(native, balls=[BALL])
    ConfidenceView(case).show("contours", "tc")
    away = np.linalg.norm(surface_points(case, name) - centre_of(result), axis=1)
    assert np.abs(away - radius(alpha)).max() < 0.25
    assert abs(away.mean() - radius(alpha)) < 0.08


@pytest.mark.parametrize("native", GRIDS.values(), ids=GRIDS)
@pytest.mark.parametrize("view", ["Red", "Yellow", "Green"])
def test_outlines_are_drawn_where_the_surfaces_are(scene, harness, native, view):
    case, result = loaded(native, balls=[BALL])
    slicer.util.setSliceViewerLayers(background=case.reference, fit=True)
    ConfidenceView(case).show("contours", "tc")
    centre_on(case.lesions[0])
    case.segmentation.GetDisplayNode().SetVisibility(False)
    picture = harness.render_slice(view)
    node = scene.GetNodeByID(f"vtkMRMLSliceNode{view}")
    axes = array_of(node.GetSliceToRAS())[:3, :2].T
    for name, alpha in (("certain", 0.9), ("possible", 0.1)):
        colour = line_colour("tc", name)
        for axis in (*axes, *-axes):
            row, column = pixel_of(view, centre_of(result) + axis * radius(alpha), 400)
            assert near(picture, row, column, colour), (name, axis)
        row, column = pixel_of(view, centre_of(result), 400)
        assert not near(picture, row, column, colour)


def test_a_rejected_lesion_has_no_outline(scene):
    apart = Ball((17, 6, 5), 2.0, 0.4)
    case, result = loaded(balls=[BALL, apart])
    view = ConfidenceView(case)
    view.show("contours", "tc")
    small = centre_of(result, apart)
    assert np.linalg.norm(surface_points(case, "possible") - small, axis=1).min() < 3
    view.set_shown(2, False)
    assert np.linalg.norm(surface_points(case, "possible") - small, axis=1).min() > 3.5
    view.set_shown(2, True)
    assert np.linalg.norm(surface_points(case, "possible") - small, axis=1).min() < 3


def test_the_levels_are_the_models(scene):
    levels = {"et": (0.8, 0.2), "tc": (0.7, 0.3), "wt": (0.9, 0.1)}
    case, result = loaded(balls=[BALL], levels=levels)
    ConfidenceView(case).show("contours", "tc")
    away = np.linalg.norm(surface_points(case, "possible") - centre_of(result), axis=1)
    assert abs(away.mean() - radius(0.3)) < 0.08


def test_opacity_reaches_the_lines(scene):
    case, _ = loaded(balls=[BALL])
    view = ConfidenceView(case)
    view.show("contours", "tc")
    made = case.record.helper(ROLE).GetMTime()
    view.show("contours", "tc", opacity=0.3)
    display = case.record.helper(ROLE).GetDisplayNode()
    assert display.GetSegmentOpacity2DOutline("certain") == pytest.approx(0.3)
    assert display.GetSegmentOpacity2DOutline("possible") == pytest.approx(0.3)
    assert case.record.helper(ROLE).GetMTime() == made
