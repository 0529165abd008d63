from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import qt
import slicer
from ParetoSegPanel import setup_section
from ParetoSegPanel.install import Outcome
from ParetoSegPanel.packages import PackageState

from Testing.panel.models import write_model
from Testing.panel.painted_scene import (
    FORTY,
    MANY,
    FakeClient,
    add_image,
    add_images,
    add_result,
    layers,
)
from Testing.review.cases import CANDIDATE, NATIVE, ONE, THREE, painted


class Desk:
    """The panel as Slicer builds it, with a worker that answers when it is told to."""

    def __init__(self, harness, folder: Path) -> None:
        self.harness = harness
        self.widget = harness.load_widget()
        self.client = FakeClient()
        self.widget.logic._client = self.client
        self.panel.parameters.modelFolder = str(write_model(folder / "model"))
        self.settle()

    @property
    def ui(self):
        return self.widget.ui

    @property
    def panel(self):
        return self.widget.panel

    def settle(self, seconds: float = 0.03) -> None:
        self.harness.process_events(seconds)

    def start(self) -> None:
        self.settle()
        assert self.ui.segmentButton.enabled, self.ui.segmentButton.toolTip
        before = len(self.client.pendings)
        self.ui.segmentButton.click()
        assert self.harness.process_events(5, until=lambda: len(self.client.pendings) > before)

    def segment(self, balls=(*THREE, CANDIDATE)) -> None:
        self.start()
        self.client.answer(painted(balls))
        self.settle()

    def choose(self, selector, words: str) -> None:
        found = [i for i in range(selector.count) if words in selector.itemText(i)]
        assert len(found) == 1, [selector.itemText(i) for i in range(selector.count)]
        selector.setCurrentIndex(found[0])
        self.settle()

    def rows(self) -> list[str]:
        model = self.ui.lesionTable.model()
        return [str(model.data(model.index(r, 0))) for r in range(model.rowCount())]

    def voxels(self, segment: str = "TC") -> int:
        case = self.panel.case
        return int(
            slicer.util.arrayFromSegmentBinaryLabelmap(
                case.segmentation, segment, case.reference
            ).sum()
        )


