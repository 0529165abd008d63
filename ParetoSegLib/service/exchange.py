"""The private folder through which volumes travel, and who may remove it when.

The panel makes the folder and holds a lock in it as long as it lives: the system lets go of the
lock when the process ends, however it ends, so a folder whose lock can be taken is nobody's.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import time
import weakref
from collections.abc import Generator
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np

from ParetoSegLib.core.errors import OutputError
from ParetoSegLib.core.outputs import RETRY_SECONDS
from ParetoSegLib.service.protocol import ProtocolError
from ParetoSegLib.service.wire import is_word

PREFIX = "ParetoSeg-exchange-"
LOCK = "lock"
WORKING = "working"
"""The worker's own, empty working folder inside the exchange folder."""

YOUNG_SECONDS = 60.0
"""A folder this young may belong to a process that has not come round to locking it."""

SLAB_BYTES = 2 << 20
"""Volumes are copied in pieces of this size, so that whoever copies can do something between."""

T = TypeVar("T")


class Exchange:
    """An exchange folder that this process owns.

    Args:
        parent: where to make it; by default the system's folder for temporary files.

    Raises:
        OutputError: the folder cannot be made.
    """

    def __init__(self, parent: Path | None = None) -> None:
        try:
            self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent)).resolve()
            (self.path / WORKING).mkdir()
            lock = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise OutputError(
                f"No temporary folder can be made ({error.strerror}); check that the folder for "
                "temporary files can be written and has space left."
            ) from error
        _take(lock)
        # An owner that is forgotten instead of closed must not hold it for the rest of the day.
        self._let_go = weakref.finalize(self, os.close, lock)

    def make_folder(self, name: str) -> Path:
        """Make the empty folder of one request.

        Raises:
            OutputError: the disk is full, or somebody removed the exchange folder.
        """
        folder = folder_in(self.path, name)
        try:
            folder.mkdir()
        except OSError as error:
            raise _unwritten(name, error) from error
        return folder

    def remove(self, seconds: float = RETRY_SECONDS) -> bool:
        """Let go of the folder and remove it with all that is in it; whether it is gone."""
        self._let_go()
        return remove_folder(self.path, seconds)


def folder_in(exchange: Path, name: str) -> Path:
    """The folder of a request, by the name that a message gives it.

    Raises:
        ProtocolError: the name could lead elsewhere.
    """
    if not is_word(name) or name in (LOCK, WORKING):
        raise ProtocolError(f"{name!r:.40} is no name of a request's folder.")
    return exchange / name


def is_exchange(folder: Path) -> bool:
    """Whether a folder was made by ``Exchange``, of this user: only such a one is ever removed."""
    if not folder.name.startswith(PREFIX) or folder.is_symlink():
        return False
    try:
        owner = folder.stat().st_uid
    except OSError:
        return False
    # Windows has no user numbers, and a temporary folder for each user.
    own = not hasattr(os, "getuid") or owner == os.getuid()
    return own and (folder / WORKING).is_dir()


def sweep(parent: Path, keep: Path | None = None, older_than_s: float = YOUNG_SECONDS) -> int:
    """Remove exchange folders whose owners have died; folders of the living stay.

    Args:
        parent: where to look.
        keep: not looked at.
        older_than_s: younger folders stay in any case.

    Returns:
        How many were removed.
    """
    orphans = [
        folder
        for folder in sorted(parent.glob(PREFIX + "*"))
        if folder != keep and is_exchange(folder) and is_orphan(folder, older_than_s)
    ]
    return sum(remove_folder(folder) for folder in orphans)


def is_orphan(folder: Path, older_than_s: float = 0.0) -> bool:
    """Whether the process that made an exchange folder at least so long ago has ended."""
    lock = folder / LOCK
    try:
        age = time.time() - (lock if lock.exists() else folder).stat().st_mtime
        if age < older_than_s:
            return False
        descriptor = os.open(lock, os.O_RDWR)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        return _take(descriptor)
    finally:
        os.close(descriptor)


def remove_orphan(folder: Path, seconds: float = RETRY_SECONDS) -> bool:
    """Remove an exchange folder once its maker has ended, waiting a moment for that; if it did."""
    deadline = time.monotonic() + seconds
    while not is_orphan(folder):
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.05)
    return remove_folder(folder, seconds)


def remove_folder(folder: Path, seconds: float = RETRY_SECONDS) -> bool:
    """Remove a folder, again while another program holds a file in it; whether it is gone."""
    deadline = time.monotonic() + seconds
    while True:
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.1)


def write_volume(
    path: Path, array: np.ndarray, dtype: np.dtype | type = np.float32
) -> Generator[float, None, None]:
    """Write a ``.npy`` file piece by piece; yields the fraction that is written.

    Args:
        path: of the file; an earlier one is replaced, as when a request is done again.
        array: any memory layout.
        dtype: a plain number type; the values are cast to it.

    Raises:
        OutputError: the disk is full.
    """
    dtype = np.dtype(dtype)
    header = {"descr": dtype.str, "fortran_order": False, "shape": array.shape}
    try:
        with path.open("wb") as stream:
            np.lib.format.write_array_header_1_0(stream, header)
            for start, stop in _slabs(array.shape, dtype.itemsize):
                stream.write(np.ascontiguousarray(array[start:stop], dtype).data)
                yield stop / array.shape[0]
    except OSError as error:
        raise _unwritten(path.name, error) from error


def read_volume(
    path: Path, shape: tuple[int, ...], dtype: np.dtype | type = np.float32
) -> Generator[float, None, np.ndarray]:
    """Read a ``.npy`` file piece by piece; yields the fraction that is read.

    Nothing is mapped and nothing unpickled: the file can be removed as soon as this returns.

    Args:
        path: of the file.
        shape: that the message promised.
        dtype: that the protocol promises.

    Returns:
        The array, through ``StopIteration``: use ``yield from`` or ``finish``.

    Raises:
        ProtocolError: the file is missing, cut short, or holds something else.
    """
    dtype = np.dtype(dtype)
    try:
        with path.open("rb") as stream:
            if _header(stream) != (tuple(shape), False, dtype):
                raise ValueError("another array")
            array = np.empty(shape, dtype)
            for start, stop in _slabs(shape, dtype.itemsize):
                view = array[start:stop].data.cast("B")
                if stream.readinto(view) != len(view):
                    raise ValueError("cut short")
                yield stop / shape[0]
            return array
    except (OSError, ValueError) as error:
        raise ProtocolError(f"The volume {path.name} is missing or damaged.") from error


def finish(work: Generator[object, None, T]) -> T:
    """Do piecewise work in one go."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def _header(stream: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype]:
    try:
        if np.lib.format.read_magic(stream) == (1, 0):
            return np.lib.format.read_array_header_1_0(stream)
    except Exception as error:  # numpy lets its parser's own errors through
        raise ValueError("no header") from error
    raise ValueError("another version")


def _slabs(shape: tuple[int, ...], item_bytes: int) -> list[tuple[int, int]]:
    row = max(1, int(np.prod(shape[1:], dtype=np.int64)) * item_bytes)
    rows = max(1, SLAB_BYTES // row)
    return [(start, min(start + rows, shape[0])) for start in range(0, shape[0], rows)]


def _take(descriptor: int) -> bool:
    """Lock a file for this process, if nobody has; the lock goes with the descriptor."""
    with contextlib.suppress(OSError):
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _unwritten(name: str, error: OSError) -> OutputError:
    return OutputError(
        f"The temporary file {name} cannot be written ({error.strerror}); check that the folder "
        "for temporary files can be written and has space left."
    )
