"""The panel's scenario inside Slicer: what a user does with the sample patient, step by step.

Run by ``ParetoSegTest``. It starts the real worker and needs its packages and a model; where one is
missing it says so and is skipped.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import SkipTest

import slicer

from ParetoSegLib.core.resources import shipped_models
from ParetoSegPanel.choices import CONTOURS, HEAT, OFF, SURFACE
from ParetoSegPanel.packages import package_state
from ParetoSegPanel.result_nodes import CaseNodes
from ParetoSegPanel.sample_data import load_sample

LONGEST_SECONDS = 600.0


def run_scenario(
    say: Callable[[str], object],
    model: Path | None = None,
    load: Callable[[], object] = load_sample,
) -> None:
    """Segment a patient, look at the result, move α, save, close and load again.

    Args:
        say: shows what is being done.
        model: a model folder; the shipped model if none is named.
        load: puts the patient into the scene, T1c and perhaps others, named as such.

    Raises:
        SkipTest: the packages or a model are missing.
        AssertionError: something is not as it should be.
    """
    if not package_state().complete:
        raise SkipTest("PyTorch or another package that ParetoSeg needs is not installed.")
    if model is None and not shipped_models():
        raise SkipTest("No model ships with this version.")

    say("Loading a patient")
    load()
    widget = slicer.modules.paretoseg.widgetRepresentation().self()
    if slicer.util.mainWindow() is not None:
        slicer.util.selectModule("ParetoSeg")
    else:
        widget.enter()
    panel, ui = widget.panel, widget.ui
    if model is not None:
        panel.parameters.modelFolder = str(model)
    _until(lambda: panel.state is not None and panel.state.ready, "the inputs are ready")
    assert ui.t1cSelector.currentNode() is not None, "T1c was not filled in by its name"
    before = _layers()

    say("Segmenting")
    ui.segmentButton.click()
    assert panel.running, ui.statusLabel.text
    _until(lambda: not panel.running, "the run has ended")
    assert panel.case is not None, ui.statusLabel.text
    assert panel.case.found, "no lesion was found"
    segmentation = panel.case.segmentation
    count = len(panel.case.found)

    say("Looking")
    for view in (HEAT, SURFACE, CONTOURS, OFF):
        panel.parameters.confidenceView = view
        _settle()
    assert _layers() == before, "the user's layers did not come back"
    panel.parameters.confidenceView = CONTOURS
    ui.nextButton.click()

    say("Moving the boundary")
    sizes = []
    for alpha in (0.9, 0.5, 0.1):
        panel.parameters.alpha = alpha
        _settle()
        sizes.append(_voxels(panel.case))
    assert sizes == sorted(sizes), f"a lower cut did not grow the segmentation: {sizes}"

    say("Saving, closing and loading")
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "study.mrb")
        name = segmentation.GetName()
        assert slicer.util.saveScene(file)
        slicer.mrmlScene.Clear()
        _settle()
        assert panel.case is None, "a closed scene left a result behind"
        slicer.util.loadScene(file)
        _settle()
    assert panel.case is not None, "the result was not found again"
    assert panel.case.name == name
    assert len(panel.case.found) == count
    assert _voxels(panel.case) == sizes[-1]
    say("Done")


def _until(done: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + LONGEST_SECONDS
    while not done():
        assert time.monotonic() < end, f"waited too long until {what}"
        slicer.app.processEvents()
        time.sleep(0.01)


def _settle() -> None:
    """Let the panel follow; its timers run within half a second."""
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        slicer.app.processEvents()
        time.sleep(0.01)


def _voxels(case: CaseNodes) -> int:
    kind = case.kinds[-1]
    mask = slicer.util.arrayFromSegmentBinaryLabelmap(case.segmentation, kind.name, case.reference)
    return int(mask.sum())


def _layers() -> list[tuple[Any, ...]]:
    return [
        (view.GetBackgroundVolumeID(), view.GetForegroundVolumeID(), view.GetForegroundOpacity())
        for view in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    ]
