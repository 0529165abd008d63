"""One request, from volumes in the scene to the nodes of a result; knows no widget."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import qt
import slicer
from slicer.i18n import tr as _

from ParetoSegLib.core.errors import ParetoSegError, UsageError
from ParetoSegLib.core.labels import MODALITIES, REFERENCE_ORDER
from ParetoSegLib.review.result import Result
from ParetoSegPanel.choices import PARTS, RESULT_ATTRIBUTE
from ParetoSegPanel.result_nodes import load_result
from ParetoSegPanel.volumes import image_of
from ParetoSegPanel.worker_requests import SegmentRequest

CASE_NAME = "case"
"""What the worker calls every case: names in the scene may be patients' names."""

PAUSE_SECONDS = 0.005
"""Between two looks at Slicer's events while someone waits for a run."""


class Pending(Protocol):
    """A request on its way, as ``WorkerClient`` hands it out."""

    def cancel(self) -> None:
        """Stop it; no callback comes afterwards but the error ``cancelled``."""


class Client(Protocol):
    """What a run needs of ``WorkerClient``."""

    def segment(
        self,
        request: SegmentRequest,
        on_progress: Callable[[str, float, float | None], None],
        on_result: Callable[[Result], None],
        on_error: Callable[[str, str], None],
        on_log: Callable[[str], None],
    ) -> Pending:
        """Send a request to the worker, which is started if it does not run."""


def _nothing(*_arguments: object) -> None:
    return None


@dataclass(frozen=True)
class RunEvents:
    """What is told while a run goes on, on the GUI thread.

    Args:
        progress: stage, fraction, seconds left or ``None``.
        finished: the nodes of the result, already in the scene.
        failed: code and sentence.
        log: one line.
    """

    progress: Callable[[str, float, float | None], None] = _nothing
    finished: Callable[[Any], None] = _nothing
    failed: Callable[[str, str], None] = _nothing
    log: Callable[[str], None] = _nothing


class SegmentationRun:
    """Segments volumes of the scene; the scene changes only when the result has come.

    Args:
        client: talks with the worker.
        volumes: scalar volume nodes by modality, at least one.
        model_folder: of the model.
        device: ``auto``, ``cpu``, ``cuda:N`` or ``mps``.
        segments: which segments the result gets.
        events: whom to tell.

    Raises:
        UsageError: there is no volume, or a sequence has an unknown name.
    """

    def __init__(
        self,
        client: Client,
        volumes: Mapping[str, Any],
        model_folder: Path,
        device: str,
        segments: str,
        events: RunEvents = RunEvents(),
    ) -> None:
        unknown = sorted(set(volumes) - set(MODALITIES))
        if unknown or not volumes:
            named = unknown[0] if unknown else _("nothing")
            raise UsageError(
                _("{named} is no image to segment; give volumes for {names}.").format(
                    named=named, names=", ".join(MODALITIES)
                )
            )
        reference = next(volumes[m] for m in REFERENCE_ORDER if m in volumes)
        self._reference = reference
        self._name = _("{image} ParetoSeg").format(image=reference.GetName())
        self._segments = segments
        self._events = events
        self._cancelled = False
        self.case: Any = None
        """The nodes of the result, once it has come."""
        self.error: tuple[str, str] | None = None
        """Code and sentence, once it has failed."""
        self._client = client
        self._model_folder = model_folder
        self._device = device
        self._to_read = [(m, volumes[m]) for m in MODALITIES if m in volumes]
        self._images: dict[str, Any] = {}
        self._pending: Pending | None = None
        qt.QTimer.singleShot(0, self._read_next)

    @property
    def is_done(self) -> bool:
        """Whether there is a result, an error, or an end by ``cancel``."""
        return self._cancelled or self.case is not None or self.error is not None

    def cancel(self) -> None:
        """Stop; the scene stays as it was."""
        if not self.is_done:
            self._cancelled = True
            if self._pending is not None:
                self._pending.cancel()

    def wait(self) -> Any:
        """Return the nodes of the result when it is there; Slicer stays alive meanwhile.

        Raises:
            ParetoSegError: the run failed or was cancelled; its sentence.
        """
        while not self.is_done:
            qt.QCoreApplication.processEvents()
            time.sleep(PAUSE_SECONDS)
        if self.case is None:
            raise ParetoSegError(self.error[1] if self.error else _("The run was cancelled."))
        return self.case

    def _read_next(self) -> None:
        """Copy one image, then let Slicer breathe: four at once would be felt."""
        if self._cancelled:
            return
        try:
            if self._to_read:
                modality, volume = self._to_read.pop(0)
                self._images[modality] = image_of(volume)
                qt.QTimer.singleShot(0, self._read_next)
                return
            request = SegmentRequest(self._images, self._model_folder, self._device, CASE_NAME)
            self._pending = self._client.segment(
                request,
                self._events.progress,
                self._on_result,
                self._on_error,
                self._events.log,
            )
            self._images = {}
        except ParetoSegError as error:
            self._on_error("image", str(error))

    def _on_result(self, result: Result) -> None:
        if self._cancelled:
            return
        if not slicer.mrmlScene.IsNodePresent(self._reference):
            self._on_error(
                "scene", _("The image was removed from the scene while it was being segmented.")
            )
            return
        try:
            case = load_result(result, self._reference, self._name, self._segments == PARTS)
        except ParetoSegError as error:
            self._on_error("result", str(error))
            return
        case.segmentation.SetAttribute(RESULT_ATTRIBUTE, "1")
        self.case = case
        self._events.finished(case)

    def _on_error(self, code: str, sentence: str) -> None:
        if self._cancelled:
            return
        self.error = (code, sentence)
        self._events.failed(code, sentence)
