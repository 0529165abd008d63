"""What the worker does all day: keep a model warm and serve one request after the other.

Torch and what needs it are imported when the session begins, so that ``hello`` comes first and a
missing package is told in a sentence.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import ParetoSegLib
from ParetoSegLib.core.errors import ImageReadError, ParetoSegError, UsageError
from ParetoSegLib.core.images import file_hash
from ParetoSegLib.core.project import HOMEPAGE
from ParetoSegLib.data.case import Case, Image
from ParetoSegLib.service.answers import content_of, type_of, volumes_of
from ParetoSegLib.service.cases import case_of, check_voxels
from ParetoSegLib.service.countdown import Countdown
from ParetoSegLib.service.exchange import finish, folder_in, read_volume, write_volume
from ParetoSegLib.service.protocol import (
    CANCELLED,
    INTERNAL,
    NO_REQUEST,
    PACKAGES,
    PROTOCOL,
    PROTOCOL_CODE,
    Answer,
    Cancel,
    DeviceInfo,
    Event,
    Failure,
    Hello,
    Load,
    Options,
    Progress,
    ProtocolError,
    Refine,
    Request,
    Segment,
    Shutdown,
    code_of,
)
from ParetoSegLib.service.wire import decode_request, id_of

if TYPE_CHECKING:
    from ParetoSegLib.pipeline import Model, SegmentOptions

log = logging.getLogger(__name__)

PAUSE_SECONDS = 0.1
"""Between two progress events of one stage."""


class Cancelled(Exception):
    """Raised inside the pipeline by its own progress reports, to leave it between two windows."""


class Session:
    """One worker's memory and manners.

    ``receive`` may be called from another thread than ``run``.

    Args:
        exchange: the folder through which volumes travel.
        send: takes each event to the panel; raises ``OSError`` when nobody is there.
        leave: ends the process at once.
        idle_s: without a request for so long, ``run`` returns.
    """

    def __init__(
        self,
        exchange: Path,
        send: Callable[[Event], None],
        leave: Callable[[], None],
        idle_s: float,
    ) -> None:
        self._exchange = exchange
        self._send = send
        self._leave = leave
        self._idle_s = idle_s
        self._queue: queue.Queue[Load | Segment | Refine] = queue.Queue()
        self._state = threading.Lock()
        self._waiting: set[int] = set()
        self._current: int | None = None
        self._cancelled: set[int] = set()
        self._model: tuple[Path, Model] | None = None
        self._case: tuple[int, Case] | None = None
        self._paces: dict[tuple[str, str], tuple[int, dict[str, float]]] = {}

    def receive(self, line: bytes) -> None:
        """Take a line from the panel: queue it, or do it at once if it must not wait."""
        try:
            request = decode_request(line)
        except ProtocolError as error:
            log.warning("A message was not understood: %s", error)
            self._send(Failure(id_of(line), PROTOCOL_CODE, str(error)))
            return
        if isinstance(request, Shutdown):
            self._leave()
        elif isinstance(request, Cancel):
            self._cancel(request.id)
        else:
            with self._state:
                self._waiting.add(request.id)
            self._queue.put(request)

    def run(self) -> bool:
        """Say hello and serve until nothing has come for long; whether it could serve at all.

        Raises:
            OSError: the panel is gone.
        """
        version, pid = ParetoSegLib.__version__, os.getpid()
        self._send(Hello(NO_REQUEST, PROTOCOL, version, pid, None))
        try:
            devices = find_devices()
        except ImportError as error:
            log.exception("A package cannot be imported.")
            sentence = (
                f"The package {error.name or 'torch'} cannot be used in this Python; install what "
                "ParetoSeg needs and try again."
            )
            self._send(Failure(NO_REQUEST, PACKAGES, sentence))
            return False
        self._send(Hello(NO_REQUEST, PROTOCOL, version, pid, devices))
        while True:
            try:
                request = self._queue.get(timeout=self._idle_s)
            except queue.Empty:
                return True
            with self._state:
                self._waiting.discard(request.id)
                if request.id in self._cancelled:  # its answer is on the way already
                    self._cancelled.discard(request.id)
                    continue
                self._current = request.id
            answer = self._served(request)
            with self._state:
                self._current = None
                if request.id in self._cancelled:
                    self._cancelled.discard(request.id)
                    answer = _stopped(request.id)
            self._send(answer)

    def _cancel(self, number: int) -> None:
        with self._state:
            waits = number in self._waiting
            if waits or number == self._current:
                self._cancelled.add(number)
        if waits:
            self._send(_stopped(number))

    def _served(self, request: Load | Segment | Refine) -> Event:
        try:
            if isinstance(request, Load):
                model = self._warm(request.model, _Reports(self, request.id))
                content = {"model": model.description.name, "fingerprint": model.fingerprint}
                return Answer(request.id, content)
            return Answer(request.id, self._segmented(request))
        except Cancelled:
            return _stopped(request.id)
        except ParetoSegError as error:
            return Failure(request.id, code_of(error), str(error))
        except MemoryError:
            log.warning("Memory ran out.\n%s", traceback.format_exc())
            sentence = "There is too little memory for this case; close other programs."
            return Failure(request.id, "memory", sentence)
        except Exception as error:
            return _unforeseen(request, error)

    def _segmented(self, request: Segment | Refine) -> dict[str, Any]:
        from ParetoSegLib.pipeline import STAGES, segment

        reports = _Reports(self, request.id)
        if isinstance(request, Segment):
            self._case = None  # before the next one is read: both may not fit
            model = self._warm(request.model, reports)
            case = self._read(request, reports)
            self._case = (request.id, case)
        else:
            if self._case is None or self._case[0] != request.of or self._model is None:
                raise UsageError(
                    "The images of that case are no longer in memory; segment it once more."
                )
            model, case = self._model[1], self._case[1]
            self._case = (request.id, case)

        pace = (model.fingerprint, repr(request.options))
        voxels = int(np.prod(case.grid.shape))
        known, seconds = self._paces.get(pace, (voxels, {}))
        expected = {stage: s * voxels / known for stage, s in seconds.items()}
        timed = {name: span for name, span in STAGES.items() if name != "reading"}
        reports.countdown = Countdown(timed, expected)
        result = segment(case, model, _options(request.options), reports)
        facts = result.facts.get("seconds")
        if isinstance(facts, dict) and set(timed) <= set(facts):
            self._paces[pace] = (voxels, {name: float(facts[name]) for name in timed})

        folder = folder_in(self._exchange, request.folder)
        for name, volume in volumes_of(result).items():
            reports.stop_if_cancelled()
            finish(write_volume(folder / f"{name}.npy", volume, type_of(name)))
        return content_of(result)

    def _warm(self, folder: str, reports: _Reports) -> Model:
        """The model of a folder, read only if it is not the one in memory."""
        from ParetoSegLib.pipeline import load

        path = Path(folder)
        if self._model is not None and self._model[0] == path:
            try:
                fingerprint = file_hash(path / "model.json")
            except ImageReadError:
                fingerprint = ""  # it has been removed; let `load` say so
            if fingerprint == self._model[1].fingerprint:
                return self._model[1]
        reports("loading", 0.0)
        # First let go: two models may not fit into the memory of a GPU.
        self._model = None
        model = load(path)
        self._model = (path, model)
        log.info("Loaded the model %s.", model.description.name)
        return model

    def _read(self, request: Segment, reports: _Reports) -> Case:
        folder = folder_in(self._exchange, request.folder)
        images = {}
        for modality, grid in request.images.items():
            reports("reading", 0.0)
            array = finish(read_volume(folder / f"{modality}.npy", grid.shape))
            images[modality] = (array, grid)
        case = case_of(request.name, images)
        check_voxels(case)
        # Turned views would slow down whatever follows.
        laid_out = {
            m: Image(np.ascontiguousarray(image.array), image.grid)
            for m, image in case.images.items()
        }
        return replace(case, images=laid_out)

    def is_cancelled(self, number: int) -> bool:
        """Whether the panel wants a request to stop."""
        with self._state:
            return number in self._cancelled

    def send(self, event: Event) -> None:
        """Send an event of a request that is being served."""
        self._send(event)


class _Reports:
    """The pipeline's progress as events, and the place where a cancelled request stops."""

    def __init__(self, session: Session, number: int) -> None:
        self._session = session
        self._number = number
        self._stage = ""
        self._fraction = 0.0
        self._last = 0.0
        self.countdown: Countdown | None = None

    def __call__(self, stage: str, fraction: float) -> None:
        """Report; raises ``Cancelled`` where the request shall stop."""
        self.stop_if_cancelled()
        now = time.monotonic()
        left = self.countdown.seconds_left(stage, fraction, now) if self.countdown else None
        if stage == self._stage and now - self._last < PAUSE_SECONDS:
            return
        self._fraction = min(1.0, max(self._fraction, fraction))
        self._stage, self._last = stage, now
        seconds = None if left is None else round(left, 1)
        self._session.send(Progress(self._number, stage, round(self._fraction, 4), seconds))

    def stop_if_cancelled(self) -> None:
        """Raise ``Cancelled`` if the panel wants it."""
        if self._session.is_cancelled(self._number):
            raise Cancelled


