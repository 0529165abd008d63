from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from ParetoSegPanel.packages import (
    RUNTIME,
    TORCH_VERSIONS,
    TRAINING,
    explanation,
    package_state,
    requirements,
)

ROOT = Path(__file__).resolve().parents[2]
BROUGHT_BY_SLICER = {"numpy>=1.26", "SimpleITK>=2.4"}
FRESH = {
    "monai": "1.5.1",
    "safetensors": "0.6.2",
    "PyYAML": "6.0.2",
    "rich": "14.0",
    "scipy": "1.15",
}


def _installed(versions: dict[str, str]):
    def version(name: str) -> str:
        if name not in versions:
            raise PackageNotFoundError(name)
        return versions[name]

    return version


def test_the_lists_are_those_of_the_project() -> None:
    tomllib = pytest.importorskip("tomllib")  # Python 3.11
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    runtime = {*requirements(RUNTIME), f"torch{TORCH_VERSIONS}", *BROUGHT_BY_SLICER}
    assert runtime == set(project["dependencies"])
    assert set(requirements(TRAINING)) == set(project["optional-dependencies"]["train"])


def test_nothing_is_pinned_and_nothing_of_slicers_is_asked_for() -> None:
    for file in (RUNTIME, TRAINING):
        for line in requirements(file):
            assert ">=" in line
            assert "==" not in line
            assert not line.lower().startswith(("numpy", "simpleitk", "torch=", "torch>"))


def test_a_fresh_slicer_lacks_torch_first() -> None:
    state = package_state(installed=_installed({}), system="Linux", machine="x86_64")
    assert not state.complete
    assert state.torch_missing
    assert state.missing[0].startswith("torch>=2.8")
    assert "PyTorch" in explanation(state.missing)
    assert state.blocked == ""


def test_everything_there_is_complete() -> None:
    state = package_state(installed=_installed(FRESH | {"torch": "2.8.0+cu128"}))
    assert state.complete


@pytest.mark.parametrize("torch", ["2.2.2", "2.9.0", "2.9.1+cpu"])
def test_a_torch_of_the_wrong_version_is_missing(torch: str) -> None:
    pytest.importorskip("packaging")
    state = package_state(
        installed=_installed(FRESH | {"torch": torch}), system="Windows", machine="AMD64"
    )
    assert state.missing == (f"torch{TORCH_VERSIONS}",)


def test_the_rest_is_named() -> None:
    versions = {n: v for n, v in FRESH.items() if n != "monai"} | {"torch": "2.8.0"}
    state = package_state(installed=_installed(versions))
    assert not state.torch_missing
    assert explanation(state.missing) == "ParetoSeg needs some more Python packages: monai."


def test_intel_macs_are_told_why_not() -> None:
    state = package_state(installed=_installed({}), system="Darwin", machine="x86_64")
    assert "2.2" in state.blocked
    assert "another Python" in state.blocked
    assert not package_state(installed=_installed({}), system="Darwin", machine="arm64").blocked
    ready = package_state(
        installed=_installed(FRESH | {"torch": "2.8.0"}), system="Darwin", machine="x86_64"
    )
    assert not ready.blocked
