"""Switching confidence on and off changes what is meant, and gives back what was the user's."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from ParetoSegPanel import contour_pair, heat_map, margin_surface
from ParetoSegPanel.confidence_view import ConfidenceView
from ParetoSegPanel.result_nodes import CaseNodes, load_result

from ParetoSegLib.measure.lesions import cut_lesions
from Testing.panel.result_scene import (
    LPS,
    TILTED,
    layers_of,
    loaded,
    node_ids,
    reference_of,
    segment_array,
)
from Testing.review.cases import ONE, painted

MODES = ("contours", "heat", "surface")
ROLES = {
    "contours": contour_pair.ROLE,
    "heat": heat_map.ROLE,
    "surface": margin_surface.ROLE,
}


def display_of(case):
    """All that a view may change of the result's own look."""
    display = case.segmentation.GetDisplayNode()
    look = [display.GetVisibility(), display.GetVisibility2DFill(), display.GetVisibility3D()]
    look += [display.GetOpacity2DFill(), display.GetOpacity2DOutline()]
    for kind in case.kinds:
        look.append(display.GetSegmentVisibility(kind.name))
        look.append(display.GetSegmentVisibility2DOutline(kind.name))
        look.append(display.GetSegmentVisibility2DFill(kind.name))
    return look


@pytest.fixture
def users_layers(scene):
    """Slice views as a user left them: two images and a label map, each view differently."""
    volumes = [slicer.util.addVolumeFromArray(np.ones((3, 4, 5)), name=n) for n in ("a", "b")]
    labels = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    for number, view in enumerate(slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")):
        view.SetBackgroundVolumeID(volumes[0].GetID())
        view.SetForegroundVolumeID(volumes[number % 2].GetID() if number else None)
        view.SetForegroundOpacity(0.2 + 0.1 * number)
        view.SetLabelVolumeID(labels.GetID())
        view.SetLabelOpacity(0.7)
    return layers_of(scene)


@pytest.mark.parametrize("mode", MODES)
def test_switching_off_gives_everything_back(scene, users_layers, mode):
    case, _ = loaded()
    display = case.segmentation.GetDisplayNode()
    display.SetSegmentVisibility2DOutline("WT", False)
    display.SetVisibility3D(False)
    before, nodes = display_of(case), node_ids(scene)
    view = ConfidenceView(case)
    view.show(mode, "tc", opacity=0.6)
    assert view.mode == mode
    assert node_ids(scene) != nodes
    view.hide()
    assert view.mode == "off"
    assert display_of(case) == before
    assert layers_of(scene) == users_layers
    assert node_ids(scene) == nodes


def test_going_through_all_modes_and_regions_leaves_nothing(scene, users_layers):
    case, _ = loaded()
    before, nodes = display_of(case), node_ids(scene)
    view = ConfidenceView(case)
    for mode in (*MODES, *MODES[::-1]):
        for region in case.regions:
            view.show(mode, region)
    view.show("off")
    assert display_of(case) == before
    assert layers_of(scene) == users_layers
    assert node_ids(scene) == nodes


def test_only_the_outline_of_the_shown_region_stays(scene):
    case, _ = loaded()
    ConfidenceView(case).show("contours", "wt")
    display = case.segmentation.GetDisplayNode()
    outlines = [bool(display.GetSegmentVisibility2DOutline(k.name)) for k in case.kinds]
    assert outlines == [False, False, True]
    assert not display.GetVisibility2DFill()


def test_the_users_later_choice_of_a_layer_stays(scene, users_layers):
    case, _ = loaded()
    view = ConfidenceView(case)
    view.show("heat")
    red = scene.GetNodeByID("vtkMRMLSliceCompositeNodeRed")
    mine = slicer.util.addVolumeFromArray(np.ones((3, 4, 5)), name="mine")
    red.SetForegroundVolumeID(mine.GetID())
    red.SetForegroundOpacity(0.9)
    view.hide()
    assert red.GetForegroundVolumeID() == mine.GetID()
    assert red.GetForegroundOpacity() == 0.9
    rest = {name: layers for name, layers in users_layers.items() if name != "Red"}
    assert {n: v for n, v in layers_of(scene).items() if n != "Red"} == rest


@pytest.mark.parametrize("mode", MODES)
def test_what_was_shown_is_taken_up_after_loading(scene, harness, tmp_path, mode):
    case, _ = loaded(TILTED)
    other = slicer.util.addVolumeFromArray(np.ones((3, 4, 5)), name="mine")
    slicer.util.setSliceViewerLayers(
        background=case.reference, foreground=other, foregroundOpacity=0.35
    )
    look = display_of(case)
    ConfidenceView(case).show(mode, "et", opacity=0.4, thresholds=(0.1, 0.8))
    harness.save_scene(tmp_path / "shown.mrb")
    harness.load_scene(tmp_path / "shown.mrb")

    (case,) = CaseNodes.all_in_scene()
    view = ConfidenceView(case)
    shown = (view.mode, view.region, view.opacity, view.thresholds)
    assert shown == (mode, "et", 0.4, (0.1, 0.8))
    assert case.record.helper(ROLES[mode]) is not None
    view.show(mode, "tc")
    view.hide()
    assert case.record.helper(ROLES[mode]) is None
    assert display_of(case) == look
    for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
        behind = scene.GetNodeByID(composite.GetBackgroundVolumeID())
        front = scene.GetNodeByID(composite.GetForegroundVolumeID())
        assert (behind.GetName(), front.GetName()) == ("Result T1c", "mine")
        assert composite.GetForegroundOpacity() == 0.35


def test_one_result_at_a_time(scene, users_layers):
    first, _ = loaded(name="First")
    second, _ = loaded(LPS, "Second")
    ConfidenceView(first).show("heat")
    view = ConfidenceView(second)
    view.show("heat")
    assert first.record.helper(heat_map.ROLE) is None
    assert ConfidenceView(first).mode == "off"
    view.hide()
    assert layers_of(scene) == users_layers


@pytest.mark.parametrize("mode", MODES)
def test_removing_a_result_takes_its_view_along(scene, users_layers, mode):
    result = painted()
    reference = reference_of(result)
    before = node_ids(scene)
    case = load_result(result, reference, "Result")
    ConfidenceView(case).show(mode)
    case.remove()
    assert node_ids(scene) == before
    assert layers_of(scene) == users_layers


def test_a_view_of_a_result_that_was_deleted_by_hand_goes_with_the_next(scene, users_layers):
    first, _ = loaded(name="First")
    second, _ = loaded(LPS, "Second")
    ConfidenceView(first).show("heat")
    scene.RemoveNode(first.segmentation)
    view = ConfidenceView(second)
    view.show("contours")
    view.hide()
    assert layers_of(scene) == users_layers


def test_a_deleted_helper_is_made_again(scene):
    case, _ = loaded()
    view = ConfidenceView(case)
    view.show("contours")
    scene.RemoveNode(case.record.helper(contour_pair.ROLE))
    view.show("contours", opacity=0.5)
    assert case.record.helper(contour_pair.ROLE) is not None


def test_exports_hold_the_result_alone(scene):
    case, _ = loaded()
    ConfidenceView(case).show("contours")
    segmentation = case.segmentation.GetSegmentation()
    names = {segmentation.GetNthSegmentID(n) for n in range(segmentation.GetNumberOfSegments())}
    assert names == {"ET", "TC", "WT"}


def test_alpha_moves_the_segmentation_and_not_the_surfaces(scene):
    case, result = loaded()
    view = ConfidenceView(case)
    view.show("contours", "tc")
    helper = case.record.helper(contour_pair.ROLE).GetSegmentation()
    before = helper.GetSegment("possible").GetRepresentation("Closed surface").GetMTime()
    view.set_alpha(0.2)
    view.settle()
    expected = result.case.to_native(cut_lesions(result.membership["tc"], result.lesions, 0.2) > 0)
    assert np.array_equal(segment_array(case, "TC"), expected)
    assert helper.GetSegment("possible").GetRepresentation("Closed surface").GetMTime() == before


@pytest.mark.parametrize("mode", MODES)
def test_without_enhancement_et_cannot_be_shown(scene, mode):
    case, _ = loaded(assessable=("tc", "wt"), modalities=("t2f",))
    view = ConfidenceView(case)
    with pytest.raises(ValueError, match="et could not be assessed"):
        view.show(mode, "et")
    view.show(mode)
    assert view.region == "tc"


@pytest.mark.parametrize("mode", MODES)
def test_an_empty_result_shows_nothing_and_does_not_fail(scene, mode):
    case, _ = loaded(balls=())
    view = ConfidenceView(case)
    view.show(mode)
    view.set_alpha(0.3)
    view.settle()
    view.hide()


def test_an_unknown_mode_is_refused(scene):
    case, _ = loaded(balls=ONE)
    with pytest.raises(ValueError, match="no such mode"):
        ConfidenceView(case).show("rainbow")
