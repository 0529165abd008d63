"""What the panel and its worker say to each other.

The panel sends requests, the worker sends events; each carries the ``id`` of the request that it
belongs to. ``wire`` turns them into lines and back. Volumes travel as files (``exchange``), never
in messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ParetoSegLib.core import errors
from ParetoSegLib.core.geometry import Grid

PROTOCOL = 1
"""Raised when a message changes its meaning; both sides compare it first."""

LONGEST_REQUEST = 1 << 20
"""Bytes of a line from the panel; a request holds names and grids, never voxels."""

LONGEST_EVENT = 1 << 24
"""Bytes of a line from the worker; the largest holds one row for every lesion."""

NO_REQUEST = 0
"""The ``id`` of events that answer no request."""

CANCELLED = "cancelled"
CRASHED = "crashed"
START = "start"
PACKAGES = "packages"
PROTOCOL_CODE = "protocol"
INTERNAL = "internal"

ERROR_CODES: Mapping[str, str] = {
    CANCELLED: "stopped because the panel asked for it",
    CRASHED: "the worker ended in the middle of the request",
    START: "the worker could not be started",
    PACKAGES: "a package that inference needs is not installed",
    PROTOCOL_CODE: "a message, or a file that it names, was not understood",
    "image": "an image cannot be used",
    "geometry": "the images' grids are absurd or do not fit together",
    "model": "the model folder cannot be used, or not for these sequences",
    "device": "the device is not there or has too little memory",
    "memory": "the computer has too little memory",
    "output": "a temporary file cannot be written",
    "usage": "the request asks for something that does not exist",
    INTERNAL: "something that nobody foresaw; the log has the traceback",
}
"""What the code of an ``error`` event says; the sentence beside it is for the user."""


class ProtocolError(errors.ParetoSegError):
    """A message, or a file that a message names, is not what the protocol says."""


@dataclass(frozen=True)
class DeviceInfo:
    """A device that can be asked for.

    Args:
        name: what ``device`` of a request takes: ``cpu``, ``cuda:0``, ``mps``.
        title: for people: ``NVIDIA RTX A4000``, ``CPU``.
    """

    name: str
    title: str


@dataclass(frozen=True)
class Load:
    """Read a model now, so that the first case need not wait for it.

    Args:
        id: of this request.
        model: the model folder.
    """

    id: int
    model: str


@dataclass(frozen=True)
class Options:
    """How a case is segmented; ``None`` leaves the choice to the pipeline.

    Args:
        device: ``auto`` or a ``DeviceInfo.name``.
        overlap: of neighbouring windows, in [0, 0.9].
        tta: average over mirrored copies.
    """

    device: str = "auto"
    overlap: float | None = None
    tta: bool | None = None


@dataclass(frozen=True)
class Segment:
    """Segment the volumes ``<folder>/<sequence>.npy`` of the exchange folder.

    Args:
        id: of this request.
        folder: name of the request's own folder, inside the exchange folder.
        name: of the case, chosen by the user or made up; never a patient's.
        model: the model folder.
        images: where each sequence's voxels are; array axes as in the file.
        options: how.
    """

    id: int
    folder: str
    name: str
    model: str
    images: Mapping[str, Grid]
    options: Options = Options()


@dataclass(frozen=True)
class Refine:
    """Segment the last case again with other options; its volumes are still in the worker.

    Args:
        id: of this request.
        folder: where the new volumes go.
        of: the ``id`` of the request that brought the case.
        options: how.
    """

    id: int
    folder: str
    of: int
    options: Options = Options()


@dataclass(frozen=True)
class Cancel:
    """Stop a request; its own ``error`` event (code ``cancelled``) is the answer.

    Args:
        id: of the request to stop.
    """

    id: int


@dataclass(frozen=True)
class Shutdown:
    """Leave at once, whatever is being done.

    Args:
        id: of this request; nothing answers it.
    """

    id: int


Request = Load | Segment | Refine | Cancel | Shutdown
"""What the panel may send."""


@dataclass(frozen=True)
class Hello:
    """The worker is there.

    Sent twice: at once, and again with ``devices`` when the packages have been loaded, which may
    take seconds.

    Args:
        id: ``NO_REQUEST``.
        protocol: its ``PROTOCOL``.
        version: of ParetoSegLib.
        pid: the worker's own process, which is not the one that was started where a launcher is
            in between.
        devices: best first; ``None`` while they are not known.
    """

    id: int
    protocol: int
    version: str
    pid: int
    devices: tuple[DeviceInfo, ...] | None


@dataclass(frozen=True)
class Progress:
    """How far a request is.

    Args:
        id: of the request.
        stage: what is being done, one word.
        fraction: of the whole request, in [0, 1], never falling.
        seconds: that are left, ``None`` while nobody can tell.
    """

    id: int
    stage: str
    fraction: float
    seconds: float | None


@dataclass(frozen=True)
class Answer:
    """A request is done.

    Args:
        id: of the request.
        result: of a case as ``answers`` describes it; of ``load`` the model's name and fingerprint.
    """

    id: int
    result: Mapping[str, Any]


@dataclass(frozen=True)
class Failure:
    """A request, or with ``NO_REQUEST`` the worker itself, cannot be served.

    Args:
        id: of the request, or ``NO_REQUEST``.
        code: one of ``ERROR_CODES``.
        sentence: for the user.
    """

    id: int
    code: str
    sentence: str


Event = Hello | Progress | Answer | Failure
"""What the worker may send."""


def code_of(error: errors.ParetoSegError) -> str:
    """The code that stands for an error in a ``Failure``."""
    kinds: tuple[tuple[type[errors.ParetoSegError], str], ...] = (
        (ProtocolError, PROTOCOL_CODE),
        (errors.GeometryError, "geometry"),
        (errors.ImageReadError, "image"),
        (errors.ModelFolderError, "model"),
        (errors.DeviceError, "device"),
        (errors.OutputError, "output"),
        (errors.UsageError, "usage"),
    )
    return next((code for kind, code in kinds if isinstance(error, kind)), INTERNAL)
