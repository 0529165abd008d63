"""Steps of a user before the panel, and what must follow from each.

``scenario.py`` takes them inside Slicer; the tests outside Slicer take the very same, with a mouse.
Each raises ``AssertionError`` with what is wrong.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import numpy as np
import slicer
from slicer.i18n import tr as _

from ParetoSegLib.core.geometry import Grid
from ParetoSegLib.core.labels import REGIONS
from ParetoSegLib.data.case import Case, Image
from ParetoSegLib.measure.lesions import find_lesions
from ParetoSegLib.review.result import Result
from ParetoSegPanel.lesion_table import NUMBER, ORDERS, LesionTable
from ParetoSegPanel.result_nodes import CaseNodes, load_result
from ParetoSegPanel.run_control import stage_name
from ParetoSegPanel.volumes import RAS_FROM_LPS, add_volume, ras_of
from ParetoSegPanel.worker_sentences import ended

LONGEST_SECONDS = 600.0
SETTLE_SECONDS = 0.5
"""The panel's own timers are quicker."""

FAR_MM = 500.0

MANY = 40
"""Lesions that a patient may have."""


class Hand(Protocol):
    """Who touches the table of lesions."""

    def press_heading(self, column: int) -> None:
        """Click a heading."""

    def press_row(self, row: int) -> None:
        """Click a row."""

    def press_tick(self, row: int) -> None:
        """Click the box in a row."""


class PlainHand:
    """Does what clicks do, where there is no mouse to be had.

    Args:
        table: that is touched.
    """

    def __init__(self, table: LesionTable) -> None:
        self.press_heading = table.press_heading
        self.press_row = table.press_row
        self.press_tick = table.press_tick


def until(done: Callable[[], bool], what: str, seconds: float = LONGEST_SECONDS) -> None:
    """Wait, with Slicer alive, until something holds."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, f"waited too long until {what}"
        slicer.app.processEvents()
        time.sleep(0.01)


def settle(seconds: float = SETTLE_SECONDS) -> None:
    """Let the panel follow."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        slicer.app.processEvents()
        time.sleep(0.01)


def nothing_starts_without_images(widget: Any) -> None:
    """In an empty scene the button is off, the panel says what it needs, and nothing runs."""
    panel, ui = widget.panel, widget.ui
    assert panel.state is not None
    assert not panel.state.volumes, "this step begins in an empty scene"
    assert not ui.segmentButton.enabled, "the button is on without an image"
    assert ui.expectationLabel.text, "nothing says that an image is needed"
    panel.start()
    assert not panel.running, "a run began without an image"


def images_apart_are_refused(widget: Any) -> None:
    """A FLAIR half a metre from T1c turns the button off, with a reason; without it all is well."""
    panel, ui = widget.panel, widget.ui
    t1c, before = ui.t1cSelector.currentNode(), ui.t2fSelector.currentNode()
    assert t1c is not None, "this step begins with T1c chosen"
    to_ras = np.diag([*np.diag(RAS_FROM_LPS), 1.0])
    to_ras[:3, 3] = FAR_MM
    far = slicer.util.addVolumeFromArray(
        slicer.util.arrayFromVolume(t1c).copy(), ijkToRAS=to_ras, name="Far away"
    )
    try:
        ui.t2fSelector.setCurrentNode(far)
        settle(0.1)
        assert panel.parameters.t2f is far
        assert not ui.segmentButton.enabled, "images that lie apart were accepted"
        assert ui.geometryLabel.text, "nothing says why the images were refused"
    finally:
        ui.t2fSelector.setCurrentNode(before)
        slicer.mrmlScene.RemoveNode(far)
        settle(0.1)
    assert ui.segmentButton.enabled, ui.segmentButton.toolTip


def cancelling_changes_nothing(widget: Any, stage: str | None = None) -> None:
    """A run that is cancelled leaves the scene as it was.

    Args:
        widget: with images chosen.
        stage: the run is cancelled as soon as it is there; at once if ``None``.
    """
    panel, ui = widget.panel, widget.ui
    settle()
    before, result = scene_content(), panel.case
    assert ui.segmentButton.enabled, ui.segmentButton.toolTip
    _start(widget, stage)
    assert ui.segmentButton.text == _("Cancel")
    ui.segmentButton.click()
    until(lambda: not panel.running, "the run is cancelled", 10.0)
    assert ui.segmentButton.text == _("Segment")
    settle()
    assert scene_content() == before, "a cancelled run changed the scene"
    assert panel.case is result


def a_crash_costs_one_sentence(widget: Any, stage: str = "segmenting") -> None:
    """A worker that dies during a run ends the run with a sentence; the scene stays as it was.

    Args:
        widget: with images chosen.
        stage: the worker dies as soon as it is there.
    """
    panel, ui = widget.panel, widget.ui
    settle()
    before, result = scene_content(), panel.case
    pid = _start(widget, stage)
    assert pid is not None
    os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))  # SIGTERM ends it at once on Windows
    until(lambda: not panel.running, "the panel notices that the worker is gone", 30.0)
    assert ended()[1] in ui.statusLabel.text, ui.statusLabel.text
    assert ui.segmentButton.text == _("Segment")
    settle()
    assert scene_content() == before, "a crashed run changed the scene"
    assert panel.case is result
    until(lambda: ui.segmentButton.enabled, "another run can be started")


