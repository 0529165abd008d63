"""``ParetoSegTest``, which runs inside Slicer, runs here too, with a worker and a small model."""

from __future__ import annotations

import sys
from pathlib import Path
from unittest import SkipTest

import numpy as np
import pytest
import qt
import slicer
from ParetoSegPanel import scenario
from ParetoSegPanel.packages import PackageState
from ParetoSegPanel.scenario import run_scenario

from Testing.panel.bright_model import write_bright_model
from Testing.panel.painted_head import head


@pytest.fixture
def slicer_with_panel(scene, harness, monkeypatch: pytest.MonkeyPatch):
    qt.QSettings().setValue("ParetoSeg/Python", sys.executable)
    harness.load_widget()
    monkeypatch.setattr(slicer.util, "selectModule", lambda name: None)
    yield
    harness.drop_widget()
    qt.QSettings().remove("ParetoSeg/Python")


def _load_head() -> None:
    """A head with one bright lesion, large enough to take the small model some seconds."""
    to_ras = np.diag([-1.0, -1.0, 1.0, 1.0])
    array = head([(80, 90, 70)], radius=7, shape=(160, 170, 160))
    volume = slicer.util.addVolumeFromArray(array, ijkToRAS=to_ras, name="Study T1c")
    volume.CreateDefaultDisplayNodes()
    slicer.util.setSliceViewerLayers(background=volume, fit=True)


@pytest.mark.slow
def test_the_scenario_passes(slicer_with_panel, tmp_path: Path) -> None:
    said: list[str] = []
    run_scenario(said.append, write_bright_model(tmp_path / "bright"), _load_head)
    assert said[-1] == "Done"


def test_without_packages_it_is_skipped(scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenario, "package_state", lambda: PackageState(("torch",)))
    with pytest.raises(SkipTest, match="not installed"):
        run_scenario(lambda text: None)


def test_inside_slicer_what_is_missing_is_said_and_nothing_fails(
    scene, harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ParetoSeg import ParetoSegTest

    harness.load_widget()
    monkeypatch.setattr(scenario, "package_state", lambda: PackageState(("torch",)))
    said: list[str] = []
    test = ParetoSegTest()
    monkeypatch.setattr(test, "delayDisplay", said.append)
    test.runTest()
    harness.drop_widget()
    assert said == ["Skipped: PyTorch or another package that ParetoSeg needs is not installed."]


def test_without_a_model_it_is_skipped(scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenario, "package_state", lambda: PackageState(()))
    monkeypatch.setattr(scenario, "shipped_models", list)
    with pytest.raises(SkipTest, match="No model"):
        run_scenario(lambda text: None)
