from __future__ import annotations

import importlib.machinery
import sys
import types

import pytest
import qt
import slicer
from ParetoSegPanel.watch_box import WatchBox

from Testing.panel.painted_scene import add_image


@pytest.fixture
def place(app):
    place = qt.QWidget()
    qt.QVBoxLayout(place)
    return place


@pytest.fixture
def toolbox(monkeypatch: pytest.MonkeyPatch):
    """SlicerDevelopmentToolbox as far as it is used, with a box that remembers its file."""

    class Box(qt.QGroupBox):
        broken = False

        def __init__(self, attributes, title="", parent=None):
            super().__init__(title)
            self.tags = [a.tags for a in attributes]
            self.files: list[object] = []

        @property
        def sourceFile(self):
            return self.files[-1]

        @sourceFile.setter
        def sourceFile(self, file):
            if Box.broken:
                raise TypeError("an old toolbox on a new Python")
            self.files.append(file)

    package = types.ModuleType("SlicerDevelopmentToolboxUtils")
    package.__spec__ = importlib.machinery.ModuleSpec(package.__name__, None, is_package=True)
    package.__path__ = []
    names = types.ModuleType(f"{package.__name__}.helpers")
    names.WatchBoxAttribute = lambda name, title, tags: types.SimpleNamespace(tags=tags)
    widgets = types.ModuleType(f"{package.__name__}.widgets")
    widgets.DICOMBasedInformationWatchBox = Box
    for module in (package, names, widgets):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    database = types.SimpleNamespace(fileForInstance=lambda uid: f"/dicom/{uid}")
    monkeypatch.setattr(slicer, "dicomDatabase", database, raising=False)
    return Box


def test_without_the_toolbox_there_is_no_box_and_no_gap(place) -> None:
    box = WatchBox(place)
    assert not box.is_there
    assert place.isHidden()
    box.show(None)


def test_the_box_follows_the_images(scene, place, toolbox) -> None:
    box = WatchBox(place)
    assert box.is_there
    assert not place.isHidden()
    volume = add_image("T1c")
    volume.SetAttribute("DICOM.instanceUIDs", "1.2 1.3")
    widget = place.layout().itemAt(0).widget()
    box.show(volume)
    box.show(volume)
    assert widget.files == ["/dicom/1.2"]
    box.show(add_image("from a file"))
    assert widget.files[-1] is None
    assert "0010,0010" in widget.tags


def test_a_box_that_breaks_is_left_out(scene, place, toolbox) -> None:
    box = WatchBox(place)
    toolbox.broken = True
    volume = add_image("T1c")
    volume.SetAttribute("DICOM.instanceUIDs", "1.2")
    box.show(volume)
    assert not box.is_there
    assert place.isHidden()


def test_a_toolbox_that_does_not_import_is_left_out(place, toolbox, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "SlicerDevelopmentToolboxUtils.widgets", None)
    assert not WatchBox(place).is_there
