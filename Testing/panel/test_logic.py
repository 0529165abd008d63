"""The logic from the Python console: a real worker, a small model, and the result in the scene."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import qt
import slicer

from ParetoSegLib.core.errors import ParetoSegError
from Testing.panel.bright_model import write_bright_model
from Testing.panel.painted_head import LESION, head


@pytest.fixture
def logic(scene) -> Iterator:
    from ParetoSeg import ParetoSegLogic

    qt.QSettings().setValue("ParetoSeg/Python", sys.executable)
    logic = ParetoSegLogic()
    yield logic
    logic.shutdown()
    qt.QSettings().remove("ParetoSeg/Python")


@pytest.mark.slow
def test_segment_returns_when_the_result_is_in_the_scene(logic, tmp_path: Path) -> None:
    model = write_bright_model(tmp_path / "bright")
    to_ras = np.diag([-1.0, -1.0, 1.0, 1.0])
    t1c = slicer.util.addVolumeFromArray(head(), ijkToRAS=to_ras, name="Study T1c")
    alive: list[float] = []
    timer = qt.QTimer()
    timer.setInterval(20)
    timer.connect("timeout()", lambda: alive.append(1.0))
    timer.start()

    case = logic.segment({"t1c": t1c}, model=model, device="cpu", waitForFinished=True)

    timer.stop()
    assert len(alive) > 5  # Slicer was not held up
    assert slicer.mrmlScene.IsNodePresent(case.segmentation)
    (lesion,) = case.found
    assert lesion.volume_cc > 0
    mask = slicer.util.arrayFromSegmentBinaryLabelmap(case.segmentation, "TC", t1c)
    assert mask[LESION] == 1
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(t1c), head())

    # The worker is its own, stays for the next case, and goes when it is told to.
    pid = logic.client.pid
    assert logic.client.is_running
    again = logic.segment({"t1c": t1c}, model=model, device="cpu")
    assert again.lesions == case.lesions
    assert logic.client.pid == pid
    client = logic.client
    logic.shutdown()
    assert not client.is_running


@pytest.mark.slow
def test_an_error_of_the_worker_is_raised_as_one_sentence(logic, tmp_path: Path) -> None:
    t1c = slicer.util.addVolumeFromArray(head(), name="Study T1c")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ParetoSegError, match="empty"):
        logic.segment({"t1c": t1c}, model=tmp_path / "empty", device="cpu")
    assert not slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
