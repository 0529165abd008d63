"""From images to logits: a network slides over the head, on what device and memory there is."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import torch

from ParetoSegLib.core.errors import DeviceError, ModelFolderError
from ParetoSegLib.core.geometry import bounding_box, grown
from ParetoSegLib.core.labels import MODALITIES, REGIONS
from ParetoSegLib.model.backends.interface import Backend, choose_backend
from ParetoSegLib.model.backends.pytorch import TorchBackend
from ParetoSegLib.model.calibration import OUTSIDE_LOGIT
from ParetoSegLib.model.deferred import DeferredNetwork, whole
from ParetoSegLib.model.devices import (
    choose_device,
    describe_device,
    is_out_of_memory,
    is_unsupported,
)
from ParetoSegLib.model.means import CPU, Means, cpu_means, fewer_means, first_means, plain_means
from ParetoSegLib.model.windows import (
    Sides,
    Stitcher,
    Whole,
    few_windows,
    gaussian_weight,
    most_windows,
    padding,
    scan_windows,
    scanned_box,
)

__all__ = ["Logits", "choose_device", "predict_logits"]

logger = logging.getLogger(__name__)

RIM_VOXELS = 2
"""How far outside the mask tumour may reach: the mask's edge is drawn through partial volumes, but
there is none in the air, whatever a network makes of padding."""

MOST_VOXELS_CPU, MOST_VOXELS_GPU = 6_000_000, 16_000_000
"""Of a window whose size is free."""

FLIPS = tuple(axes for axes in product((False, True), repeat=3))
"""The eight mirror images of a volume."""


@dataclass(frozen=True)
class Logits:
    """What a network says about a volume.

    Args:
        values: float32 ``(3, D, H, W)`` in the order of ``REGIONS``; −15 where no window looked.
        device: where it was computed in the end, in words.
        backend: library, precision and memory layout.
        notes: sentences on anything that did not go as asked.
    """

    values: np.ndarray
    device: str
    backend: str
    notes: tuple[str, ...] = ()


def predict_logits(
    network: torch.nn.Module | DeferredNetwork,
    images: np.ndarray,
    presence: Sequence[bool],
    mask: np.ndarray,
    patch: Sides,
    overlap: float = 0.25,
    device: torch.device | str = CPU,
    half: bool | None = None,
    tta: bool = False,
    progress: Callable[[float], None] | None = None,
    batch: int | None = None,
    backend: str = "torch",
    step: int = 0,
) -> Logits:
    """Slide a network over the box around ``mask`` and blend what it says.

    Windows without a voxel of ``mask`` are skipped: that changes nothing inside the mask, since
    they do not reach it. Farther than ``RIM_VOXELS`` from the mask the logit is −15. If memory runs
    out, fewer windows at once are tried, then sums on the CPU, then the CPU alone, and ``notes``
    says so. The network ends up as it came: in its mode, in contiguous memory, on ``device``.

    Args:
        network: ``(images (B, 4, D, H, W), presence (B, 4)) → logits (B, 3, D, H, W)``.
        images: float32 ``(4, D, H, W)`` in the order of ``MODALITIES``, 0 where absent.
        presence: which of them are there.
        mask: bool ``(D, H, W)``, the brain or head.
        patch: window along (D, H, W), in voxels.
        overlap: of neighbouring windows, as a fraction of the patch, in [0, 1).
        device: from ``choose_device``.
        half: use a 16-bit type, or not; ``None`` times both and may choose differently on another
            day. With it given, equal inputs give equal results on a CPU, bit for bit.
        tta: average the logits over the eight mirror images.
        progress: called with the fraction of windows done, rising to 1; what it raises ends the
            work before the next window.
        batch: windows at once; by default 4 on a GPU and 1 on a CPU, where more gain nothing.
        backend: ``auto``, ``torch`` or ``openvino``, see ``choose_backend``. Where ``auto`` finds
            that OpenVINO cannot run the network, PyTorch does and ``notes`` says so.
        step: from ``window_step``. Above 0, windows are as few and large as memory allows; where
            they do not fit, those of ``patch`` are taken and ``notes`` says so.

    Raises:
        DeviceError: even one window does not fit into the memory there is, or the backend that
            was asked for is not there or cannot run the network.
        ModelFolderError: the network gives values that are not numbers.
    """
    if images.shape != (len(MODALITIES), *mask.shape) or len(presence) != len(MODALITIES):
        raise ValueError(f"images {images.shape} and mask {mask.shape} do not belong together")
    device = torch.device(device)
    chosen = choose_backend(backend, device)
    report = progress or (lambda fraction: None)
    tight = bounding_box(mask)
    if tight is None:
        report(1.0)
        values = np.full((len(REGIONS), *mask.shape), OUTSIDE_LOGIT, np.float32)
        note = "The head mask is empty, so nothing was looked at."
        return Logits(values, describe_device(device), f"torch {torch.__version__}", (note,))

    def look(window: Sides, may_shrink: bool) -> Logits:
        scan = _Scan(network, images, presence, mask, window, overlap, half, tta)
        scan.means = first_means(chosen, device, batch)
        scan.strict, scan.any_window = backend == "openvino", bool(step)
        scan.may_shrink = may_shrink
        return scan.logits(report)

    if not step:
        return look(patch, False)
    most = MOST_VOXELS_CPU if device.type == "cpu" else MOST_VOXELS_GPU
    large = few_windows(_shape(mask[tight]), step, overlap, most)
    may_shrink = math.prod(large) > math.prod(patch)
    try:
        return look(large, may_shrink)
    except _TooLarge as error:
        note = str(error)
    # Outside the handler: the exception's frames hold the very tensors that did not fit.
    logger.warning(note)
    if device.type == "cuda":
        torch.cuda.empty_cache()
    found = look(patch, False)
    return replace(found, notes=(note, *found.notes))


class _TooLarge(Exception):
    """Memory ran out with windows that could be smaller; the message says so."""


class _Scan:
    """One pass over the windows; it keeps what is done when the means shrink."""

    def __init__(
        self,
        network: torch.nn.Module | DeferredNetwork,
        images: np.ndarray,
        presence: Sequence[bool],
        mask: np.ndarray,
        patch: Sides,
        overlap: float,
        half: bool | None,
        tta: bool,
    ) -> None:
        box = scanned_box(mask, patch)
        assert box is not None
        pads = padding(_shape(mask[box]), patch)
        seen, scanned = mask[box], images[(slice(None), *box)]
        if any(before or after for before, after in pads):
            seen, scanned = np.pad(seen, pads), np.pad(scanned, ((0, 0), *pads))
        self._mask, self._box = mask, box
        self._inner = tuple(
            slice(before, before + extent.stop - extent.start)
            for (before, _), extent in zip(pads, box, strict=True)
        )
        self._seen = _shape(seen)
        self._network = network
        self._images = torch.from_numpy(np.asarray(scanned, np.float32))
        self._presence = torch.tensor([[float(p) for p in presence]])
        self._windows = [w for w in scan_windows(self._seen, patch, overlap) if seen[w].any()]
        self._patch, self._overlap = patch, overlap
        self._half = half
        self._flips = FLIPS if tta else FLIPS[:1]
        self._stitcher: Stitcher | Whole | None = None
        self._backend: Backend | None = None
        self._done = 0
        self.means: Means
        """What it has to make do with; set before anything is run."""
        self.described, self.was_half = "", False
        self.strict = False
        """Whether another backend than the one at hand would be against the user's word."""
        self.any_window = False
        """Whether the network takes windows of other sizes, too."""
        self.may_shrink = False
        """Whether smaller windows are to be tried before fewer means."""
        self.notes: list[str] = []

    def logits(self, report: Callable[[float], None]) -> Logits:
        """Do everything; what the network says on the grid of the mask."""
        device, mask = self.means.device, self._mask
        # In half precision on a GPU, unless single was asked for; a CPU adds no faster in half.
        self._half_sums = device.type != "cpu" and self._half is not False
        try:
            found = self.finish(report)
            if self.was_half and not np.isfinite(found).all():
                self.note("Half precision gave values that are not numbers; went on in single.")
                self._half_sums = False
                self.start_over()
                found = self.finish(report)
        finally:
            self.close()
            if self.means.device != device:
                _try_to_move(whole(self._network), device)
        if not np.isfinite(found).all():
            raise ModelFolderError(
                "The network gives values that are not numbers for this case; its weights are "
                "damaged or its training failed, so choose another model."
            )
        found = found[(slice(None), *self._inner)]
        np.copyto(found, np.float32(OUTSIDE_LOGIT), where=~grown(mask[self._box], RIM_VOXELS))
        if found.shape[1:] != mask.shape:
            values = np.full((len(REGIONS), *mask.shape), OUTSIDE_LOGIT, np.float32)
            values[(slice(None), *self._box)] = found
            found = values
        described = describe_device(self.means.device)
        return Logits(found, described, self.described, tuple(self.notes))

    def finish(self, report: Callable[[float], None]) -> np.ndarray:
        """Do all windows; the logits of the scanned volume."""
        while True:
            try:
                stitcher = self._prepare()
                if self._done == len(self._windows):
                    return stitcher.result()
                self._advance(stitcher)
            except (RuntimeError, MemoryError, DeviceError) as error:
                smaller = self._smaller(error)
                if smaller is None:
                    raise
            else:
                # Not among what is caught: a caller that cancels raises what it likes.
                report(self._done / len(self._windows))
                continue
            # Outside the handler: the exception's frames hold the very tensors that did not fit.
            self._shrink(*smaller)

    def start_over(self) -> None:
        """Forget what is done and run in single precision, with the means and notes so far."""
        self.close()
        self._half, self._stitcher, self._done = False, None, 0

    def note(self, sentence: str) -> None:
        """Keep a sentence for the user."""
        logger.warning(sentence)
        self.notes.append(sentence)

    def close(self) -> None:
        """Let go of the backend; the network is as it was."""
        if self._backend is not None:
            self._backend.close()
            self._backend = None

    def _prepare(self) -> Stitcher | Whole:
        means = self.means
        if self._backend is None:
            if means.backend == "openvino":
                from ParetoSegLib.model.backends.openvino_cpu import OpenVINOBackend

                self._backend = OpenVINOBackend(
                    self._network, self._patch, self._half, self.any_window
                )
            else:
                network = whole(self._network)
                self._backend = TorchBackend(network, means.device, self._patch, self._half)
            self.described, self.was_half = str(self._backend), self._backend.is_half
            self._images = self._images.to(means.device)
            self._presence = self._presence.to(means.device)
        if self._stitcher is None:
            self._stitcher = self._new_stitcher(means.sums)
        elif self._stitcher.device != means.sums:
            self._stitcher.move(means.sums)
        return self._stitcher

    def _new_stitcher(self, device: torch.device) -> Stitcher | Whole:
        if len(self._windows) == 1 and self._patch == self._seen:
            return Whole(device)
        most = most_windows(self._patch, self._overlap)
        weight = gaussian_weight(self._patch)
        return Stitcher(len(REGIONS), self._seen, weight, device, self._half_sums, most)

    def _advance(self, stitcher: Stitcher | Whole) -> None:
        windows = self._windows[self._done : self._done + self.means.batch]
        images = torch.stack([self._images[(slice(None), *w)] for w in windows])
        presence = self._presence.expand(len(windows), -1)
        assert self._backend is not None
        total: torch.Tensor | None = None
        for flip in self._flips:
            axes = [axis for axis, turned in enumerate(flip, start=2) if turned]
            logits = self._backend.run(images.flip(axes) if axes else images, presence)
            logits = logits.flip(axes) if axes else logits
            # The first is copied where more follow: the next call may use its memory again.
            if total is None:
                total = logits.to(torch.float32, copy=len(self._flips) > 1)
            else:
                total += logits
        assert total is not None
        if len(self._flips) > 1:
            total /= len(self._flips)
        # Moved before any of it is added: running out half-way must not count a window twice.
        total = total.to(stitcher.device)
        for window, logits in zip(windows, total, strict=True):
            stitcher.add(window, logits)
        self._done += len(windows)

    def _smaller(self, error: BaseException) -> tuple[Means, str] | None:
        """What to go on with after a failure; ``None`` where it is not about the means."""
        if is_out_of_memory(error):
            if self.may_shrink:
                where = describe_device(self.means.device)
                raise _TooLarge(
                    f"{where} ran out of memory with windows of {_times(self._patch)} voxels; "
                    "went on with smaller ones."
                )
            return fewer_means(self.means) or _no_means(self._patch, error)
        if is_unsupported(error, self.means.device):
            return cpu_means(), "Apple's GPU cannot run this network; went on on the CPU."
        if isinstance(error, DeviceError) and self.means.backend == "openvino" and not self.strict:
            sentence = str(error).rstrip(".")
            return plain_means(self.means), f"{sentence}; went on with PyTorch."
        return None

    def _shrink(self, means: Means, sentence: str) -> None:
        if means.device != self.means.device or means.backend != self.means.backend:
            self.close()
        if self.means.device.type == "cuda":
            torch.cuda.empty_cache()
        self.means = means
        self.note(sentence)


def _no_means(patch: Sides, error: BaseException) -> tuple[Means, str]:
    raise DeviceError(
        f"There is too little memory for one window of {_times(patch)} voxels; "
        "close other programs or choose a smaller model."
    ) from error


def _try_to_move(network: torch.nn.Module, device: torch.device) -> None:
    try:
        network.to(device)
    except RuntimeError:
        logger.warning("The network stays on the CPU: it no longer fits on %s.", device)
        network.to(CPU)


def _times(sides: Sides) -> str:
    return "×".join(str(side) for side in sides)


def _shape(volume: np.ndarray | torch.Tensor) -> Sides:
    d, h, w = volume.shape
    return d, h, w
