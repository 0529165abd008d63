"""Volumes to and from the worker, in pieces so small that the window stays alive between them."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import qt

from ParetoSegLib.core.geometry import Grid
from ParetoSegLib.data.case import Case
from ParetoSegLib.review.result import Result
from ParetoSegLib.service.answers import result_from, type_of, volume_names
from ParetoSegLib.service.exchange import read_volume, write_volume

SLICE_SECONDS = 0.01
"""Of work between two looks at what the user does."""

T = TypeVar("T")
Work = Generator[float, None, T]


class Slices(Generic[T]):
    """Piecewise work that the GUI thread does when it has nothing else to do.

    Args:
        work: yields the fraction that is done and returns the outcome.
        on_fraction: called between pieces.
        on_done: called with the outcome.
        on_failed: called with whatever the work raised.
    """

    def __init__(
        self,
        work: Work[T],
        on_fraction: Callable[[float], None],
        on_done: Callable[[T], None],
        on_failed: Callable[[Exception], None],
    ) -> None:
        self._work = work
        self._on_fraction, self._on_done, self._on_failed = on_fraction, on_done, on_failed
        self._stopped = False
        qt.QTimer.singleShot(0, self._continue)

    def stop(self) -> None:
        """Do no more of it and call nobody; files that it held open are closed."""
        self._stopped = True
        self._work.close()

    def _continue(self) -> None:
        if self._stopped:
            return
        until = time.monotonic() + SLICE_SECONDS
        fraction, tell = 0.0, None
        try:
            while time.monotonic() < until:
                fraction = next(self._work)
        except StopIteration as end:
            outcome = end.value
            tell = lambda: self._on_done(outcome)  # noqa: E731
        except Exception as error:
            failure = error
            tell = lambda: self._on_failed(failure)  # noqa: E731
        if tell is not None:
            # Outside the handlers, so that what a callback raises is its own.
            self._stopped = True
            tell()
            return
        self._on_fraction(fraction)
        if not self._stopped:
            qt.QTimer.singleShot(0, self._continue)


def sent_images(folder: Path, images: Mapping[str, tuple[np.ndarray, Grid]]) -> Work[None]:
    """Write each image as ``<sequence>.npy``, float32; yields the fraction that is written.

    Raises:
        OutputError: the disk is full.
    """
    for number, (modality, (array, _grid)) in enumerate(images.items()):
        for fraction in write_volume(folder / f"{modality}.npy", array):
            yield (number + fraction) / len(images)


def received_result(folder: Path, content: Mapping[str, Any], case: Case) -> Work[Result]:
    """Read a result's volumes and put it together; yields the fraction that is read.

    Raises:
        ProtocolError: a file is missing or damaged, or the message is no result of this case.
    """
    names = volume_names(content)
    volumes = {}
    for number, name in enumerate(names):
        work = read_volume(folder / f"{name}.npy", case.grid.shape, type_of(name))
        while True:
            try:
                fraction = next(work)
            except StopIteration as end:
                volumes[name] = end.value
                break
            yield (number + fraction) / len(names)
    return result_from(content, volumes, case)
