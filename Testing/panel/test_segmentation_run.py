from __future__ import annotations

from pathlib import Path

import pytest
import qt
import slicer
from ParetoSegPanel.choices import NESTED, PARTS, RESULT_ATTRIBUTE
from ParetoSegPanel.segmentation_run import RunEvents, SegmentationRun

from ParetoSegLib.core.errors import ParetoSegError, UsageError
from Testing.panel.painted_scene import FakeClient, add_image, add_images
from Testing.review.cases import NATIVE, painted


class Told:
    """Everything that a run said."""

    def __init__(self) -> None:
        self.finished: list[object] = []
        self.failed: list[tuple[str, str]] = []
        self.events = RunEvents(
            finished=self.finished.append,
            failed=lambda code, sentence: self.failed.append((code, sentence)),
        )


@pytest.fixture
def client() -> FakeClient:
    return FakeClient()


def _run(client: FakeClient, volumes, told: Told | None = None, segments: str = NESTED):
    events = told.events if told else RunEvents()
    return SegmentationRun(client, volumes, Path("model"), "auto", segments, events)


def _sent(harness, client: FakeClient) -> None:
    assert harness.process_events(5, until=lambda: bool(client.pendings))


def test_a_result_becomes_nodes(scene, harness, client) -> None:
    told = Told()
    run = _run(client, add_images(), told)
    _sent(harness, client)
    assert not run.is_done
    client.answer()
    assert run.is_done
    assert told.finished == [run.case]
    segmentation = run.case.segmentation
    assert segmentation.GetName() == "Patient T1c ParetoSeg"
    assert segmentation.GetAttribute(RESULT_ATTRIBUTE)
    segments = segmentation.GetSegmentation()
    names = {segments.GetNthSegment(i).GetName() for i in range(segments.GetNumberOfSegments())}
    assert names == {"ET", "TC", "WT"}


def test_the_request_names_nobody(scene, harness, client) -> None:
    _run(client, {"t1c": add_image("Patientin Geheim T1c")})
    _sent(harness, client)
    request = client.last.request
    assert request.name == "case"
    array, grid = request.images["t1c"]
    assert array.shape == grid.shape == NATIVE.shape


def test_each_sequence_is_sent_as_what_it_is(scene, harness, client) -> None:
    volumes = add_images(("t1n", "t1c", "t2w", "t2f"))
    for value, node in enumerate(volumes.values(), start=1):
        array = slicer.util.arrayFromVolume(node)
        array[...] = value
        slicer.util.arrayFromVolumeModified(node)
    _run(client, volumes)
    _sent(harness, client)
    sent = {m: array for m, (array, _grid) in client.last.request.images.items()}
    assert list(sent) == list(volumes)
    for value, array in enumerate(sent.values(), start=1):
        assert (array == value).all()


def test_parts_can_be_wished_for(scene, harness, client) -> None:
    run = _run(client, add_images(), segments=PARTS)
    _sent(harness, client)
    client.answer()
    segments = run.case.segmentation.GetSegmentation()
    names = {segments.GetNthSegment(i).GetName() for i in range(segments.GetNumberOfSegments())}
    assert names == {"ET", "NETC", "SNFH"}


def _nodes() -> list[str]:
    count = slicer.mrmlScene.GetNumberOfNodes()
    return [slicer.mrmlScene.GetNthNode(i).GetID() for i in range(count)]


@pytest.mark.parametrize("sent", [False, True])
def test_cancel_leaves_the_scene_as_it_was(scene, harness, client, sent: bool) -> None:
    volumes, told = add_images(), Told()
    before = _nodes()
    run = _run(client, volumes, told)
    if sent:
        _sent(harness, client)
    run.cancel()
    harness.process_events(0.05)
    if sent:
        assert client.last.cancelled
        client.answer()  # too late
        client.fail("cancelled", "Stopped.")
    else:
        assert client.pendings == []
    assert run.is_done
    assert _nodes() == before
    assert told.finished == told.failed == []


def test_an_image_that_was_removed_meanwhile_is_said(scene, harness, client) -> None:
    volumes, told = add_images(("t1c",)), Told()
    run = _run(client, volumes, told)
    _sent(harness, client)
    slicer.mrmlScene.RemoveNode(volumes["t1c"])
    before = _nodes()
    client.answer()
    assert "removed" in told.failed[0][1]
    assert run.case is None
    assert _nodes() == before


def test_an_image_that_cannot_be_read_is_said(scene, harness, client) -> None:
    told = Told()
    image = add_image("T1c")
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "T")
    image.SetAndObserveTransformNodeID(transform.GetID())
    _run(client, {"t1c": image}, told)
    assert harness.process_events(5, until=lambda: bool(told.failed))
    assert "transform" in told.failed[0][1]


def _once_sent(client: FakeClient, act):
    """Let the worker act as soon as it has got the request, while the test waits."""
    timer = qt.QTimer()

    def look() -> None:
        if client.pendings:
            timer.stop()
            act()

    timer.setInterval(5)
    timer.connect("timeout()", look)
    timer.start()
    return timer


def test_waiting_returns_the_case_or_raises_the_sentence(scene, harness, client) -> None:
    run = _run(client, add_images())
    timer = _once_sent(client, lambda: client.answer())
    assert run.wait().found
    client.pendings.clear()
    run = _run(client, add_images())
    timer = _once_sent(client, lambda: client.fail("memory", "Too little memory."))
    with pytest.raises(ParetoSegError, match=r"Too little memory\."):
        run.wait()
    assert not timer.active


def test_a_result_on_another_grid_is_an_error(scene, harness, client) -> None:
    from dataclasses import replace

    told = Told()
    _run(client, add_images(("t1c",)), told)
    _sent(harness, client)
    client.answer(painted(native=replace(NATIVE, origin=(0.0, 0.0, 0.0))))
    assert "grid" in told.failed[0][1]


@pytest.mark.parametrize("volumes", [{}, {"pd": None}])
def test_nothing_to_segment_is_a_usage_error(scene, client, volumes) -> None:
    with pytest.raises(UsageError, match="t1n, t1c, t2w, t2f"):
        _run(client, volumes)
