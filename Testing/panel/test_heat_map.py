"""The heat map has the colours of the fixed scale, where the confidence is, and a legend."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from ParetoSegPanel.alpha_cut import quantised
from ParetoSegPanel.confidence_view import ConfidenceView
from ParetoSegPanel.heat_map import OUTSIDE, ROLE, confidence_of
from ParetoSegPanel.lesion_navigation import centre_on
from ParetoSegPanel.volumes import ras_of

from ParetoSegLib.measure.confidence import boundary_confidence
from ParetoSegLib.review.colours import confidence_rgb
from Testing.measure.memberships import Ball
from Testing.panel.result_scene import GRIDS, LPS, TILTED, loaded, pixel_of

BALL = Ball((11, 15, 13), 5.0, 1.5)


@pytest.fixture
def shown(scene):
    """A ball on a straight grid, its axial slice through voxel centres in the red view."""
    case, result = loaded(LPS, balls=[BALL])
    slicer.util.setSliceViewerLayers(background=case.reference, fit=True)
    view = ConfidenceView(case)
    view.show("heat", "tc", opacity=1.0)
    centre_on(case.lesions[0])
    case.segmentation.GetDisplayNode().SetVisibility(False)
    lay = slicer.vtkMRMLSliceNode.SetSliceOffset
    z = result.case.grid.positions(np.array([[11, 0, 0]]))[0][2]
    lay(scene.GetNodeByID("vtkMRMLSliceNodeRed"), float(z))
    legend = slicer.util.getNodesByClass("vtkMRMLColorLegendDisplayNode")[0]
    legend.SetVisibility(False)
    return case, result, view


def pixels_of(harness, result, voxels):
    """The colours, 0 … 1, that are drawn at the centres of some voxels of the ball's slice."""
    picture = harness.render_slice("Red", (600, 600))
    places = result.case.grid.positions(voxels)
    return np.array([picture[pixel_of("Red", ras_of(tuple(p)), 600)] for p in places]) / 255.0


def test_confidence_of_steps():
    membership = np.array([0.0, 0.04, 0.05, 0.5, 0.9, 1.0], np.float32)
    found = confidence_of(quantised(membership))
    assert np.allclose(found[2:], boundary_confidence(membership[2:]), atol=0.02)
    assert (found[:2] == OUTSIDE).all()


def test_every_voxel_has_the_colour_of_its_confidence(shown, harness):
    _, result, _ = shown
    membership = result.membership["tc"]
    voxels = np.argwhere(membership >= 0.05)
    voxels = voxels[voxels[:, 0] == 11]
    confidence = boundary_confidence(membership[tuple(voxels.T)])
    expected = np.array([confidence_rgb(float(c)) for c in confidence])
    drawn = pixels_of(harness, result, voxels)
    assert len(voxels) > 80
    # A pixel's centre is up to half a pixel off the voxel's.
    assert np.quantile(np.abs(drawn - expected).max(axis=1), 0.95) < 0.12
    assert np.abs(drawn - expected).mean() < 0.03


def test_the_image_is_bare_beyond_the_region(shown, harness):
    _, result, _ = shown
    voxels = np.argwhere(result.membership["tc"] < 0.001)
    near = np.abs(voxels - (11, 15, 13)).max(axis=1) < 12
    voxels = voxels[(voxels[:, 0] == 11) & near]
    drawn = pixels_of(harness, result, voxels)
    assert (np.ptp(drawn, axis=1) == 0).all()  # grey


def test_thresholds_bare_what_lies_beyond_them(shown, harness):
    _, result, view = shown
    membership = result.membership["tc"]
    view.show("heat", "tc", opacity=1.0, thresholds=(0.0, 0.4))
    confidence = boundary_confidence(membership)[11]
    for kept, colourful in ((confidence > 0.75, False), (confidence < 0.1, True)):
        kept &= membership[11] >= 0.05
        voxels = np.insert(np.argwhere(kept), 0, 11, axis=1)
        assert len(voxels) > 3
        coloured = np.ptp(pixels_of(harness, result, voxels), axis=1) > 0.05
        assert (coloured == colourful).all()


def test_opacity_lets_the_image_through(shown, harness):
    _, result, view = shown
    voxels = np.array([[11, 15, 13]])
    full = pixels_of(harness, result, voxels)
    view.show("heat", "tc", opacity=0.0)
    bare = pixels_of(harness, result, voxels)
    view.show("heat", "tc", opacity=0.5)
    half = pixels_of(harness, result, voxels)
    assert np.allclose(half, (full + bare) / 2, atol=0.02)


def test_the_scale_does_not_follow_the_data(scene):
    case, _ = loaded(balls=[Ball((11, 15, 13), 5.0, 2.5, 0.6)])
    ConfidenceView(case).show("heat", "tc")
    display = case.record.helper(ROLE).GetDisplayNode()
    assert not display.GetAutoWindowLevel()
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == (0.0, 1.0)


@pytest.mark.parametrize("native", GRIDS.values(), ids=GRIDS)
def test_the_map_lies_where_the_region_is(scene, native):
    case, result = loaded(native, balls=[BALL])
    ConfidenceView(case).show("heat", "wt")
    node = case.record.helper(ROLE)
    array = slicer.util.arrayFromVolume(node)
    expected = result.case.to_native(boundary_confidence(result.membership["wt"]))
    inside = result.case.to_native(result.membership["wt"] >= np.float32(0.05))
    box = case.field.box
    assert np.allclose(array[inside[box]], expected[box][inside[box]], atol=0.02)
    assert (array[~inside[box]] == OUTSIDE).all()


def test_a_legend_tells_the_scale_in_slice_views(scene):
    case, _ = loaded()
    ConfidenceView(case).show("heat", "tc")
    (legend,) = slicer.util.getNodesByClass("vtkMRMLColorLegendDisplayNode")
    assert legend.GetTitleText() == "TC boundary\nconfidence"
    assert legend.GetVisibility()
    assert legend.GetVisibility2D()
    assert not legend.GetVisibility3D()


def test_colours_are_the_same_after_loading(scene, harness, tmp_path):
    case, _ = loaded(TILTED, balls=[BALL])
    slicer.util.setSliceViewerLayers(background=case.reference, fit=True)
    ConfidenceView(case).show("heat", "tc", opacity=1.0)
    lesion = case.lesions[0]
    case.reference.GetDisplayNode().AutoWindowLevelOff()
    case.reference.GetDisplayNode().SetWindowLevelMinMax(0, 300)
    slicer.util.resetSliceViews()
    centre_on(lesion)
    before = harness.render_slice("Green")
    harness.save_scene(tmp_path / "heat.mrb")
    harness.load_scene(tmp_path / "heat.mrb")
    slicer.util.resetSliceViews()
    centre_on(lesion)
    after = harness.render_slice("Green")
    assert np.abs(before.astype(int) - after).mean() < 2


def test_a_view_without_an_image_gets_the_results_own(scene):
    case, _ = loaded()
    view = ConfidenceView(case)
    view.show("heat")
    red = scene.GetNodeByID("vtkMRMLSliceCompositeNodeRed")
    assert red.GetBackgroundVolumeID() == case.reference.GetID()
    view.hide()
    assert red.GetBackgroundVolumeID() is None
    assert red.GetForegroundVolumeID() is None
