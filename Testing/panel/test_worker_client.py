"""The client with a process that a test plays: every way in which a request may end."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ParetoSegPanel import worker_client as room
from ParetoSegPanel.worker_process import StartError

from ParetoSegLib.service import exchange as exchange_room
from ParetoSegLib.service.answers import content_of
from ParetoSegLib.service.cases import case_of
from ParetoSegLib.service.exchange import finish, read_volume
from ParetoSegLib.service.protocol import (
    NO_REQUEST,
    PROTOCOL,
    Answer,
    Cancel,
    Failure,
    Load,
    Options,
    Progress,
    Refine,
    Shutdown,
)
from Testing.review.cases import NATIVE

from .played_worker import DEVICES, IMAGES, REQUEST, RESULT, Stage


@pytest.fixture
def stage(harness, scene, tmp_path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr(exchange_room.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(room, "OBEY_MS", 200)
    made = Stage(harness)
    yield made
    made.client.shutdown()
    assert list(tmp_path.iterdir()) == []


def test_a_case_goes_out_and_its_result_comes_back(stage: Stage) -> None:
    pending = stage.begin()
    assert stage.client.is_running
    assert stage.client.pid is None
    assert not stage.progress  # nothing is called back before `segment` has returned
    stage.until(lambda: pending.is_with_worker())
    (segment,) = stage.process.heard
    stage.process.hello()
    assert stage.client.pid == 4711
    assert segment.options == Options("cpu")
    assert Path(segment.model).is_absolute()
    sent = stage.process.exchange / segment.folder / "t1c.npy"
    np.testing.assert_array_equal(finish(read_volume(sent, NATIVE.shape)), IMAGES["t1c"][0])
    stage.process.say(Progress(segment.id, "segmenting", 0.5, 7.5))
    stage.process.answer(segment)
    assert not stage.results  # the volumes are read when the window has time
    assert pending.wait(10)
    (result,) = stage.results
    assert result.case.grid.matches(RESULT.case.grid)
    np.testing.assert_array_equal(result.membership["tc"], RESULT.membership["tc"])
    np.testing.assert_array_equal(
        result.case.to_native(result.membership["tc"]),
        RESULT.case.to_native(RESULT.membership["tc"]),
    )
    assert result.lesions.found[0] == RESULT.lesions.found[0]
    assert ("segmenting", 0.5, 7.5) in [(s, round(f, 9), left) for s, f, left in stage.progress]
    fractions = [f for _, f, _ in stage.progress]
    assert fractions == sorted(fractions)
    assert stage.files() == []
    assert stage.errors == []


def test_what_cannot_be_segmented_is_told_soon(stage: Stage) -> None:
    array, grid = IMAGES["t1c"]
    for images, code in (
        ({}, "image"),
        ({"t1c": (array[:3], grid)}, "image"),
        ({"t1c": (array, replace(grid, spacing_mm=(900.0, 1.0, 1.0)))}, "geometry"),
    ):
        pending = stage.begin(replace(REQUEST, images=images))
        assert not pending.is_done
        assert pending.wait(5)
        assert stage.codes[-1] == code
    assert stage.process.heard == []


def test_errors_of_the_worker_are_passed_on(stage: Stage) -> None:
    pending, segment = stage.sent()
    stage.process.say(Failure(segment.id, "device", "The device is not there."))
    assert pending.is_done
    assert stage.errors == [("device", "The device is not there.")]
    assert stage.files() == []


def test_events_of_requests_that_are_over_are_ignored(stage: Stage) -> None:
    pending, segment = stage.sent()
    stage.process.answer(segment)
    stage.process.say(Failure(segment.id, "internal", "late"))  # while the result is being read
    stage.process.say(Progress(segment.id, "measuring", 0.1, None))
    assert pending.wait(5)
    stage.process.say(Failure(segment.id, "internal", "later"))
    stage.process.say(Progress(99, "measuring", 0.1, None))
    for line in (b"garbage", b'{"id": 1, "event": "result"}', b"\xff"):
        stage.process.on_line(line)
    assert len(stage.results) == 1
    assert stage.errors == []


@pytest.mark.parametrize("damage", ["missing", "short", "content"])
def test_a_damaged_result_is_told(stage: Stage, damage: str) -> None:
    pending, segment = stage.sent()
    if damage == "content":
        stage.process.say(Answer(segment.id, {"assessable": ["tc"], "lesions": 3}))
    else:
        stage.process.say(Progress(segment.id, "measuring", 1.0, None))
        folder = stage.process.exchange / segment.folder
        if damage == "short":
            (folder / "membership-et.npy").write_bytes(b"\x93NUMPY")
        stage.process.say(Answer(segment.id, content_of(RESULT)))
    assert pending.wait(5)
    assert stage.codes == ["protocol"]
    assert stage.files() == []


# Cancelling


def test_a_case_can_be_cancelled_before_it_is_sent(stage: Stage) -> None:
    pending = stage.begin()
    pending.cancel()
    pending.cancel()
    assert pending.wait(5)
    stage.harness.process_events(0.3)
    assert stage.codes == ["cancelled"]
    assert stage.process.heard == []
    assert stage.files() == []


def test_a_worker_that_obeys_stays(stage: Stage) -> None:
    pending, segment = stage.sent()
    pending.cancel()
    assert stage.process.heard[-1] == Cancel(segment.id)
    stage.process.say(Progress(segment.id, "segmenting", 0.9, None))
    stage.process.say(Failure(segment.id, "cancelled", "Stopped."))
    assert stage.codes == ["cancelled"]
    assert "segmenting" not in [at[0] for at in stage.progress]  # nothing moves after the click
    stage.harness.process_events(0.4)
    assert not stage.process.killed
    assert len(stage.processes) == 1
    assert stage.files() == []


def test_a_worker_that_does_not_obey_is_killed_and_its_last_words_are_lost(stage: Stage) -> None:
    pending, segment = stage.sent()
    stage.process.hello()
    began = time.monotonic()
    pending.cancel()
    assert pending.wait(5)
    assert time.monotonic() - began < 2
    first = stage.process
    assert first.killed
    assert stage.codes == ["cancelled"]
    assert not stage.client.is_running
    # The next request does not wait for the old process to be gone.
    second, again = stage.sent()
    assert stage.process is not first
    first.say(Progress(segment.id, "segmenting", 0.9, None))
    first.say(Failure(again.id, "internal", "a last word"))
    first.end(well=False)
    assert not second.is_done
    stage.process.answer(again)
    assert second.wait(5)
    assert stage.codes == ["cancelled"]


def test_killing_for_one_request_sends_the_others_again(stage: Stage) -> None:
    first, _ = stage.sent()
    second, segment = stage.sent()
    stage.process.hello()
    first.cancel()
    assert first.wait(5)
    assert len(stage.processes) == 2
    assert stage.process.heard == [segment]
    stage.process.answer(segment)
    assert second.wait(5)
    assert stage.codes == ["cancelled"]
    assert len(stage.results) == 1


def test_a_result_that_comes_too_late_is_not_shown(stage: Stage) -> None:
    pending, segment = stage.sent()
    pending.cancel()
    stage.process.answer(segment)
    stage.harness.process_events(0.3)
    assert stage.results == []
    assert stage.codes == ["cancelled"]
    reading, segment = stage.sent()
    stage.process.answer(segment)
    reading.cancel()
    assert reading.wait(5)
    stage.harness.process_events(0.1)
    assert stage.results == []
    assert stage.files() == []
    assert not stage.process.killed


# Ends


def test_a_crash_costs_one_request_and_the_worker_starts_again(stage: Stage) -> None:
    pending, _ = stage.sent()
    other, segment = stage.sent()
    stage.process.hello()
    stage.process.end(well=False)
    assert pending.is_done
    assert stage.codes == ["crashed"]
    assert "started again" in stage.errors[0][1]
    assert len(stage.processes) == 2
    assert stage.process.heard == [segment]
    stage.process.hello()
    stage.process.answer(segment)
    assert other.wait(5)
    stage.process.end(well=False)  # with nothing to do: nobody needs to know
    assert stage.codes == ["crashed"]
    assert stage.client.is_running


def test_a_worker_that_crashes_while_idle_gets_its_model_again(stage: Stage) -> None:
    pending, segment = stage.sent()
    stage.process.hello()
    stage.process.answer(segment)
    assert pending.wait(5)
    stage.process.end(well=False)
    assert len(stage.processes) == 2
    stage.process.hello()
    (load,) = stage.process.heard
    assert isinstance(load, Load)
    assert load.model == segment.model
    # What the user asks for next finds it there.
    again, segment = stage.sent()
    assert stage.process.heard == [load, segment]
    stage.process.say(Answer(load.id, {}))
    stage.process.answer(segment)
    assert again.wait(5)
    assert len(stage.results) == 2
    assert stage.errors == []


def test_a_model_that_was_only_loaded_is_loaded_again(stage: Stage) -> None:
    loading = stage.client.load(Path("warm"))
    stage.process.hello()
    stage.process.say(Answer(loading.number, {}))
    first = stage.process.heard
    stage.process.end(well=False)
    assert [each.model for each in stage.process.heard] == [each.model for each in first]


def test_a_model_that_may_have_been_the_reason_is_not_loaded_again(stage: Stage) -> None:
    stage.client.load(Path("too large"))
    stage.process.hello()
    stage.process.end(well=False)
    assert len(stage.processes) == 2
    assert stage.process.heard == []


def test_a_worker_that_crashes_again_and_again_is_left_until_it_is_needed(stage: Stage) -> None:
    pending, segment = stage.sent()
    stage.process.hello()
    stage.process.answer(segment)
    assert pending.wait(5)
    for _crash in range(2):
        stage.process.hello()
        (*_rest, last) = stage.process.heard
        stage.process.say(Answer(last.id, {}))  # loading the model again worked
        stage.process.end(well=False)
    assert len(stage.processes) == 2
    assert not stage.client.is_running
    again, segment = stage.sent()
    assert len(stage.processes) == 3
    stage.process.hello()
    stage.process.answer(segment)
    assert again.wait(5)
    assert stage.errors == []


def test_a_worker_that_cannot_start_is_not_started_forever(stage: Stage) -> None:
    pending, _ = stage.sent()
    stage.sent()
    stage.process.hello(devices=None)
    stage.process.end(well=False)
    assert pending.is_done
    assert stage.codes == ["start", "start"]
    assert len(stage.processes) == 1
    assert not stage.client.is_running


def test_a_request_that_meets_a_leaving_worker_is_sent_once_more(stage: Stage) -> None:
    pending, segment = stage.sent()
    stage.process.hello()
    stage.process.end(well=True)
    assert len(stage.processes) == 2
    assert stage.process.heard == [segment]
    assert not pending.is_done
    stage.process.end(well=True)
    assert len(stage.processes) == 2
    assert stage.codes == ["start"]


def test_a_missing_package_is_no_crash(stage: Stage) -> None:
    pending, _ = stage.sent()
    asked: list = []
    stage.client.ask_devices(asked.append)
    stage.process.say(Failure(NO_REQUEST, "packages", "The package torch cannot be used."))
    assert pending.is_done
    assert asked == [[]]
    stage.process.end(well=False)
    assert stage.errors == [("packages", "The package torch cannot be used.")]
    assert len(stage.processes) == 1


def test_a_worker_of_another_version_is_not_used(stage: Stage) -> None:
    pending, _ = stage.sent()
    stage.process.hello(protocol=PROTOCOL + 1)
    assert pending.is_done
    assert stage.codes == ["start"]
    assert stage.process.killed


def test_no_python_is_told_soon(stage: Stage) -> None:
    stage.fail = StartError("PythonSlicer was not found.")
    asked: list = []
    pending = stage.begin()
    stage.client.ask_devices(asked.append)
    assert pending.wait(5)
    stage.until(lambda: bool(asked))
    assert stage.errors == [("start", "PythonSlicer was not found.")]
    assert asked == [[]]


def test_devices_are_asked_once(stage: Stage) -> None:
    asked: list = []
    stage.client.ask_devices(asked.append)
    stage.process.hello(devices=None)
    assert asked == []
    stage.process.hello()
    assert asked == [list(DEVICES)]
    stage.process.end()
    stage.client.ask_devices(asked.append)
    assert len(asked) == 1
    stage.until(lambda: len(asked) == 2)
    assert len(stage.processes) == 1


def test_shutdown_leaves_nothing_and_calls_nobody(stage: Stage, tmp_path: Path) -> None:
    pending, segment = stage.sent()
    reading, second = stage.sent()
    stage.process.answer(second)
    stage.begin()
    process = stage.process
    stage.client.shutdown()
    assert pending.is_done
    assert reading.is_done
    assert process.closed
    assert isinstance(process.heard[-1], Shutdown)
    assert list(tmp_path.iterdir()) == []
    process.say(Failure(segment.id, "internal", "late"))
    process.on_end(False)
    stage.harness.process_events(0.3)
    assert stage.errors == []
    assert stage.results == []
    # It can be used again.
    again, segment = stage.sent()
    stage.process.answer(segment)
    assert again.wait(5)


def test_a_folder_that_somebody_removed_is_made_anew(stage: Stage) -> None:
    pending, segment = stage.sent()
    stage.process.answer(segment)
    assert pending.wait(5)
    first = stage.process
    exchange_room.remove_folder(first.exchange)
    again, segment = stage.sent()
    assert first.killed
    assert stage.process is not first
    stage.process.answer(segment)
    assert again.wait(5)


def test_the_latest_result_can_be_refined(stage: Stage) -> None:
    pending, segment = stage.sent()
    stage.process.answer(segment)
    assert pending.wait(5)
    (result,) = stage.results

    def refine(of):
        return stage.client.refine(
            of,
            Options("cpu", tta=True),
            on_result=stage.results.append,
            on_error=lambda *e: stage.errors.append(e),
        )

    second = refine(result)
    request = stage.process.heard[-1]
    assert isinstance(request, Refine)
    assert request.of == segment.id
    stage.process.answer(request)
    assert second.wait(5)
    assert len(stage.results) == 2
    stale = refine(result)
    assert stale.wait(5)
    assert stage.codes == ["usage"]


def test_a_model_can_be_read_ahead(stage: Stage) -> None:
    pending = stage.client.load(Path("model"), lambda *e: stage.errors.append(e))
    (load,) = stage.process.heard
    assert isinstance(load, Load)
    stage.process.say(Answer(load.id, {"model": "small", "fingerprint": "f"}))
    assert pending.is_done
    assert stage.errors == []


def test_what_a_callback_raises_harms_no_later_request(stage: Stage, harness) -> None:
    def fail(_result) -> None:
        raise ArithmeticError("a mistake in the panel")

    pending = stage.client.segment(REQUEST, on_result=fail)
    stage.until(lambda: pending.is_with_worker())
    stage.process.answer(stage.process.heard[-1])
    stage.harness.process_events(1, lambda: pending.is_done)
    assert [type(e) for e in harness.slot_failures()] == [ArithmeticError]
    harness.slot_failures().clear()
    again, segment = stage.sent()
    stage.process.answer(segment)
    assert again.wait(5)


def test_large_volumes_are_sent_in_slices(stage: Stage) -> None:
    """The window lives between two slices; how long they are is measured elsewhere."""
    shape = (128, 256, 256)
    grid = replace(NATIVE, shape=shape, spacing_mm=(1.0, 1.0, 1.0))
    array = np.zeros(shape, np.int16)[::-1, :, ::-1]
    pending, _ = stage.sent(replace(REQUEST, images={"t1c": (array, grid), "t2f": (array, grid)}))
    fractions = [f for stage_, f, _ in stage.progress if stage_ == "sending"]
    assert len(fractions) >= 2
    assert fractions == sorted(fractions)
    pending.cancel()
    assert pending.wait(5)


def test_arrays_of_a_result_do_not_hold_the_files(stage: Stage) -> None:
    pending, segment = stage.sent()
    stage.process.answer(segment)
    assert pending.wait(5)
    (result,) = stage.results
    for array in (*result.membership.values(), result.lesions.territories):
        base = array
        while base.base is not None:
            base = base.base
        assert not isinstance(base, np.memmap)
        assert array.flags.owndata or isinstance(base, np.ndarray)
    if Path("/proc/self/fd").is_dir():
        opened = [
            os.readlink(f"/proc/self/fd/{n}")
            for n in os.listdir("/proc/self/fd")
            if n != "x" and os.path.exists(f"/proc/self/fd/{n}")
        ]
        assert not [o for o in opened if o.endswith(".npy")]


def test_the_case_of_the_result_shares_the_images_of_the_request(stage: Stage) -> None:
    pending, segment = stage.sent()
    stage.process.answer(segment)
    assert pending.wait(5)
    (result,) = stage.results
    assert np.shares_memory(result.case.images["t1c"].array, IMAGES["t1c"][0])
    assert case_of("case", IMAGES).grid.matches(result.case.grid)
