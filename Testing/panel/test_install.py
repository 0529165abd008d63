from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest
import slicer
from ParetoSegPanel import install as installing
from ParetoSegPanel.install import InstallError, Outcome, held_versions, install
from ParetoSegPanel.packages import RUNTIME, PackageState

TORCH_LINE = "torch>=2.8,!=2.9.*"
MONAI_LINE = "monai>=1.5"


class Computer:
    """What is missing, and what was done about it."""

    def __init__(self, *missing: str, blocked: str = "") -> None:
        self.missing = list(missing)
        self.blocked = blocked
        self.done: list[object] = []

    def state(self, file: str) -> PackageState:
        return PackageState(tuple(self.missing), self.blocked)

    def pip(self, arguments: list[str]) -> None:
        self.done.append(("pip", list(arguments)))
        self.missing = [line for line in self.missing if line not in arguments]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the user was asked; the user agrees unless ``asked.answer`` says otherwise."""
    texts: list[str] = []
    monkeypatch.setattr(
        slicer.util, "confirmOkCancelDisplay", lambda text, **_: texts.append(text) or True
    )
    return texts


@pytest.fixture
def plain_pip(monkeypatch: pytest.MonkeyPatch):
    """A Slicer without an installer of its own, as 5.10."""

    def prepare(computer: Computer) -> None:
        monkeypatch.setattr(installing, "_slicer_packaging", lambda: None)
        monkeypatch.setattr(slicer.util, "pip_install", computer.pip, raising=False)

    return prepare


def _torch_extension(monkeypatch: pytest.MonkeyPatch, computer: Computer, gives: object) -> None:
    class PyTorchUtilsLogic:
        def installTorch(self, askConfirmation=False, torchVersionRequirement=None):
            computer.done.append(("torch", askConfirmation, torchVersionRequirement))
            if gives is not None:
                computer.missing.remove(TORCH_LINE)
            return gives

    module = types.ModuleType("PyTorchUtils")
    module.PyTorchUtilsLogic = PyTorchUtilsLogic
    monkeypatch.setitem(sys.modules, "PyTorchUtils", module)


def test_nothing_missing_asks_nothing(asked: list[str]) -> None:
    assert install(RUNTIME, Computer().state) is Outcome.COMPLETE
    assert asked == []


def test_torch_comes_first_and_through_its_extension(monkeypatch, asked, plain_pip) -> None:
    computer = Computer(TORCH_LINE, MONAI_LINE)
    plain_pip(computer)
    _torch_extension(monkeypatch, computer, gives=types.ModuleType("torch"))
    assert install(RUNTIME, computer.state) is Outcome.COMPLETE
    first, second = computer.done
    assert first == ("torch", True, ">=2.8,!=2.9.*")
    assert second[0] == "pip"
    assert second[1][0] == "--constraint"
    assert second[1][2:] == [MONAI_LINE]
    assert len(asked) == 1
    assert MONAI_LINE in asked[0]


def test_pip_never_gets_torch(monkeypatch, asked, plain_pip) -> None:
    computer = Computer(TORCH_LINE, MONAI_LINE)
    plain_pip(computer)
    _torch_extension(monkeypatch, computer, gives=None)
    assert install(RUNTIME, computer.state) is Outcome.DECLINED
    assert [entry[0] for entry in computer.done] == ["torch"]


def test_a_user_who_declines_is_left_alone(monkeypatch) -> None:
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda text, **_: False)
    computer = Computer(TORCH_LINE)
    _torch_extension(monkeypatch, computer, gives=types.ModuleType("torch"))
    assert install(RUNTIME, computer.state) is Outcome.DECLINED
    assert computer.done == []


def test_a_missing_extension_is_offered(monkeypatch, asked, app) -> None:
    monkeypatch.setitem(sys.modules, "PyTorchUtils", None)
    manager = app.extensionsManagerModel()
    monkeypatch.setattr(type(manager), "installExtensionFromServer", lambda *_: True)
    assert install(RUNTIME, Computer(TORCH_LINE).state) is Outcome.RESTART
    assert "restarts" in asked[-1]


def test_a_user_may_decline_the_extension_after_the_list(monkeypatch, app) -> None:
    monkeypatch.setitem(sys.modules, "PyTorchUtils", None)
    answers = [True, False]
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda text, **_: answers.pop(0))
    assert install(RUNTIME, Computer(TORCH_LINE).state) is Outcome.DECLINED
    assert answers == []


def test_an_extension_that_cannot_be_had_is_an_error(monkeypatch, asked, app) -> None:
    monkeypatch.setitem(sys.modules, "PyTorchUtils", None)
    with pytest.raises(InstallError, match="Extensions Manager"):
        install(RUNTIME, Computer(TORCH_LINE).state)


def test_blocked_is_said_and_nothing_is_tried(asked) -> None:
    computer = Computer(TORCH_LINE, blocked="Not on this Mac.")
    with pytest.raises(InstallError, match=r"Not on this Mac\."):
        install(RUNTIME, computer.state)
    assert asked == []


def test_a_failing_pip_is_one_sentence(monkeypatch, asked, plain_pip) -> None:
    computer = Computer(MONAI_LINE)
    plain_pip(computer)

    def fail(arguments: list[str]) -> None:
        raise RuntimeError("network")

    monkeypatch.setattr(slicer.util, "pip_install", fail)
    with pytest.raises(InstallError, match="console says why"):
        install(RUNTIME, computer.state)


def test_what_stays_missing_is_said(monkeypatch, asked, plain_pip) -> None:
    computer = Computer(MONAI_LINE)
    plain_pip(computer)
    monkeypatch.setattr(slicer.util, "pip_install", lambda arguments: None)
    with pytest.raises(InstallError, match="Still missing"):
        install(RUNTIME, computer.state)


def test_slicers_own_installer_is_used_where_there_is_one(monkeypatch, asked) -> None:
    computer = Computer(MONAI_LINE)
    packaging = types.SimpleNamespace()

    def load_requirements(path: Path) -> list[str]:
        return path.read_text(encoding="utf-8").split()

    def pip_ensure(requirements, constraints=None, prompt_install=True, requester=None) -> None:
        computer.done.append((requirements, prompt_install, requester, constraints.read_text()))
        computer.missing = []

    packaging.load_requirements, packaging.pip_ensure = load_requirements, pip_ensure
    monkeypatch.setattr(installing, "_slicer_packaging", lambda: packaging)
    assert install(RUNTIME, computer.state) is Outcome.COMPLETE
    lines, prompts, requester, held = computer.done[0]
    assert lines == [MONAI_LINE]
    assert not prompts
    assert requester == "ParetoSeg"
    assert "numpy==" in held


def test_what_slicer_brought_is_held() -> None:
    from importlib.metadata import PackageNotFoundError

    versions = {"torch": "2.8.0+cu128", "numpy": "2.0.2"}

    def version(name: str) -> str:
        if name not in versions:
            raise PackageNotFoundError(name)
        return versions[name]

    assert held_versions(version) == "torch==2.8.0+cu128\nnumpy==2.0.2\n"
