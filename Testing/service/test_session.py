"""The session in this process: what it answers, what it keeps, and how it stops."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ParetoSegLib import pipeline
from ParetoSegLib.core.errors import DeviceError
from ParetoSegLib.model.devices import choose_device
from ParetoSegLib.service import session as room
from ParetoSegLib.service.answers import result_from, type_of, volume_names
from ParetoSegLib.service.cases import case_of
from ParetoSegLib.service.exchange import Exchange, finish, read_volume, write_volume
from ParetoSegLib.service.protocol import (
    NO_REQUEST,
    Answer,
    Cancel,
    Event,
    Failure,
    Hello,
    Load,
    Options,
    Progress,
    Refine,
    Request,
    Shutdown,
)
from ParetoSegLib.service.session import Session, find_devices
from ParetoSegLib.service.wire import encode

from .small import GRID, SLOW, head, segment_request, small_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_model(tmp_path_factory.mktemp("models") / "small")


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Exchange]:
    made = Exchange(tmp_path)
    yield made
    made.remove()


class Talk:
    """A session that is given requests and runs until it has nothing more to do."""

    def __init__(self, exchange: Exchange) -> None:
        self.events: list[Event] = []
        self.on_event: Callable[[Event], None] = lambda event: None
        self.left = threading.Event()
        self.session = Session(exchange.path, self._hear, self.left.set, idle_s=0.05)

    def _hear(self, event: Event) -> None:
        self.events.append(event)
        self.on_event(event)

    def say(self, *requests: Request) -> list[Event]:
        """What was said after these requests, hello left out."""
        heard = len(self.events)
        for request in requests:
            self.session.receive(encode(request)[:-1])
        assert self.session.run()
        return [e for e in self.events[heard:] if not isinstance(e, Hello)]

    def answer(self, request: Request) -> Event:
        """The last word on one request."""
        said = self.say(request)
        assert {e.id for e in said} == {request.id}
        return said[-1]


def test_a_case_is_segmented_as_the_pipeline_would(exchange: Exchange, model: Path) -> None:
    talk = Talk(exchange)
    said = talk.say(segment_request(exchange, 1, model))
    answer = said[-1]
    assert isinstance(answer, Answer), answer
    case = case_of("case", {"t1c": (head(), GRID)})
    folder = exchange.path / "request-1"
    volumes = {
        n: finish(read_volume(folder / f"{n}.npy", case.grid.shape, type_of(n)))
        for n in volume_names(answer.result)
    }
    result = result_from(answer.result, volumes, case)
    expected = pipeline.segment(case, pipeline.load(model), pipeline.SegmentOptions(device="cpu"))
    assert result.assessable == expected.assessable
    for region in result.regions:
        # Both choose their precision by timing; it may differ.
        np.testing.assert_allclose(
            result.membership[region], expected.membership[region], atol=0.05
        )
    assert result.lesions.region == expected.lesions.region
    assert result.facts["model"] == expected.facts["model"]

    fractions = [e.fraction for e in said if isinstance(e, Progress)]
    assert fractions == sorted(fractions)
    stages = list(dict.fromkeys(e.stage for e in said if isinstance(e, Progress)))
    assert stages[:2] == ["loading", "reading"]
    assert stages[2:] == [s for s in pipeline.STAGES if s != "reading"]


def test_the_second_case_loads_no_model_and_knows_how_long_it_takes(
    exchange: Exchange, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = []
    load = pipeline.load
    monkeypatch.setattr(pipeline, "load", lambda folder: loaded.append(folder) or load(folder))
    talk = Talk(exchange)
    first = talk.say(segment_request(exchange, 1, model))
    second = talk.say(segment_request(exchange, 2, model))
    assert loaded == [model]
    assert isinstance(second[-1], Answer)
    assert "loading" not in {e.stage for e in second if isinstance(e, Progress)}
    # The first time nobody can know; from the second on the first report says it.
    starts = [next(e for e in s if getattr(e, "stage", "") == "preparing") for s in (first, second)]
    assert starts[0].seconds is None
    assert starts[1].seconds is not None
    assert starts[1].seconds >= 0


def test_another_or_a_changed_model_is_read(
    exchange: Exchange, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = small_model(tmp_path / "m", "one")
    talk = Talk(exchange)
    names = []
    for number, change in enumerate(["", "", "two", "gone", "two"], 1):
        if change == "gone":
            (folder / "model.json").rename(folder / "away.json")
        elif change:
            small_model(folder, change, seed=number)
        event = talk.answer(Load(number, str(folder)))
        names.append(event.result["model"] if isinstance(event, Answer) else event.code)
    assert names == ["one", "one", "two", "model", "two"]


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ({"model": "/nowhere/at/all"}, "model", "model.json"),
        ({"options": Options("cuda:63")}, "device", "cuda:63"),
        ({"folder": "request-99"}, "protocol", "t1c.npy"),
        ({"images": {"t1c": replace(GRID, shape=(1, 2, 3))}}, "protocol", "t1c.npy"),
        ({"images": {"t1c": replace(GRID, spacing_mm=(99.0,) * 3)}}, "geometry", "mm"),
        ({"images": {"t2f": GRID}}, "protocol", "t2f.npy"),
    ],
)
def test_what_goes_wrong_has_a_code_and_a_sentence(
    exchange: Exchange, model: Path, change: dict, code: str, said: str
) -> None:
    talk = Talk(exchange)
    event = talk.answer(replace(segment_request(exchange, 1, model), **change))
    assert isinstance(event, Failure)
    assert (event.code, said in event.sentence) == (code, True)
    assert str(exchange.path) not in event.sentence
    assert isinstance(talk.answer(segment_request(exchange, 2, model)), Answer)


def test_the_unforeseen_is_told_without_its_traceback(
    exchange: Exchange, model: Path, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("deep inside /home/somebody")

    talk = Talk(exchange)
    monkeypatch.setattr(pipeline, "segment", fail)
    with caplog.at_level(logging.ERROR):
        event = talk.answer(segment_request(exchange, 1, model))
    assert isinstance(event, Failure)
    assert event.code == "internal"
    assert "RuntimeError" in event.sentence
    assert "somebody" not in event.sentence
    assert "deep inside" in caplog.text
    monkeypatch.setattr(pipeline, "segment", lambda *_: (_ for _ in ()).throw(MemoryError()))
    memory = talk.answer(segment_request(exchange, 2, model))
    assert isinstance(memory, Failure)
    assert memory.code == "memory"


def test_a_cancelled_case_stops_between_two_windows(exchange: Exchange, model: Path) -> None:
    talk = Talk(exchange)
    windows = 0

    def stop(event: Event) -> None:
        nonlocal windows
        if isinstance(event, Progress) and event.stage == "segmenting":
            windows += 1
            talk.session.receive(encode(Cancel(1))[:-1])

    talk.on_event = stop
    event = talk.answer(segment_request(exchange, 1, model, SLOW))
    assert isinstance(event, Failure)
    assert event.code == "cancelled"
    assert windows == 1
    assert not list((exchange.path / "request-1").glob("membership*"))
    talk.on_event = lambda event: None
    assert isinstance(talk.answer(segment_request(exchange, 2, model)), Answer)


def test_a_case_cancelled_in_the_queue_is_never_begun(exchange: Exchange, model: Path) -> None:
    talk = Talk(exchange)
    requests = [segment_request(exchange, n, model) for n in (1, 2)]
    said = talk.say(*requests, Cancel(2), Cancel(77))
    of_second = [e for e in said if e.id == 2]
    assert of_second == [Failure(2, "cancelled", of_second[0].sentence)]
    assert isinstance(said[-1], Answer)
    assert said[-1].id == 1
    # Cancelling what is over, or was never asked for, says nothing and harms nothing later.
    assert talk.say(Cancel(1), Cancel(3)) == []
    assert isinstance(talk.answer(replace(requests[0], id=3, folder=_folder(exchange))), Answer)


def _folder(exchange: Exchange) -> str:
    folder = exchange.make_folder("another")
    finish(write_volume(folder / "t1c.npy", head()))
    return folder.name


def test_cancelling_in_the_last_moment_wins(
    exchange: Exchange, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk = Talk(exchange)
    content_of = room.content_of

    def late(result):
        talk.session.receive(encode(Cancel(1))[:-1])
        return content_of(result)

    monkeypatch.setattr(room, "content_of", late)
    event = talk.answer(segment_request(exchange, 1, model))
    assert isinstance(event, Failure)
    assert event.code == "cancelled"


def test_the_last_case_can_be_refined_without_its_images(exchange: Exchange, model: Path) -> None:
    talk = Talk(exchange)
    assert isinstance(talk.answer(segment_request(exchange, 1, model)), Answer)
    (exchange.path / "request-1" / "t1c.npy").unlink()
    exchange.make_folder("request-2")
    event = talk.answer(Refine(2, "request-2", 1, Options("cpu", tta=True)))
    assert isinstance(event, Answer)
    assert event.result["facts"]["options"]["tta"] is True
    assert sorted(p.name for p in (exchange.path / "request-2").iterdir()) == sorted(
        f"{n}.npy" for n in volume_names(event.result)
    )
    stale = talk.answer(Refine(3, "request-3", 1, Options("cpu")))
    assert isinstance(stale, Failure)
    assert stale.code == "usage"


def test_damaged_lines_are_answered_and_passed_over(exchange: Exchange, model: Path) -> None:
    talk = Talk(exchange)
    for line in (b"garbage", b'{"id": 5, "request": "explode"}', b"\xff\xfe", b"[]"):
        talk.session.receive(line)
    assert [(e.id, e.code) for e in talk.events] == [
        (0, "protocol"),
        (5, "protocol"),
        (0, "protocol"),
        (0, "protocol"),
    ]
    assert isinstance(talk.answer(Load(6, str(model))), Answer)


def test_shutdown_leaves_at_once(exchange: Exchange) -> None:
    talk = Talk(exchange)
    talk.session.receive(encode(Shutdown(1))[:-1])
    assert talk.left.is_set()


def test_hello_comes_before_the_packages_and_again_with_devices(exchange: Exchange) -> None:
    talk = Talk(exchange)
    assert talk.session.run()
    first, second = talk.events
    assert isinstance(first, Hello)
    assert isinstance(second, Hello)
    assert first.devices is None
    assert second.devices == find_devices()
    assert second.devices[-1].name == "cpu"
    for device in second.devices:
        choose_device(device.name)
    with pytest.raises(DeviceError):
        choose_device("cuda:63")


def test_a_missing_package_is_named(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    talk = Talk(exchange)
    monkeypatch.setitem(sys.modules, "ParetoSegLib.model.devices", None)
    assert not talk.session.run()
    failure = talk.events[-1]
    assert isinstance(failure, Failure)
    assert (failure.id, failure.code) == (NO_REQUEST, "packages")


def test_options_left_open_are_the_pipelines_own() -> None:
    assert room._options(Options("cpu")) == pipeline.SegmentOptions(device="cpu")
    chosen = room._options(Options("cpu", 0.5, True))
    assert chosen == pipeline.SegmentOptions(device="cpu", overlap=0.5, tta=True)


def test_a_case_keeps_no_image_that_the_request_did_not_name(
    exchange: Exchange, model: Path
) -> None:
    request = segment_request(exchange, 1, model)
    finish(write_volume(exchange.path / "request-1" / "t2f.npy", head()))
    event = Talk(exchange).answer(request)
    assert isinstance(event, Answer)
    assert event.result["sequences"] == ["t1c"]
