"""The panel's scenario inside Slicer: what a user does with the sample patient, step by step.

Run by ``ParetoSegTest``. It starts the real worker and needs its packages and a model; where one is
missing it says so and is skipped.
"""

from __future__ import annotations

import tempfile
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
from ParetoSegPanel.scenario_pixels import (
    contours_run_on_their_surfaces,
    has_views,
    heat_map_has_the_colours_of_the_scale,
    look_closely,
    switching_off_gives_the_picture_back,
)
from ParetoSegPanel.scenario_steps import (
    a_crash_costs_one_sentence,
    add_many_lesions,
    cancelling_changes_nothing,
    closing_the_scene_ends_the_run,
    images_apart_are_refused,
    many_lesions_are_reached_one_by_one,
    nothing_starts_without_images,
    rows_mean_what_they_say,
    settle,
    until,
)


def run_or_skip(say: Callable[[str], object]) -> None:
    """Run the scenario on the sample patient, or say why that cannot be done here.

    A ``SkipTest`` that leaves a test of Slicer looks like a failure there.
    """
    try:
        run_scenario(say)
    except SkipTest as reason:
        say(f"Skipped: {reason}")


def run_scenario(
    say: Callable[[str], object],
    model: Path | None = None,
    load: Callable[[], object] = load_sample,
) -> None:
    """Do all that a user does, and much that goes wrong, and look at every pixel that matters.

    No images, images that do not fit, cancelling, a worker that dies, a scene that is closed; then
    segmenting, the views of confidence, the table, α, saving, closing and loading; forty lesions.

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

    widget = slicer.modules.paretoseg.widgetRepresentation().self()
    if slicer.util.mainWindow() is not None:
        slicer.util.selectModule("ParetoSeg")
    else:
        widget.enter()
    panel, ui = widget.panel, widget.ui
    if model is not None:
        panel.parameters.modelFolder = str(model)
    settle()

    say("Trying what cannot work")
    nothing_starts_without_images(widget)
    _load(panel, load)
    assert ui.t1cSelector.currentNode() is not None, "T1c was not filled in by its name"
    images_apart_are_refused(widget)
    say("Cancelling")
    cancelling_changes_nothing(widget)
    say("Losing the worker")
    a_crash_costs_one_sentence(widget)
    say("Closing the scene during a run")
    closing_the_scene_ends_the_run(widget)
    _load(panel, load)
    before = _layers()

    say("Segmenting")
    ui.segmentButton.click()
    assert panel.running, ui.statusLabel.text
    until(lambda: not panel.running, "the run has ended")
    assert panel.case is not None, ui.statusLabel.text
    assert panel.case.found, "no lesion was found"
    segmentation = panel.case.segmentation
    count = len(panel.case.found)

    say("Looking")
    for view in (HEAT, SURFACE, CONTOURS, OFF):
        panel.parameters.confidenceView = view
        settle()
    assert _layers() == before, "the user's layers did not come back"
    largest = max(panel.case.found, key=lambda lesion: lesion.volumes_cc[panel.case.region])
    look_closely(largest.centroid_lps)
    if has_views():
        contours_run_on_their_surfaces(widget)
        heat_map_has_the_colours_of_the_scale(widget)
        switching_off_gives_the_picture_back(widget)
    else:
        say("There are no views, so no pixels were looked at")
    panel.parameters.confidenceView = CONTOURS
    settle()
    rows_mean_what_they_say(widget)
    ui.nextButton.click()

    say("Moving the boundary")
    sizes = []
    for alpha in (0.9, 0.5, 0.1):
        panel.parameters.alpha = alpha
        settle()
        sizes.append(_voxels(panel.case))
    assert sizes == sorted(sizes), f"a lower cut did not grow the segmentation: {sizes}"
    assert sizes[0] < sizes[-1], f"the cut does not move the segmentation: {sizes}"

    say("Saving, closing and loading")
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "study.mrb")
        name = segmentation.GetName()
        assert slicer.util.saveScene(file)
        slicer.mrmlScene.Clear()
        settle()
        assert panel.case is None, "a closed scene left a result behind"
        slicer.util.loadScene(file)
        settle()
    assert panel.case is not None, "the result was not found again"
    assert panel.case.name == name
    assert len(panel.case.found) == count
    assert _voxels(panel.case) == sizes[-1]

    say("Reviewing forty lesions")
    slicer.mrmlScene.Clear()
    settle()
    add_many_lesions(widget)
    many_lesions_are_reached_one_by_one(widget)
    rows_mean_what_they_say(widget)
    say("Done")


def _load(panel: Any, load: Callable[[], object]) -> None:
    load()
    until(lambda: panel.state is not None and panel.state.ready, "the inputs are ready")


def _voxels(case: CaseNodes) -> int:
    kind = case.kinds[-1]
    mask = slicer.util.arrayFromSegmentBinaryLabelmap(case.segmentation, kind.name, case.reference)
    return int(mask.sum())


def _layers() -> list[tuple[Any, ...]]:
    return [
        (view.GetBackgroundVolumeID(), view.GetForegroundVolumeID(), view.GetForegroundOpacity())
        for view in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    ]