@pytest.fixture
def desk(scene, harness, tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(harness, tmp_path)
    yield desk
    harness.drop_widget()


def test_an_empty_scene_says_what_is_needed(desk: Desk) -> None:
    assert not desk.ui.segmentButton.enabled
    assert "at least one image" in desk.ui.expectationLabel.text
    assert "at least one image" in desk.ui.segmentButton.toolTip
    assert desk.client.asked == 0


def test_research_use_and_help_are_in_sight(desk: Desk) -> None:
    assert desk.ui.researchLabel.text == "For research use; not a medical device."
    assert desk.ui.researchLabel.isVisible()
    assert 'href="https://' in desk.ui.helpLabel.text
    assert desk.ui.helpLabel.openExternalLinks


def test_images_that_are_loaded_are_filled_in_and_explained(desk: Desk) -> None:
    images = add_images(("t1c", "t2f"))
    desk.settle()
    assert desk.ui.t1cSelector.currentNode() is images["t1c"]
    assert desk.ui.t2fSelector.currentNode() is images["t2f"]
    assert desk.ui.t1nSelector.currentNode() is None
    assert desk.ui.segmentButton.enabled
    assert desk.ui.expectationLabel.text.endswith("Works without T1 and T2.")
    assert desk.ui.geometryLabel.text == "All images share one grid."


def test_what_the_user_chose_is_not_overruled(desk: Desk) -> None:
    odd = add_image("Unknown series")
    desk.ui.t1cSelector.setCurrentNode(odd)
    desk.settle()
    add_images(("t1c", "t2f"))
    desk.settle()
    assert desk.ui.t1cSelector.currentNode() is odd
    desk.ui.fillButton.click()
    desk.settle()
    assert desk.ui.t1cSelector.currentNode().GetName() == "Patient T1c"


def test_what_was_left_empty_stays_empty(desk: Desk) -> None:
    add_images(("t1c", "t2f"))
    desk.settle()
    desk.ui.t2fSelector.setCurrentNode(None)
    desk.settle()
    add_image("Patient T2")
    desk.segment()
    desk.widget.exit()
    desk.widget.enter()
    desk.settle()
    assert desk.ui.t2fSelector.currentNode() is None
    assert desk.ui.t2wSelector.currentNode().GetName() == "Patient T2"


def test_the_next_patient_is_not_mixed_in(desk: Desk) -> None:
    add_images(("t1c",))
    desk.settle()
    add_image("Somebody else FLAIR")
    desk.settle()
    assert desk.ui.t2fSelector.currentNode() is None


def test_images_apart_keep_the_button_off(desk: Desk) -> None:
    far = replace(NATIVE, origin=(900.0, 0.0, 0.0))
    desk.ui.t1cSelector.setCurrentNode(add_image("T1c"))
    desk.ui.t2fSelector.setCurrentNode(add_image("FLAIR", far))
    desk.settle()
    assert not desk.ui.segmentButton.enabled
    assert "FLAIR lies apart from T1c" in desk.ui.geometryLabel.text
    assert "FLAIR lies apart from T1c" in desk.ui.segmentButton.toolTip


def test_one_image_cannot_be_two_sequences(desk: Desk) -> None:
    image = add_image("T1c")
    for selector in (desk.ui.t1cSelector, desk.ui.t2fSelector):
        selector.setCurrentNode(image)
    desk.settle()
    assert not desk.ui.segmentButton.enabled
    assert "same image" in desk.ui.geometryLabel.text


def test_a_folder_that_is_no_model_is_said(desk: Desk, tmp_path: Path) -> None:
    add_images()
    desk.panel.parameters.modelFolder = str(tmp_path)
    desk.settle()
    assert not desk.ui.segmentButton.enabled
    assert "no model folder" in desk.ui.expectationLabel.text


def test_the_worker_is_warmed_up_once_images_are_there(desk: Desk, tmp_path: Path) -> None:
    add_images()
    desk.settle()
    assert desk.client.asked == 1
    assert desk.client.loaded == [tmp_path / "model"]
    words = [desk.ui.deviceSelector.itemText(i) for i in range(desk.ui.deviceSelector.count)]
    assert words == ["Automatic (NVIDIA Test)", "NVIDIA Test", "CPU"]
    desk.choose(desk.ui.deviceSelector, "CPU")
    desk.start()
    assert desk.client.last.request.device == "cpu"
    assert desk.client.asked == 1


def test_one_button_starts_and_cancels(desk: Desk) -> None:
    add_images()
    desk.start()
    assert desk.ui.segmentButton.text == "Cancel"
    assert desk.ui.progressBar.isVisible()
    nodes = slicer.mrmlScene.GetNumberOfNodes()
    desk.ui.segmentButton.click()
    assert desk.client.last.cancelled
    desk.client.answer()  # too late
    desk.settle()
    assert desk.ui.segmentButton.text == "Segment"
    assert desk.ui.segmentButton.enabled
    assert not desk.ui.progressBar.isVisible()
    assert slicer.mrmlScene.GetNumberOfNodes() == nodes
    assert desk.panel.case is None
    assert "nothing was changed" in desk.ui.statusLabel.text


def test_progress_shows_stage_and_time_left(desk: Desk) -> None:
    add_images()
    desk.start()
    desk.client.last.on_progress("segmenting", 0.5, 75.0)
    assert desk.ui.progressBar.value == 500
    assert desk.ui.progressBar.format == "Segmenting, 1 min 15 s left"
    desk.client.last.on_log("Loaded.")
    assert desk.ui.logText.plainText == "Loaded."


def test_the_result_is_shown_at_once(desk: Desk) -> None:
    add_images()
    desk.settle()
    before = layers()
    desk.segment()
    assert desk.rows() == ["1", "2", "3"]
    assert "3 lesions, 1 candidate" in desk.ui.statusLabel.text
    assert desk.ui.resultSelector.currentNode() is desk.panel.case.segmentation
    assert desk.ui.viewSelector.currentText.startswith("Contours")
    desk.choose(desk.ui.viewSelector, "Heat map")
    assert layers() != before
    desk.choose(desk.ui.viewSelector, "Off")
    assert layers() == before


def test_an_error_is_one_red_line_and_the_button_is_back(desk: Desk, dialogs) -> None:
    add_images()
    desk.start()
    desk.client.fail("memory", "The computer has too little memory.")
    desk.settle()
    assert desk.ui.statusLabel.text == "The computer has too little memory."
    assert "color" in desk.ui.statusLabel.styleSheet
    assert desk.ui.segmentButton.text == "Segment"
    assert desk.ui.segmentButton.enabled
    assert dialogs.shown == []


def test_closing_the_scene_cancels_the_request_and_keeps_the_worker(desk: Desk, harness) -> None:
    add_images()
    desk.start()
    harness.close_scene()
    desk.settle()
    assert desk.client.last.cancelled
    assert not desk.client.is_shut_down
    assert not desk.panel.running
    add_images()
    desk.segment()
    assert desk.rows() == ["1", "2", "3"]


def test_candidates_appear_when_asked_for_and_can_be_accepted(desk: Desk) -> None:
    add_images()
    desk.segment()
    before = desk.voxels()
    desk.ui.candidatesBox.click()
    desk.settle()
    assert desk.rows() == ["1", "2", "3", "4 ?"]
    assert desk.voxels() == before
    model = desk.ui.lesionTable.model()
    model.item(3, 0).setCheckState(qt.Qt.Checked)
    desk.settle()
    assert desk.voxels() > before
    assert desk.panel.case.is_shown(4)


def test_a_lesion_can_be_rejected(desk: Desk) -> None:
    add_images()
    desk.segment()
    before = desk.voxels()
    desk.ui.lesionTable.model().item(0, 0).setCheckState(qt.Qt.Unchecked)
    desk.settle()
    assert desk.voxels() < before
    assert not desk.panel.case.is_shown(1)


def test_the_slider_moves_the_segmentation_and_comes_back(desk: Desk) -> None:
    add_images()
    desk.segment()
    half = desk.voxels()
    desk.ui.alphaSlider.value = 0.2
    desk.settle()
    assert desk.voxels() > half
    desk.ui.resetAlphaButton.click()
    desk.settle()
    assert desk.ui.alphaSlider.value == 0.5
    assert desk.voxels() == half


def test_two_patients_keep_their_own_tables_and_levels(desk: Desk) -> None:
    add_images()
    desk.segment()
    first = desk.panel.case.segmentation
    desk.ui.alphaSlider.value = 0.3
    desk.settle()
    for modality, volume in {"t1c": add_image("Other T1c"), "t2f": None}.items():
        desk.panel.parameters.__setattr__(modality, volume)
    desk.segment(ONE)
    second = desk.panel.case.segmentation
    assert second.GetName() == "Other T1c ParetoSeg"
    assert desk.rows() == ["1"]
    assert desk.ui.alphaSlider.value == 0.5
    desk.ui.resultSelector.setCurrentNode(first)
    desk.settle()
    assert desk.rows() == ["1", "2", "3"]
    assert desk.ui.alphaSlider.value == pytest.approx(0.3)
    desk.ui.resultSelector.setCurrentNode(second)
    desk.settle()
    assert desk.ui.alphaSlider.value == 0.5


def test_a_result_that_is_removed_takes_everything_along(desk: Desk, dialogs) -> None:
    add_images()
    desk.settle()
    nodes, before = slicer.mrmlScene.GetNumberOfNodes(), layers()
    desk.segment()
    desk.choose(desk.ui.viewSelector, "Heat map")
    dialogs.answer(qt.QMessageBox.Ok)
    desk.ui.removeResultButton.click()
    desk.settle()
    assert desk.panel.case is None
    assert desk.rows() == []
    assert layers() == before
    assert slicer.mrmlScene.GetNumberOfNodes() <= nodes + 1  # a segmentation's shared display


def test_showing_no_result_gives_the_layers_back(desk: Desk) -> None:
    add_images()
    desk.settle()
    before = layers()
    desk.segment()
    desk.choose(desk.ui.viewSelector, "Heat map")
    assert layers() != before
    desk.ui.resultSelector.setCurrentNode(None)
    desk.settle()
    assert layers() == before
    assert desk.rows() == []


def test_a_segmentation_deleted_elsewhere_leaves_no_ghost(desk: Desk) -> None:
    add_images()
    desk.segment()
    record = desk.panel.case.record.node
    slicer.mrmlScene.RemoveNode(desk.panel.case.segmentation)
    desk.settle()
    assert desk.panel.case is None
    assert not slicer.mrmlScene.IsNodePresent(record)


def test_export_writes_beside_what_is_there(desk: Desk, dialogs, tmp_path: Path) -> None:
    add_images()
    desk.segment()
    out = tmp_path / "out"
    out.mkdir()
    for _time in range(2):
        dialogs.answer(str(out))
        desk.ui.exportButton.click()
    assert sorted(p.name for p in out.iterdir()) == ["ParetoSeg-lesions", "ParetoSeg-lesions-2"]
    assert "ParetoSeg-lesions-2" in desk.ui.statusLabel.text


def test_keys_work_only_while_the_panel_is_open(desk: Desk, harness) -> None:
    keys = desk.panel._keys._shortcuts
    assert len(keys) == 2
    assert all(key.enabled for key in keys)
    desk.widget.exit()
    assert not any(key.enabled for key in keys)
    desk.widget.enter()
    assert all(key.enabled for key in keys)
    add_images()
    desk.segment()
    keys[0].activated.emit()
    keys[0].activated.emit()
    assert desk.panel._results.table.selected.number == 2
    keys[1].activated.emit()
    assert desk.panel._results.table.selected.number == 1


def test_missing_packages_are_explained_before_anything_is_tried(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = PackageState(("torch>=2.8,!=2.9.*", "monai>=1.5"))
    monkeypatch.setattr(setup_section, "package_state", lambda: missing)
    add_images()
    desk.widget.exit()
    desk.widget.enter()
    desk.settle()
    assert desk.ui.installFrame.isVisible()
    assert "PyTorch" in desk.ui.installLabel.text
    assert not desk.ui.segmentButton.enabled
    assert "Install" in desk.ui.segmentButton.toolTip
    monkeypatch.setattr(setup_section, "package_state", lambda: PackageState(()))
    monkeypatch.setattr(setup_section, "install", lambda file: Outcome.COMPLETE)
    desk.ui.installButton.click()
    desk.settle()
    assert "installed" in desk.ui.statusLabel.text
    assert not desk.ui.installFrame.isVisible()
    assert desk.client.is_shut_down  # the worker must not go on without them


def test_where_nothing_can_be_installed_no_button_pretends(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = PackageState(("torch>=2.8,!=2.9.*",), "Not on this Mac.")
    monkeypatch.setattr(setup_section, "package_state", lambda: blocked)
    desk.widget.enter()
    desk.settle()
    assert desk.ui.installLabel.text == "Not on this Mac."
    assert not desk.ui.installButton.isVisible()


def test_the_card_is_plain_text(desk: Desk) -> None:
    desk.ui.modelCardButton.click()
    assert desk.ui.modelCardText.isVisible()
    assert desk.ui.modelCardText.className() == "QPlainTextEdit"
    assert "<b>bold</b>" in desk.ui.modelCardText.plainText
    desk.ui.modelCardButton.click()
    assert not desk.ui.modelCardText.isVisible()


@pytest.fixture
def old_code() -> Iterator[None]:
    """Put our own modules back: other tests hold classes of theirs."""
    ours = ("ParetoSeg", "ParetoSegPanel", "ParetoSegLib")
    before = {n: m for n, m in sys.modules.items() if n.partition(".")[0] in ours}
    yield
    for name in [n for n in sys.modules if n.partition(".")[0] in ours]:
        del sys.modules[name]
    sys.modules.update(before)


def test_reload_brings_new_code_and_keeps_the_result(old_code: None, desk: Desk) -> None:
    add_images()
    desk.segment()
    old = sys.modules["ParetoSegPanel.panel"]
    name = desk.panel.case.name
    desk.widget.onReload()
    desk.widget = slicer.modules.ParetoSegWidget
    desk.settle()
    assert sys.modules["ParetoSegPanel.panel"] is not old
    assert desk.client.is_shut_down
    assert desk.panel.case.name == name
    assert desk.rows() == ["1", "2", "3"]


def test_what_is_chosen_is_kept_by_the_real_parameter_node(desk: Desk) -> None:
    images = add_images()
    desk.settle()
    desk.choose(desk.ui.viewSelector, "Heat map")
    desk.choose(desk.ui.segmentsSelector, "Parts")
    node = desk.panel.parameters.parameterNode
    assert node.GetClassName() == "vtkMRMLScriptedModuleNode"
    assert node.GetParameter("confidenceView") == "heat"
    assert node.GetParameter("segments") == "parts"
    assert node.GetNodeReference("t1c") is images["t1c"]


def test_forty_lesions_fill_the_table_and_sort(desk: Desk) -> None:
    add_images(native=MANY)
    desk.start()
    desk.client.answer(painted(FORTY, native=MANY))
    desk.settle()
    assert len(desk.rows()) == 40
    desk.ui.lesionTable.horizontalHeader().sectionClicked.emit(1)
    volumes = [lesion.volume_cc for lesion in desk.panel._results.table.shown]
    assert volumes == sorted(volumes, reverse=True)


def test_results_of_another_session_are_found_in_the_selector(desk: Desk) -> None:
    image = add_images(("t1c",))["t1c"]
    desk.segment()
    other = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "By hand")
    desk.settle()
    assert desk.ui.resultSelector.nodeCount() == 1
    desk.panel.parameters.result = other
    desk.settle()
    assert desk.panel.case is None
    assert "not a result of ParetoSeg" in desk.ui.statusLabel.text
    assert image is not None


def test_a_result_made_by_the_logic_alone_can_be_shown(desk: Desk) -> None:
    case = add_result(add_image("T1c"))
    desk.panel.parameters.result = case.segmentation
    desk.settle()
    assert desk.rows() == ["1", "2", "3"]
    assert np.isclose(desk.ui.alphaSlider.value, 0.5)
