from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import ctk
import pytest
import qt
from ParetoSegPanel import setup_section
from ParetoSegPanel.install import InstallError, Outcome
from ParetoSegPanel.other_python import choose_other_python, make_client, other_python
from ParetoSegPanel.packages import RUNTIME, TRAINING, PackageState
from ParetoSegPanel.setup_section import SetupSection
from ParetoSegPanel.training_command import install_command


class Section:
    """The install box and the training section, and what they said."""

    def __init__(self) -> None:
        self.ui = SimpleNamespace(
            installFrame=qt.QFrame(),
            installLabel=qt.QLabel(),
            installButton=qt.QPushButton(),
            installTrainingButton=qt.QPushButton(),
            trainDataPath=ctk.ctkPathLineEdit(),
            trainRunPath=ctk.ctkPathLineEdit(),
            trainCommand=qt.QPlainTextEdit(),
            copyCommandButton=qt.QPushButton(),
            pythonPath=ctk.ctkPathLineEdit(),
        )
        self.said: list[tuple[str, bool]] = []
        self.changes = 0
        self.section = SetupSection(self.ui, self._changed, lambda *words: self.said.append(words))

    def _changed(self) -> None:
        self.changes += 1


@pytest.fixture
def section(app, monkeypatch: pytest.MonkeyPatch):
    choose_other_python("")
    monkeypatch.setattr(setup_section, "package_state", lambda: PackageState(("monai>=1.5",)))
    yield Section()
    choose_other_python("")


def test_making_the_panel_installs_and_asks_nothing(section: Section, dialogs) -> None:
    section.section.show()
    assert dialogs.shown == []
    assert not section.ui.installFrame.isHidden()


@pytest.mark.parametrize(
    ("button", "file"), [("installButton", RUNTIME), ("installTrainingButton", TRAINING)]
)
def test_each_button_installs_its_own(
    section: Section, monkeypatch: pytest.MonkeyPatch, button: str, file: str
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(
        setup_section, "install", lambda file: asked.append(file) or Outcome.COMPLETE
    )
    getattr(section.ui, button).click()
    assert asked == [file]
    assert section.said[-1][1] is False
    assert section.changes == 1


@pytest.mark.parametrize(
    ("outcome", "words"),
    [(Outcome.DECLINED, "Nothing was installed."), (Outcome.RESTART, "restart Slicer")],
)
def test_a_user_who_declines_reads_what_was_done(
    section: Section, monkeypatch: pytest.MonkeyPatch, outcome: Outcome, words: str
) -> None:
    monkeypatch.setattr(setup_section, "install", lambda file: outcome)
    for button in (section.ui.installButton, section.ui.installTrainingButton):
        button.click()
        said, failed = section.said.pop()
        assert words in said
        assert not failed


def test_nothing_is_installed_into_slicer_for_another_python(
    section: Section, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def never(file: str) -> Outcome:
        raise AssertionError(f"{file} was installed into Slicer's Python")

    monkeypatch.setattr(setup_section, "install", never)
    python = tmp_path / "other python"
    python.write_text("", encoding="utf-8")
    section.ui.pythonPath.currentPath = str(python)
    training = section.ui.trainCommand.plainText
    assert "pip install" not in training
    section.ui.installTrainingButton.click()
    assert section.ui.trainCommand.plainText == f"{install_command(str(python))}\n{training}"
    assert section.said[-1][0].startswith("Nothing was installed")
    section.ui.copyCommandButton.click()
    assert "pip install" in qt.QApplication.clipboard().text()
    # With Slicer's own Python again there is nothing to type.
    section.ui.pythonPath.currentPath = ""
    assert "pip install" not in section.ui.trainCommand.plainText


def test_a_failed_installation_is_one_sentence(
    section: Section, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(file: str) -> bool:
        raise InstallError("No network.")

    monkeypatch.setattr(setup_section, "install", fail)
    section.ui.installButton.click()
    assert section.said == [("No network.", True)]


def test_the_command_follows_the_folders_and_can_be_copied(section: Section) -> None:
    section.ui.trainDataPath.currentPath = "/data/my patients"
    section.ui.trainRunPath.currentPath = "/runs/first"
    text = section.ui.trainCommand.plainText
    assert "my patients" in text
    assert "--output" in text
    section.ui.copyCommandButton.click()
    assert qt.QApplication.clipboard().text() == text


def test_another_python_is_remembered_and_trusted(section: Section, tmp_path: Path) -> None:
    python = tmp_path / "python"
    section.ui.pythonPath.currentPath = str(python)
    assert other_python() == ""  # half typed: there is no such file
    python.write_text("", encoding="utf-8")
    section.ui.pythonPath.currentPath = ""
    section.ui.pythonPath.currentPath = str(python)
    assert other_python() == str(python)
    assert section.section.complete
    assert str(python) in section.ui.trainCommand.plainText


def test_a_chosen_python_that_is_gone_is_said(section: Section, tmp_path: Path) -> None:
    from ParetoSegPanel.worker_process import StartError

    choose_other_python(str(tmp_path / "gone"))
    with pytest.raises(StartError, match="gone is not there"):
        make_client()