def closing_the_scene_ends_the_run(widget: Any, stage: str = "segmenting") -> None:
    """A scene that is closed during a run takes the run along, and leaves the worker warm.

    Args:
        widget: with images chosen.
        stage: the scene is closed as soon as it is there.
    """
    panel = widget.panel
    pid = _start(widget, stage)
    assert pid is not None
    slicer.mrmlScene.Clear()
    settle()
    assert not panel.running, "the run went on without its scene"
    assert panel.case is None
    assert not slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    assert widget.logic.client.pid == pid, "the worker was lost with the scene"


def _start(widget: Any, stage: str | None) -> int | None:
    """Press Segment and wait for a stage; the process id of the worker, if it has said it."""
    panel, ui = widget.panel, widget.ui
    ui.segmentButton.click()
    assert panel.running, ui.statusLabel.text
    if stage is not None:
        words = stage_name(stage)
        until(lambda: words in ui.progressBar.text or not panel.running, f"it is {stage}")
        assert panel.running, f"the run ended before it was {stage}: {ui.statusLabel.text}"
    pid: int | None = widget.logic.client.pid
    return pid


def many_lesions_are_reached_one_by_one(widget: Any, count: int = MANY) -> None:
    """The table has a row for each lesion, and "next" comes to every one of them.

    Args:
        widget: with a result of that many lesions.
        count: of lesions.
    """
    panel, ui = widget.panel, widget.ui
    assert len(panel.case.found) == count
    rows = ui.lesionTable.model().rowCount()
    assert rows == count, f"{count} lesions are {rows} rows"
    seen = set()
    for _press in range(count):
        ui.nextButton.click()
        assert panel.table.selected is not None
        seen.add(panel.table.selected.number)
    assert len(seen) == count, f"next comes to {len(seen)} of {count} lesions"


def add_many_lesions(widget: Any, count: int = MANY) -> CaseNodes:
    """Put a made-up result of that many lesions into the scene, and let the panel show it."""
    side = int(np.ceil(count ** (1 / 3)))
    shape = (side * 12 + 8,) * 3
    grid = Grid(shape, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    axes = np.ogrid[tuple(slice(0, n) for n in shape)]
    nearest = np.full(shape, np.inf)
    for place in list(np.ndindex(side, side, side))[:count]:
        away = sum((axis - (10 + 12 * at)) ** 2 for axis, at in zip(axes, place, strict=True))
        np.minimum(nearest, np.sqrt(away), out=nearest)
    membership = {
        region: (1 / (1 + np.exp((nearest - radius) / 0.4))).astype(np.float32)
        for region, radius in zip(REGIONS, (2.5, 3.0, 4.0), strict=True)
    }
    image = Image((100 + 200 * membership["tc"]).astype(np.float32), grid)
    case = Case("Many", "Many", {"t1c": image}, "t1c", grid, None, {"t1c": "0" * 64})
    found = find_lesions(membership, grid, REGIONS)
    levels = dict.fromkeys(REGIONS, (0.9, 0.1))
    result = Result(case, membership, REGIONS, found, levels, "made up", {})
    volume = add_volume(image.array, grid, "Many T1c")
    nodes = load_result(result, volume, "Many lesions")
    widget.panel.parameters.result = nodes.segmentation
    settle()
    return nodes


def rows_mean_what_they_say(
    widget: Any, hand: Hand | None = None, columns: Iterable[int] = range(len(ORDERS))
) -> None:
    """However the table is sorted, a click on a row means the lesion that is read there.

    Args:
        widget: with a result shown.
        hand: touches the table.
        columns: by which to sort.
    """
    table, view = widget.panel.table, widget.ui.lesionTable
    hand = hand or PlainHand(table)
    case = widget.panel.case
    for column in columns:
        for _press in range(2):
            hand.press_heading(column)
            settle(0.05)
            wanted = [table.cells_of(lesion) for lesion in table.shown]
            assert read_table(view) == wanted, f"sorted by {ORDERS[column]}, rows are mixed up"
        last = len(table.shown) - 1
        for row in sorted({0, last // 2, last}):
            number = int(read_table(view)[row][NUMBER].split()[0])
            hand.press_row(row)
            settle(0.05)
            assert table.selected is not None
            assert table.selected.number == number, f"row {row} selects another than {number}"
            _is_centred(case.lesion(number).centroid_lps, number)
            before, shown = case.hidden, case.is_shown(number)
            hand.press_tick(row)
            settle(0.05)
            assert case.is_shown(number) != shown, f"the tick of lesion {number} does nothing"
            assert case.hidden ^ before == {number}, f"the tick of lesion {number} is another's"
            hand.press_tick(row)
            settle(0.05)
            assert case.hidden == before


def read_table(view: Any) -> list[list[str]]:
    """What stands in the cells, row by row."""
    model = view.model()
    wide = range(model.columnCount())
    return [
        [str(model.data(model.index(row, column))) for column in wide]
        for row in range(model.rowCount())
    ]


def scene_content() -> dict[str, tuple[str, int]]:
    """Names and modification times of what a user would call the scene."""
    kinds = ("vtkMRMLDisplayableNode", "vtkMRMLDisplayNode", "vtkMRMLSliceCompositeNode")
    nodes = [node for kind in kinds for node in slicer.util.getNodesByClass(kind)]
    return {node.GetID(): (node.GetName() or "", node.GetMTime()) for node in nodes}


def _is_centred(position_lps: tuple[float, float, float], number: int) -> None:
    for node in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
        matrix = node.GetSliceToRAS()
        centre = [matrix.GetElement(axis, 3) for axis in range(3)]
        near = np.allclose(centre, ras_of(position_lps), atol=1e-3)
        assert near, f"{node.GetName()} is not centred on lesion {number}"
