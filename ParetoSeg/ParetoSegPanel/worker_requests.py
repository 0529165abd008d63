"""A request to the worker as the panel sees it: what is asked, who is told, how it is stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import qt

from ParetoSegLib.core.geometry import Grid
from ParetoSegLib.data.case import Case
from ParetoSegLib.service.protocol import Load, Refine, Segment
from ParetoSegPanel.worker_transfer import Slices

OnProgress = Callable[[str, float, "float | None"], None]
OnError = Callable[[str, str], None]
OnLog = Callable[[str], None]


@dataclass(frozen=True)
class SegmentRequest:
    """What to segment, and how.

    Args:
        images: array ``(D, H, W)`` and its grid, by sequence; they are read in the background
            until the first progress of another stage than ``sending``.
        model_folder: of the model.
        device: ``auto`` or the name of a ``DeviceInfo``.
        name: of the case; it stands in results, so never a patient's.
        overlap: of neighbouring windows; ``None`` for what the pipeline does by itself.
        tta: average over mirrored copies; ``None`` likewise.
    """

    images: Mapping[str, tuple[np.ndarray, Grid]]
    model_folder: Path
    device: str = "auto"
    name: str = "case"
    overlap: float | None = None
    tta: bool | None = None


def nothing(*_arguments: object) -> None:
    """Whom it may not concern."""


@dataclass(frozen=True)
class Callbacks:
    """Whom to tell, on the GUI thread.

    Args:
        progress: stage, fraction of the whole in [0, 1], seconds left or ``None``.
        result: what the request was for.
        error: a code of ``ERROR_CODES`` and a sentence for the user.
        log: a line that the worker printed, for who wants to know more.
    """

    progress: OnProgress = nothing
    result: Callable[[Any], None] = nothing
    error: OnError = nothing
    log: OnLog = nothing


class Canceller(Protocol):
    """Who can stop a request."""

    def cancel(self, pending: Pending) -> None:
        """Stop it."""


class Pending:
    """A request on its way.

    Exactly one of its callbacks ``result`` and ``error`` is called, once, unless the client is shut
    down before.
    """

    def __init__(self, client: Canceller, number: int, callbacks: Callbacks) -> None:
        self._client = client
        self.number = number
        self.callbacks = callbacks
        self.is_done = False
        """Whether its result or error has been reported."""
        self.is_stopping = False
        """Whether it was cancelled."""
        self.is_answered = False
        """Whether the worker is done with it."""
        self.message: Load | Segment | Refine | None = None
        """Once it has been sent."""
        self.times_sent = 0
        self.case: Case | None = None
        self.folder: Path | None = None
        self.transfer: Slices[Any] | None = None

    def cancel(self) -> None:
        """Stop it: ``error`` comes with the code ``cancelled``, 2 s later at most."""
        self._client.cancel(self)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Keep the window alive until it is done or the time is over; whether it is done."""
        until = None if timeout_s is None else time.monotonic() + timeout_s
        while not self.is_done and (until is None or time.monotonic() < until):
            qt.QCoreApplication.processEvents()
            time.sleep(0.005)
        return self.is_done

    def is_with_worker(self) -> bool:
        """Whether the worker has it, and has not answered."""
        return self.message is not None and not self.is_answered
