"""The stand-ins refuse what Slicer would refuse, and the pictures are of what the scene holds."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Annotated

import ctk
import numpy as np
import pytest
import qt
import slicer
from slicer.parameterNodeWrapper import Choice, WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic
from slicer_harness import surface as surfaces

GREY = 127


def grey_volume(scene, value=100.0, shape=(20, 20, 20)):
    """A volume that every view shows in mid grey."""
    volume = slicer.util.addVolumeFromArray(np.full(shape, value))
    volume.CreateDefaultDisplayNodes()
    volume.GetDisplayNode().AutoWindowLevelOff()
    volume.GetDisplayNode().SetWindowLevelMinMax(0, 2 * value)
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    return volume


# Qt as PythonQt shows it


def test_a_property_is_an_attribute_and_not_a_method(app):
    button = qt.QPushButton("Segment")
    assert button.text == "Segment"
    button.text = "Cancel"
    assert button.text == "Cancel"
    with pytest.raises(TypeError):
        button.text()


@pytest.mark.parametrize("make", [lambda: qt.QPushButton(), lambda: ctk.ctkSliderWidget()])
def test_an_attribute_that_the_class_lacks_can_be_neither_read_nor_set(app, make):
    widget = make()
    with pytest.raises(AttributeError):
        _ = widget.maximun
    with pytest.raises(AttributeError):
        widget.maximun = 5
    with pytest.raises(AttributeError):
        widget.isWidgetType = False


def test_public_functions_that_are_no_slots_cannot_be_called_on_ctk_widgets(app):
    slider = ctk.ctkSliderWidget()
    with pytest.raises(AttributeError):
        slider.setMaximum(5)
    slider.maximum = 5.0
    slider.setValue(9.0)
    assert slider.value == 5.0


def test_a_class_of_the_panel_may_carry_attributes(app):
    class Row(qt.QWidget):
        pass

    row = Row()
    row.lesion = 3
    assert row.lesion == 3


def test_connecting_delivers_what_the_signature_names(app):
    button, heard = qt.QPushButton(), []
    button.checkable = True
    button.connect("clicked()", lambda default="none": heard.append(default))
    button.connect("clicked(bool)", heard.append)
    button.click()
    assert heard == ["none", True]
    button.disconnect("clicked(bool)", heard.append)
    button.click()
    assert heard == ["none", True, "none"]


def test_connecting_to_a_signal_that_is_not_there_is_refused(app):
    with pytest.raises(AttributeError, match="no signal"):
        qt.QPushButton().connect("pressed(int)", print)
    with pytest.raises(AttributeError, match="no signal"):
        ctk.ctkSliderWidget().connect("valueChanged(int)", print)


def test_what_a_slot_raises_is_kept(scene, harness):
    button = qt.QPushButton()

    def fail():
        raise KeyError("lesion")

    button.connect("clicked()", fail)
    button.click()
    assert [type(error) for error in harness.slot_failures()] == [KeyError]
    harness.slot_failures().clear()


def test_a_name_is_the_object_name_and_children_are_found_by_it(app):
    parent = qt.QWidget()
    child = qt.QLabel("x", parent)
    child.name = "note"
    assert child.objectName == "note"
    assert slicer.util.findChild(parent, "note") is child


def test_single_shot_is_both_a_property_and_a_static_function(app, harness):
    timer, fired = qt.QTimer(), []
    timer.singleShot = True
    assert timer.singleShot is True
    for milliseconds in (0, 5):
        qt.QTimer.singleShot(milliseconds, lambda: fired.append(1))
    assert harness.process_events(2.0, until=lambda: fired == [1, 1])


@pytest.mark.parametrize("name", sorted(surfaces.API))
def test_every_listed_class_can_be_made_from_the_list(name):
    made = surfaces.surface(name)
    for key in surfaces.API[name]["properties"]:
        assert hasattr(made, key)


def test_a_stand_in_cannot_offer_more_than_the_real_class():
    space = {"__module__": "slicer_harness.somewhere", "setMaximum": lambda self, value: None}
    base = surfaces.surface("ctkSliderWidget")
    with pytest.raises(TypeError, match="setMaximum"):
        type(base)("Generous", (base,), space)


def test_a_dialog_without_an_answer_fails_the_test(dialogs):
    with pytest.raises(AssertionError, match="Delete"):
        slicer.util.confirmYesNoDisplay("Delete everything?")
    dialogs.answer(qt.QMessageBox.Yes)
    assert slicer.util.confirmYesNoDisplay("Delete everything?")
    assert [shown.text for shown in dialogs.shown] == ["Delete everything?"] * 2


# Widgets over the scene


def test_node_selector_follows_the_scene(scene):
    selector = slicer.qMRMLNodeComboBox()
    selector.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    selector.noneEnabled = True
    selector.setMRMLScene(scene)
    heard = []
    selector.connect("currentNodeChanged(vtkMRMLNode*)", heard.append)
    volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "T1c")
    assert selector.nodeCount() == 1
    assert selector.currentNode() is None
    selector.setCurrentNode(volume)
    scene.RemoveNode(volume)
    assert heard == [volume, None]


def test_collapsing_hides_what_is_inside_and_only_that(app):
    box = ctk.ctkCollapsibleButton()
    layout = qt.QVBoxLayout(box)
    shown, hidden = qt.QLabel("a"), qt.QLabel("b")
    layout.addWidget(shown)
    layout.addWidget(hidden)
    hidden.visible = False
    box.show()
    box.collapsed = True
    assert not shown.visible
    box.collapsed = False
    assert shown.visible
    assert not hidden.visible


# The parameter node


@parameterNodeWrapper
class Parameters:
    image: slicer.vtkMRMLScalarVolumeNode
    alpha: Annotated[float, WithinRange(0.05, 0.95)] = 0.5
    view: Annotated[str, Choice(["off", "contours"])] = "contours"
    shown: bool = False


class HarnessLogic(ScriptedLoadableModuleLogic):
    def parameters(self):
        return Parameters(self.getParameterNode())


def test_parameters_survive_saving_and_loading(scene, harness, tmp_path: Path):
    parameters = HarnessLogic().parameters()
    assert (parameters.alpha, parameters.view, parameters.image) == (0.5, "contours", None)
    parameters.alpha = 0.25
    parameters.shown = True
    parameters.image = grey_volume(scene)
    harness.save_scene(tmp_path / "study.mrb")
    harness.load_scene(tmp_path / "study.mrb")
    again = HarnessLogic().parameters()
    assert (again.alpha, again.view, again.shown) == (0.25, "contours", True)
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(again.image), 100.0)


def test_parameters_refuse_what_their_type_forbids(scene):
    parameters = HarnessLogic().parameters()
    for name, value in (("alpha", 2.0), ("alpha", "half"), ("view", "loud"), ("shown", None)):
        with pytest.raises((TypeError, ValueError)):
            setattr(parameters, name, value)


def test_widgets_and_parameters_follow_each_other(scene):
    panel = qt.QWidget()
    slider, box = ctk.ctkSliderWidget(panel), qt.QComboBox(panel)
    slider.singleStep = 0.01
    slider.setProperty("SlicerParameterName", "alpha")
    box.setProperty("SlicerParameterName", "view")
    parameters = HarnessLogic().parameters()
    tag = parameters.connectParametersToGui({"alpha": slider, "view": box})
    assert (slider.value, slider.maximum, box.currentText) == (0.5, 0.95, "contours")
    slider.value = 0.3
    box.currentIndex = 0
    assert (parameters.alpha, parameters.view) == (0.3, "off")
    parameters.alpha = 0.7
    assert slider.value == 0.7
    parameters.disconnectGui(tag)
    slider.value = 0.2
    assert parameters.alpha == 0.7


def test_a_widget_that_slicer_could_not_connect_is_refused(scene):
    parameters = HarnessLogic().parameters()
    with pytest.raises(RuntimeError, match="GUI connector"):
        parameters.connectParametersToGui({"alpha": slicer.qMRMLSliderWidget()})


def test_a_closed_scene_leaves_the_defaults(scene, harness):
    parameters = HarnessLogic().parameters()
    slider = ctk.ctkSliderWidget()
    slider.singleStep = 0.01
    parameters.connectParametersToGui({"alpha": slider})
    parameters.alpha = 0.2
    harness.close_scene()
    assert HarnessLogic().parameters().alpha == 0.5
    assert slider.value == 0.5


def test_parameters_that_were_dropped_are_not_told_of_changes(scene, harness):
    """Nor is the process killed by telling them, as it would be by a collected function."""
    logic = HarnessLogic()
    slider = ctk.ctkSliderWidget()
    slider.singleStep = 0.01
    logic.parameters().connectParametersToGui({"alpha": slider})
    gc.collect()
    logic.parameters().alpha = 0.2
    assert slider.value == 0.5
    harness.close_scene()
    assert logic.parameters().alpha == 0.5


# Pictures


def test_a_slice_view_shows_the_volume(scene, harness):
    grey_volume(scene)
    picture = harness.render_slice("Red", size=(300, 200))
    assert picture.shape == (200, 300, 3)
    np.testing.assert_allclose(picture[100, 150], GREY, atol=2)
    np.testing.assert_array_equal(picture[2, 2], 0)


def test_a_slice_view_blends_the_foreground(scene, harness):
    grey_volume(scene)
    front = slicer.util.addVolumeFromArray(np.ones((20, 20, 20)))
    front.CreateDefaultDisplayNodes()
    display = front.GetDisplayNode()
    display.AutoWindowLevelOff()
    display.SetWindowLevelMinMax(0, 1)
    display.SetAndObserveColorNodeID("vtkMRMLColorTableNodeRed")
    slicer.util.setSliceViewerLayers(foreground=front, foregroundOpacity=0.5)
    red, green, blue = harness.render_slice("Green")[200, 200]
    np.testing.assert_allclose([red, green, blue], [191, 63, 63], atol=3)


def test_a_slice_view_outlines_a_segment_where_it_is(scene, harness):
    volume = grey_volume(scene)
    segmentation = scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    segmentation.CreateDefaultDisplayNodes()
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    segment = segmentation.GetSegmentation().AddEmptySegment("core", "core", (0.0, 1.0, 0.0))
    mask = np.zeros((20, 20, 20), np.uint8)
    mask[5:15, 5:15, 5:15] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, segmentation, segment, volume)
    segmentation.GetDisplayNode().SetSegmentVisibility2DFill(segment, False)
    picture = harness.render_slice("Red").astype(int)
    green = picture[:, :, 1] - picture[:, :, 0] > 60
    rows, columns = np.nonzero(green)
    # 20 voxels fill 400 pixels: the outline runs 100 pixels from the edge.
    assert rows.min() == pytest.approx(100, abs=22)
    assert columns.max() == pytest.approx(300, abs=22)
    assert not green[200, 200]


def test_the_3d_view_shows_a_model(scene, harness):
    import vtk

    before = harness.render_3d().astype(int)
    ball = vtk.vtkSphereSource()
    ball.SetRadius(40)
    model = slicer.modules.models.logic().AddModel(ball.GetOutputPort())
    model.GetDisplayNode().SetColor(1, 0, 0)
    slicer.app.layoutManager().resetThreeDViews()
    after = harness.render_3d().astype(int)
    assert after[200, 200, 0] - after[200, 200, 1] > 100
    assert np.abs(after - before).max() > 100


def test_closing_the_scene_leaves_the_views_usable(scene, harness):
    grey_volume(scene)
    harness.render_slice()
    harness.fresh_scene()
    np.testing.assert_array_equal(harness.render_slice()[150:250, 150:250], 0)
    grey_volume(scene)
    np.testing.assert_allclose(harness.render_slice()[200, 200], GREY, atol=2)
