"""The one worker that runs, and the folder through which it is reached.

It is started when it is needed and forgotten when it has ended; what an earlier one still has to
say is never taken for the words of the present one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import qt
from slicer.i18n import tr as _

from ParetoSegLib.service.exchange import Exchange
from ParetoSegLib.service.protocol import (
    PROTOCOL,
    START,
    DeviceInfo,
    Event,
    Failure,
    Hello,
    ProtocolError,
    Request,
    Shutdown,
)
from ParetoSegLib.service.wire import decode_event, encode
from ParetoSegPanel.worker_process import Launch, Process, WorkerProcess, find_launch

DYING_MS = 5000
"""How long a process that was killed is kept in mind: letting go of it sooner would wait for it."""

MakeProcess = Callable[..., Process]
"""Makes a worker's process, as ``WorkerProcess`` does."""


class Listener(Protocol):
    """Who wants to know what the worker says and does, on the GUI thread."""

    def on_event(self, event: Event) -> None:
        """It said something other than hello."""

    def on_devices(self, devices: tuple[DeviceInfo, ...]) -> None:
        """It has loaded its packages and is ready to work on these devices."""

    def on_end(self, well: bool, was_ready: bool) -> None:
        """It has ended: by itself or not, and after having been ready or not."""

    def on_log(self, line: str) -> None:
        """It, or a library in it, printed a line."""


class WorkerLink:
    """Starts, hears and ends the worker.

    Args:
        listener: is told.
        launch: how to start it; ``None`` for Slicer's own Python, looked for when it is needed.
        make_process: makes the process.
    """

    def __init__(
        self,
        listener: Listener,
        launch: Launch | None = None,
        make_process: MakeProcess = WorkerProcess,
    ) -> None:
        self._listener = listener
        self._launch = launch
        self._make_process = make_process
        self._exchange: Exchange | None = None
        self._process: Process | None = None
        self._present: object = None
        self._is_ready = False

    @property
    def is_running(self) -> bool:
        """Whether there is a worker, starting, busy or idle."""
        return self._process is not None and self._process.is_running

    @property
    def pid(self) -> int | None:
        """The worker's own process, once it has said so."""
        return self._process.pid if self._process is not None and self.is_running else None

    def started(self) -> Exchange:
        """The folder of a worker that runs.

        Raises:
            ParetoSegError: there is no Python, or no place for temporary files.
        """
        if self._exchange is not None and not self._exchange.path.is_dir():
            # Somebody has tidied up; a worker that runs would look for its files there.
            self.give_up()
            self._exchange = None
        if self._exchange is None:
            self._exchange = Exchange()
        if not self.is_running:
            launch = self._launch or find_launch()
            present = self._present = object()
            self._is_ready = False
            self._process = self._make_process(
                launch,
                self._exchange.path,
                lambda line: self._on_line(line) if self._present is present else None,
                self._listener.on_log,
                lambda well: self._on_end(well) if self._present is present else None,
            )
        return self._exchange

    def write(self, request: Request) -> None:
        """Send a request to the worker that runs, if there is one."""
        if self._process is not None:
            self._process.write(encode(request))

    def give_up(self) -> None:
        """Kill the worker and hear no more of it; ``on_end`` does not come."""
        process, self._process, self._present = self._process, None, None
        if process is not None:
            process.kill()
            qt.QTimer.singleShot(DYING_MS, lambda: _let_go(process))

    def close(self, farewell: Shutdown) -> None:
        """End the worker, wait for that, and remove the folder; ``on_end`` does not come."""
        process, self._process, self._present = self._process, None, None
        if process is not None:
            process.close(encode(farewell))
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.remove()

    def _on_line(self, line: bytes) -> None:
        try:
            event = decode_event(line)
        except ProtocolError as error:
            said = _("The worker said something strange: {error}").format(error=error)
            self._listener.on_log(said)
            return
        if not isinstance(event, Hello):
            self._listener.on_event(event)
        elif event.protocol != PROTOCOL:
            self.give_up()
            sentence = _("The worker is of another version than the panel; restart Slicer.")
            self._listener.on_event(Failure(event.id, START, sentence))
        else:
            if self._process is not None:
                self._process.pid = event.pid
            if event.devices is not None:
                self._is_ready = True
                self._listener.on_devices(event.devices)

    def _on_end(self, well: bool) -> None:
        self._process = self._present = None
        self._listener.on_end(well, self._is_ready)


def _let_go(_process: Process) -> None:
    """The last one to hold it."""
