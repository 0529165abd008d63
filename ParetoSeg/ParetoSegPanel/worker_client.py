"""The panel's side of the worker: requests go out, and callbacks come back on the GUI thread.

One worker serves all patients and scenes of a session. It is started by the first request, leaves
when it is idle, and is started again when it is needed or after a crash.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _

from ParetoSegLib.core.errors import ParetoSegError, UsageError
from ParetoSegLib.review.result import Result
from ParetoSegLib.service.cases import case_of
from ParetoSegLib.service.exchange import Exchange, remove_folder
from ParetoSegLib.service.protocol import (
    NO_REQUEST,
    PACKAGES,
    START,
    Answer,
    Cancel,
    DeviceInfo,
    Event,
    Failure,
    Load,
    Options,
    Progress,
    Refine,
    Segment,
    Shutdown,
)
from ParetoSegPanel.worker_link import MakeProcess, WorkerLink
from ParetoSegPanel.worker_process import Launch, WorkerProcess
from ParetoSegPanel.worker_requests import (
    Callbacks,
    OnError,
    OnLog,
    OnProgress,
    Pending,
    SegmentRequest,
    nothing,
)
from ParetoSegPanel.worker_sentences import ended, failed_by, not_started, stopped
from ParetoSegPanel.worker_transfer import Slices, received_result, sent_images

__all__ = ["Pending", "SegmentRequest", "WorkerClient"]

OBEY_MS = 2000
"""How long a worker may take to stop what it was told to stop."""

SENT, WORKED = 0.03, 0.97
"""Where on the progress bar the images are with the worker, and where it is done with them."""

TIMES_SENT = 2
"""A request that found its worker leaving is sent once more; then something else is wrong."""

TIMES_RESTARTED = 1
"""A worker that crashes is started again at once, but not over and over while nobody asks it for
anything; the next request starts it in any case."""

REMOVAL_TRIES = 20
REMOVAL_MS = 100


class WorkerClient:
    """Talks with one worker, which it starts when it is needed.

    Args:
        launch: how to start it; by default with Slicer's own Python, looked for when needed.
        make_process: makes the process, as ``WorkerProcess`` does.
    """

    def __init__(
        self, launch: Launch | None = None, make_process: MakeProcess = WorkerProcess
    ) -> None:
        self._link = WorkerLink(self, launch, make_process)
        self._pendings: dict[int, Pending] = {}
        self._number = NO_REQUEST
        self._devices: tuple[DeviceInfo, ...] | None = None
        self._asked: list[Callable[[list[DeviceInfo]], None]] = []
        self._last: tuple[int, weakref.ref[Result]] | None = None
        self._model: str | None = None
        self._restarts = 0
        self._reload: Pending | None = None

    @property
    def is_running(self) -> bool:
        """Whether there is a worker now, starting, busy or idle."""
        return self._link.is_running

    @property
    def is_busy(self) -> bool:
        """Whether an answer is still to come, if only that a request was cancelled."""
        return bool(self._pendings)

    @property
    def pid(self) -> int | None:
        """The worker's own process, once it has said so."""
        return self._link.pid

    def segment(
        self,
        request: SegmentRequest,
        on_progress: OnProgress = nothing,
        on_result: Callable[[Result], None] = nothing,
        on_error: OnError = nothing,
        on_log: OnLog = nothing,
    ) -> Pending:
        """Segment a case; nothing is called back before this has returned.

        Args:
            request: what.
            on_progress: stage, fraction of the whole in [0, 1], seconds left or ``None``.
            on_result: the result, on the LPS grid of the reference image.
            on_error: a code of ``ERROR_CODES`` and a sentence for the user.
            on_log: a line that the worker printed, for who wants to know more.
        """
        pending = self._new(Callbacks(on_progress, on_result, on_error, on_log))
        model = self._model = str(Path(request.model_folder).resolve())

        def prepare(exchange: Exchange) -> None:
            pending.case = case_of(request.name, request.images)
            folder = exchange.make_folder(f"request-{pending.number}")
            pending.folder = folder
            grids = {modality: grid for modality, (_array, grid) in request.images.items()}
            options = Options(request.device, request.overlap, request.tta)
            pending.transfer = Slices(
                sent_images(folder, request.images),
                lambda fraction: on_progress("sending", SENT * fraction, None),
                lambda _done: self._send(
                    pending,
                    Segment(pending.number, folder.name, request.name, model, grids, options),
                ),
                lambda error: self._fail_by(pending, error),
            )

        self._begin(pending, prepare)
        return pending

    def refine(
        self,
        result: Result,
        options: Options,
        on_progress: OnProgress = nothing,
        on_result: Callable[[Result], None] = nothing,
        on_error: OnError = nothing,
        on_log: OnLog = nothing,
    ) -> Pending:
        """Segment the case of the latest result again, without sending its images again.

        Args:
            result: the very object that ``on_result`` got last.
            options: how, for instance with mirrored copies.
            on_progress: as in ``segment``.
            on_result: as in ``segment``.
            on_error: as in ``segment``; ``usage`` if the worker no longer has the images.
            on_log: as in ``segment``.
        """
        pending = self._new(Callbacks(on_progress, on_result, on_error, on_log))
        pending.case = result.case

        def prepare(exchange: Exchange) -> None:
            if self._last is None or self._last[1]() is not result:
                raise UsageError(
                    _("Only the latest case can be refined; segment this one once more.")
                )
            folder = exchange.make_folder(f"request-{pending.number}")
            pending.folder = folder
            self._send(pending, Refine(pending.number, folder.name, self._last[0], options))

        self._begin(pending, prepare)
        return pending

    def load(
        self, model_folder: Path, on_error: OnError = nothing, on_log: OnLog = nothing
    ) -> Pending:
        """Let the worker read a model now, so that the first case need not wait for it."""
        self._model = str(Path(model_folder).resolve())
        return self._load(self._model, Callbacks(error=on_error, log=on_log))

    def ask_devices(self, on_devices: Callable[[list[DeviceInfo]], None]) -> None:
        """Tell what devices there are, best first; an empty list if the worker cannot work.

        The first time that takes as long as a worker takes to load its packages.
        """
        self._asked.append(on_devices)
        if self._devices is None:
            try:
                self._link.started()
                return
            except ParetoSegError as error:
                self.on_log(str(error))
        qt.QTimer.singleShot(0, self._tell_devices)

    def cancel(self, pending: Pending) -> None:
        """Stop a request, as ``Pending.cancel``."""
        if pending.is_done or pending.is_stopping:
            return
        pending.is_stopping = True
        if pending.is_with_worker() and self.is_running:
            self._link.write(Cancel(pending.number))
            qt.QTimer.singleShot(OBEY_MS, lambda: self._enforce(pending))
        else:
            qt.QTimer.singleShot(0, lambda: self._fail(pending, *stopped()))

    def shutdown(self) -> None:
        """End the worker and remove its files; whatever was on its way calls nobody back."""
        for pending in list(self._pendings.values()):
            self._forget(pending)
        self._asked.clear()
        self._model = None
        self._link.close(Shutdown(self._next()))

    # What the worker says and does

    def on_event(self, event: Event) -> None:
        """Pass an event on to whom it concerns; events of requests that are over are ignored."""
        pending = self._pendings.get(event.id)
        if event.id == NO_REQUEST and isinstance(event, Failure):
            if event.code in (PACKAGES, START):  # it cannot serve anybody, and ends: no crash
                for each in list(self._pendings.values()):
                    self._fail(each, event.code, event.sentence)
                self._tell_devices()
            else:
                self.on_log(event.sentence)
        elif pending is None or not pending.is_with_worker():
            return
        elif isinstance(event, Failure):
            self._fail(pending, event.code, event.sentence)
        elif isinstance(event, Answer) and pending.is_stopping:  # done before it heard
            self._fail(pending, *stopped())
        elif isinstance(event, Answer):
            self._on_answer(pending, event)
        elif isinstance(event, Progress) and not pending.is_stopping:
            fraction = SENT + (WORKED - SENT) * event.fraction
            pending.callbacks.progress(event.stage, fraction, event.seconds)

    def on_devices(self, devices: tuple[DeviceInfo, ...]) -> None:
        """Remember the devices and tell those who have asked."""
        self._devices = devices
        self._tell_devices()

    def on_end(self, well: bool, was_ready: bool) -> None:
        """Tell whose request was lost, send the others again, and start anew after a crash."""
        self._tell_devices()
        sent = [p for p in self._pendings.values() if p.is_with_worker()]
        for pending in [p for p in sent if p.is_stopping]:
            self._fail(pending, *stopped())
        left = [p for p in sent if not p.is_stopping]
        if left and not well:
            # What it was at is the first in the queue; a worker that never was ready fails all.
            failed = left[:1] if was_ready else left
            for pending in failed:
                self._fail(pending, *(ended() if was_ready else not_started()))
            left = left[len(failed) :]
        # It left for idleness just as they came, or never began with them.
        self._send_again(left)
        if was_ready and not well:
            self._start_again(idle=not sent)

    def _start_again(self, idle: bool) -> None:
        """After a crash; one that was idle gets its model again, so that it is as warm as it was.

        One that was busy may have crashed over that very model.
        """
        if self._restarts >= TIMES_RESTARTED:
            return
        restarts = self._restarts + 1
        try:
            self._link.started()
        except ParetoSegError as error:
            self.on_log(str(error))
            return
        if idle and self._model is not None:
            self._reload = self._load(self._model, Callbacks())
        self._restarts = restarts

    def on_log(self, line: str) -> None:
        """Pass a line on to all who wait."""
        for pending in list(self._pendings.values()):
            pending.callbacks.log(line)

    def _on_answer(self, pending: Pending, answer: Answer) -> None:
        pending.is_answered = True
        if pending is not self._reload:
            self._restarts = 0
        if pending.case is None or pending.folder is None:
            self._succeed(pending, answer.result)
            return
        pending.transfer = Slices(
            received_result(pending.folder, answer.result, pending.case),
            lambda fraction: pending.callbacks.progress(
                "receiving", WORKED + (1 - WORKED) * fraction, None
            ),
            lambda result: self._succeed(pending, result),
            lambda error: self._fail_by(pending, error),
        )

    def _tell_devices(self) -> None:
        asked, self._asked = self._asked, []
        for on_devices in asked:
            on_devices(list(self._devices or ()))

    # What becomes of a request

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _load(self, model: str, callbacks: Callbacks) -> Pending:
        pending = self._new(callbacks)
        message = Load(pending.number, model)
        self._begin(pending, lambda _exchange: self._send(pending, message))
        return pending

    def _new(self, callbacks: Callbacks) -> Pending:
        self._restarts = 0
        pending = Pending(self, self._next(), callbacks)
        self._pendings[pending.number] = pending
        return pending

    def _begin(self, pending: Pending, prepare: Callable[[Exchange], None]) -> None:
        """Start the worker if need be and prepare the request; what fails is told soon."""
        try:
            prepare(self._link.started())
        except ParetoSegError as error:
            failure = error
            qt.QTimer.singleShot(0, lambda: self._fail_by(pending, failure))

    def _send(self, pending: Pending, message: Load | Segment | Refine) -> None:
        if pending.is_stopping:
            return

        def write(_exchange: Exchange) -> None:
            pending.message = message
            pending.times_sent += 1
            self._link.write(message)

        self._begin(pending, write)

    def _send_again(self, pendings: Sequence[Pending]) -> None:
        for pending in pendings:
            if pending.is_done or pending.message is None:
                continue
            if pending.times_sent >= TIMES_SENT:
                self._fail(pending, *not_started())
            else:
                self._send(pending, pending.message)

    def _succeed(self, pending: Pending, result: Any) -> None:
        if pending.is_done or pending.is_stopping:
            return
        if isinstance(result, Result):
            self._last = (pending.number, weakref.ref(result))
        self._forget(pending)
        pending.callbacks.result(result)

    def _fail(self, pending: Pending, code: str, sentence: str) -> None:
        if pending.is_done:
            return
        self._forget(pending)
        pending.callbacks.error(code, sentence)

    def _fail_by(self, pending: Pending, error: Exception) -> None:
        self._fail(pending, *failed_by(error))

    def _enforce(self, pending: Pending) -> None:
        """Kill a worker that does not stop, and with it no one's request but this one."""
        if pending.is_done:
            return
        others = [p for p in self._pendings.values() if p.is_with_worker() and p is not pending]
        self._link.give_up()
        self._fail(pending, *stopped())
        self._send_again(others)

    def _forget(self, pending: Pending) -> None:
        """End a request: no more work, no more memory, no more files."""
        pending.is_done = True
        self._pendings.pop(pending.number, None)
        if pending.transfer is not None:
            pending.transfer.stop()
        pending.transfer = pending.case = pending.message = None
        if pending.folder is not None:
            _remove_soon(pending.folder)


def _remove_soon(folder: Path, tries: int = REMOVAL_TRIES) -> None:
    """Remove a folder, again and again while somebody holds a file in it, without waiting."""
    if not remove_folder(folder, seconds=0.0) and tries > 1:
        qt.QTimer.singleShot(REMOVAL_MS, lambda: _remove_soon(folder, tries - 1))
