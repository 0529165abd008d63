"""A scene with volumes, results painted on them, and a worker that answers when it is told to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import slicer
from ParetoSegPanel.result_nodes import load_result
from ParetoSegPanel.volumes import add_volume

from ParetoSegLib.core.geometry import Grid
from ParetoSegLib.review.result import Result
from ParetoSegLib.service.protocol import DeviceInfo
from Testing.measure.memberships import Ball
from Testing.review.cases import CANDIDATE, NATIVE, THREE, painted

NAMES = {"t1c": "Patient T1c", "t1n": "Patient T1", "t2w": "Patient T2", "t2f": "Patient FLAIR"}

FORTY = tuple(
    Ball((4 + 6 * d, 4 + 6 * h, 4 + 5 * w), 1.6, 0.3)
    for d in range(2)
    for h in range(4)
    for w in range(5)
)
"""Forty lesions side by side, on the grid of ``MANY``."""

MANY = replace(NATIVE, shape=(24, 40, 32))


def add_image(name: str, native: Grid = NATIVE, seed: int = 0) -> Any:
    """A volume node of noise on the grid of the painted results."""
    noise = np.random.default_rng(seed).normal(100, 5, native.shape).astype(np.float32)
    return add_volume(noise, native, name)


def add_images(modalities: Sequence[str] = ("t1c", "t2f"), native: Grid = NATIVE) -> dict[str, Any]:
    """Volume nodes by modality, named as a hospital might."""
    return {m: add_image(NAMES[m], native, i) for i, m in enumerate(modalities)}


def add_result(reference: Any, balls: Sequence[Ball] = (*THREE, CANDIDATE)) -> Any:
    """A result in the scene, on ``reference``."""
    return load_result(painted(balls), reference, f"{reference.GetName()} ParetoSeg")


class FakePending:
    """A request that waits for ``FakeClient.answer`` or ``fail``."""

    def __init__(self, request: Any, callbacks: tuple[Any, ...]) -> None:
        self.request = request
        self.on_progress, self.on_result, self.on_error, self.on_log = callbacks
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class FakeClient:
    """Stands in for ``WorkerClient``: nothing runs, the test says what comes back."""

    def __init__(self) -> None:
        self.pendings: list[FakePending] = []
        self.loaded: list[Any] = []
        self.asked = 0
        self.is_shut_down = False

    def segment(self, request: Any, *callbacks: Any) -> FakePending:
        self.pendings.append(FakePending(request, callbacks))
        return self.pendings[-1]

    def ask_devices(self, on_devices: Any) -> None:
        self.asked += 1
        on_devices([DeviceInfo("cuda:0", "NVIDIA Test"), DeviceInfo("cpu", "CPU")])

    def load(self, model_folder: Any) -> None:
        self.loaded.append(model_folder)

    def shutdown(self) -> None:
        self.is_shut_down = True

    @property
    def last(self) -> FakePending:
        return self.pendings[-1]

    def answer(self, result: Result | None = None) -> None:
        self.last.on_result(result or painted((*THREE, CANDIDATE)))

    def fail(self, code: str, sentence: str) -> None:
        self.last.on_error(code, sentence)


def layers() -> Mapping[str, tuple[Any, ...]]:
    """What each slice view shows."""
    views = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    return {
        view.GetID(): (
            view.GetBackgroundVolumeID(),
            view.GetForegroundVolumeID(),
            view.GetForegroundOpacity(),
        )
        for view in views
    }
