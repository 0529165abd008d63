from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import qt
from ParetoSegPanel.device_choice import DeviceChoice
from ParetoSegPanel.model_choice import SHIPPED, ModelChoice, model_folder

from ParetoSegLib.core.errors import ModelFolderError
from ParetoSegLib.service.protocol import DeviceInfo
from Testing.panel.models import write_model


class Shelf:
    """A model selector, and the resources that it finds."""

    def __init__(self, resources: Path, *shipped: str) -> None:
        self.resources = resources
        for name in shipped:
            write_model(resources / "Models" / name, name.upper(), card=f"card of {name}")
        self.ui = SimpleNamespace(
            modelSelector=qt.QComboBox(),
            modelFolderButton=qt.QPushButton(),
            modelCardButton=qt.QPushButton(),
            modelCardText=qt.QPlainTextEdit(),
        )
        self.ui.modelCardButton.checkable = True
        self.chosen: list[str] = []
        self.choice = ModelChoice(self.ui, self.chosen.append, resources)

    def words(self) -> list[str]:
        return [self.ui.modelSelector.itemText(i) for i in range(self.ui.modelSelector.count)]


def test_the_shipped_model_is_there_from_the_start(app, tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, "brain")
    shelf.choice.show(SHIPPED)
    assert shelf.words() == ["brain (comes with ParetoSeg)"]
    assert shelf.choice.summary.name == "BRAIN"
    assert shelf.choice.problem == ""
    assert model_folder(SHIPPED, tmp_path) == tmp_path / "Models" / "brain"


def test_without_a_model_it_says_what_to_do(app, tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.choice.show(SHIPPED)
    assert shelf.choice.summary is None
    assert "choose a model folder" in shelf.choice.problem
    assert not shelf.ui.modelCardButton.enabled
    with pytest.raises(ModelFolderError):
        model_folder(SHIPPED, tmp_path)


def test_a_folder_of_ones_own_is_chosen_and_listed(app, dialogs, tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "resources", "brain")
    own = write_model(tmp_path / "patient Geheim" / "model", "Mine")
    dialogs.answer(str(own))
    shelf.ui.modelFolderButton.click()
    assert shelf.chosen == [str(own)]
    shelf.choice.show(str(own))
    assert shelf.words() == ["brain (comes with ParetoSeg)", "Mine (folder model)"]
    assert shelf.ui.modelSelector.currentIndex == 1
    shelf.ui.modelSelector.setCurrentIndex(0)
    assert shelf.chosen[-1] == SHIPPED


def test_a_dialog_that_is_closed_changes_nothing(app, dialogs, tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, "brain")
    dialogs.answer("")
    shelf.ui.modelFolderButton.click()
    assert shelf.chosen == []


def test_a_folder_that_is_no_model_is_named_as_such(app, tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, "brain")
    shelf.choice.show(str(tmp_path / "holiday"))
    assert "no model folder" in shelf.choice.problem
    assert shelf.words()[-1] == "unusable folder (folder holiday)"


def test_the_card_follows_the_model(app, tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, "brain", "other")
    shelf.choice.show(SHIPPED)
    shelf.ui.modelCardButton.click()
    assert shelf.ui.modelCardText.plainText == "card of brain"
    shelf.choice.show(str(tmp_path / "Models" / "other"))
    assert shelf.ui.modelCardText.plainText == "card of other"


def test_a_model_is_read_once_until_another_is_chosen(
    app, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ParetoSegPanel import model_choice

    reads: list[Path] = []
    read = model_choice.read_summary
    monkeypatch.setattr(
        model_choice, "read_summary", lambda folder: reads.append(folder) or read(folder)
    )
    shelf = Shelf(tmp_path, "brain")
    for _time in range(3):
        shelf.choice.show(SHIPPED)
    assert len(reads) == 1


def test_devices_are_listed_by_name_and_a_lost_one_is_kept(app) -> None:
    box, chosen = qt.QComboBox(), []
    choice = DeviceChoice(SimpleNamespace(deviceSelector=box), chosen.append)
    choice.show("cuda:1")
    assert [box.itemText(i) for i in range(box.count)] == [
        *("Automatic", "CPU", "cuda:1 (not seen yet)")
    ]
    choice.found([DeviceInfo("cuda:1", "NVIDIA A"), DeviceInfo("cpu", "CPU")])
    assert [box.itemText(i) for i in range(box.count)] == [
        "Automatic (NVIDIA A)",
        "NVIDIA A",
        "CPU",
    ]
    assert box.currentIndex == 1
    assert chosen == []
    box.setCurrentIndex(2)
    assert chosen == ["cpu"]
