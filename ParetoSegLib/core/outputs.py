"""Outputs that appear whole or not at all: written beside their place, then renamed into it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ParetoSegLib.core.errors import OutputError

RETRY_SECONDS = 2.0
"""Virus scanners hold fresh files open for a moment on Windows; rename and delete wait for them."""


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Give an empty ``<target>.partial`` to write into; it replaces ``target`` on success.

    On any exception (Ctrl-C included) the partial folder is removed and ``target`` is as it was.

    Raises:
        OutputError: the place cannot be written, or the disk is full.
    """
    partial = target.with_name(target.name + ".partial")
    try:
        if partial.exists():
            _retried(lambda: shutil.rmtree(partial))
        partial.mkdir(parents=True)
    except OSError as error:
        raise _cannot_write(target, error) from error
    try:
        yield partial
        old = target.with_name(target.name + ".replaced")
        if old.exists():
            _retried(lambda: shutil.rmtree(old))
        if target.exists():
            _retried(lambda: target.rename(old))
        try:
            _retried(lambda: partial.rename(target))
        except BaseException:
            if old.exists() and not target.exists():
                _retried(lambda: old.rename(target))
            raise
        if old.exists():
            _retried(lambda: shutil.rmtree(old))
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)
        if isinstance(error, OSError):
            raise _cannot_write(target, error) from error
        raise


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """Give a path beside ``target`` to write to; it replaces ``target`` on success.

    The suffixes are kept, since image writers choose the format by them.

    Raises:
        OutputError: the place cannot be written, or the disk is full.
    """
    partial = target.with_name(".partial-" + target.name)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        with partial.open("rb+") as stream:
            os.fsync(stream.fileno())
        _retried(lambda: os.replace(partial, target))
    except BaseException as error:
        partial.unlink(missing_ok=True) if partial.parent.is_dir() else None
        if isinstance(error, OSError):
            raise _cannot_write(target, error) from error
        raise


def _retried(action: Callable[[], object]) -> None:
    """Run a rename or delete, again for up to ``RETRY_SECONDS`` while it is refused."""
    deadline = time.monotonic() + RETRY_SECONDS
    while True:
        try:
            action()
            return
        except PermissionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _cannot_write(target: Path, error: OSError) -> OutputError:
    # Some writers say only how many bytes they got rid of: that is a full disk.
    why = error.strerror or "it could not be written whole"
    return OutputError(
        f"The output {target.name} cannot be written ({why}); "
        "choose a folder you may write to, with space left."
    )
