"""A worker whose part the test plays, and a client that takes it for real."""

from __future__ import annotations

from pathlib import Path

from ParetoSegPanel.worker_client import SegmentRequest, WorkerClient
from ParetoSegPanel.worker_process import Launch

from ParetoSegLib.service.answers import content_of, type_of, volumes_of
from ParetoSegLib.service.exchange import finish, write_volume
from ParetoSegLib.service.protocol import (
    NO_REQUEST,
    PROTOCOL,
    Answer,
    DeviceInfo,
    Event,
    Hello,
    Refine,
    Request,
    Segment,
)
from ParetoSegLib.service.wire import decode_request, encode
from Testing.review.cases import NATIVE, THREE, painted

RESULT = painted(THREE, modalities=("t1c",))
IMAGES = {"t1c": (RESULT.case.to_native(RESULT.case.images["t1c"].array), NATIVE)}
REQUEST = SegmentRequest(IMAGES, Path("model"), "cpu", "case")
DEVICES = (DeviceInfo("cuda:0", "A GPU"), DeviceInfo("cpu", "CPU"))


class PlayedProcess:
    """A worker's process whose part the test plays."""

    def __init__(self, launch: Launch, exchange: Path, on_line, on_log, on_end) -> None:
        self.launch, self.exchange = launch, exchange
        self.on_line, self.on_log, self.on_end = on_line, on_log, on_end
        self.pid: int | None = None
        self.is_running = True
        self.heard: list[Request] = []
        self.killed = self.closed = False

    def write(self, line: bytes) -> None:
        assert self.is_running
        self.heard.append(decode_request(line.rstrip(b"\n")))

    def kill(self) -> None:
        self.killed = True

    def close(self, farewell: bytes) -> None:
        self.closed, self.is_running = True, False
        self.heard.append(decode_request(farewell.rstrip(b"\n")))

    def say(self, event: Event) -> None:
        self.on_line(encode(event)[:-1])

    def hello(self, devices=DEVICES, protocol: int = PROTOCOL) -> None:
        self.say(Hello(NO_REQUEST, protocol, "0", 4711, devices))

    def end(self, well: bool = True) -> None:
        self.is_running = False
        self.on_end(well)

    def answer(self, request: Segment | Refine, result=RESULT) -> None:
        for name, volume in volumes_of(result).items():
            path = self.exchange / request.folder / f"{name}.npy"
            finish(write_volume(path, volume, type_of(name)))
        self.say(Answer(request.id, content_of(result)))


class Stage:
    """A client, the processes it has started, and what it was told."""

    def __init__(self, harness, fail: Exception | None = None) -> None:
        self.processes: list[PlayedProcess] = []
        self.harness = harness
        self.fail = fail
        self.client = WorkerClient(Launch("python"), self._make)
        self.progress: list[tuple] = []
        self.results: list = []
        self.errors: list[tuple[str, str]] = []
        self.log: list[str] = []

    def _make(self, *given) -> PlayedProcess:
        if self.fail is not None:
            raise self.fail
        self.processes.append(PlayedProcess(*given))
        return self.processes[-1]

    @property
    def process(self) -> PlayedProcess:
        return self.processes[-1]

    def begin(self, request: SegmentRequest = REQUEST):
        return self.client.segment(
            request,
            lambda *at: self.progress.append(at),
            self.results.append,
            lambda *e: self.errors.append(e),
            self.log.append,
        )

    def sent(self, request: SegmentRequest = REQUEST):
        """A request that has reached the worker."""
        pending = self.begin(request)
        self.until(lambda: pending.is_with_worker())
        return pending, self.process.heard[-1]

    def until(self, true) -> None:
        assert self.harness.process_events(10, true)

    @property
    def codes(self) -> list[str]:
        return [code for code, _ in self.errors]

    def files(self) -> list[str]:
        """What lies in the exchange folder besides its own furniture."""
        self.harness.process_events(0.02)
        return sorted(p.name for p in self.process.exchange.iterdir() if p.is_dir())[:-1]