def find_devices() -> tuple[DeviceInfo, ...]:
    """The devices of this computer, those that ``auto`` prefers first.

    Raises:
        ImportError: torch, or another package that inference needs, is not there.
    """
    import ParetoSegLib.pipeline  # noqa: F401  (now, so that no request finds a package missing)
    from ParetoSegLib.core.errors import DeviceError
    from ParetoSegLib.model.devices import choose_device, describe_device

    devices = []
    for name in (*(f"cuda:{n}" for n in range(64)), "mps"):
        try:
            words = describe_device(choose_device(name))
        except DeviceError:
            continue
        # "cuda:0 (NVIDIA …)"
        _, bracket, title = words.removesuffix(")").partition(" (")
        devices.append(DeviceInfo(name, title if bracket else "Apple GPU"))
    return (*devices, DeviceInfo("cpu", "CPU"))


def _options(given: Options) -> SegmentOptions:
    from ParetoSegLib.pipeline import SegmentOptions

    changes: dict[str, Any] = {"overlap": given.overlap, "tta": given.tta}
    chosen = {name: value for name, value in changes.items() if value is not None}
    return replace(SegmentOptions(device=given.device), **chosen)


def _stopped(number: int) -> Failure:
    return Failure(number, CANCELLED, "Stopped; nothing was changed.")


def _unforeseen(request: Request, error: Exception) -> Failure:
    log.error("The request failed.\n%s", traceback.format_exc())
    sentence = (
        f"An unexpected {type(error).__name__} ended the segmentation; the log has the details, "
        f"please report them at {HOMEPAGE}/issues."
    )
    return Failure(request.id, INTERNAL, sentence)
