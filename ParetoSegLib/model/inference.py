"""From images to logits: a network slides over the head, on what device and memory there is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch

from ParetoSegLib.core.errors import DeviceError, ModelFolderError
from ParetoSegLib.core.geometry import grown
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
    box = scanned_box(mask, patch)
    if box is None:
        report(1.0)
        values = np.full((len(REGIONS), *mask.shape), OUTSIDE_LOGIT, np.float32)
        note = "The head mask is empty, so nothing was looked at."
        return Logits(values, describe_device(device), f"torch {torch.__version__}", (note,))
    pads = padding(_shape(mask[box]), patch)
    seen, scanned = mask[box], images[(slice(None), *box)]
    if any(before or after for before, after in pads):
        seen, scanned = np.pad(seen, pads), np.pad(scanned, ((0, 0), *pads))
    windows = [w for w in scan_windows(_shape(seen), patch, overlap) if seen[w].any()]

    means = first_means(chosen, device, batch)
    # In half precision on a GPU, unless single was asked for; a CPU adds no faster in half.
    half_sums = device.type != "cpu" and half is not False
    most = most_windows(patch, overlap)
    weight = gaussian_weight(patch)

    def stitcher(where: torch.device) -> Stitcher:
        return Stitcher(len(REGIONS), _shape(seen), weight, where, half_sums, most)

    flips = FLIPS if tta else FLIPS[:1]
    work = _Scan(network, scanned, presence, windows, patch, half, flips, stitcher, means)
    work.strict = backend == "openvino"
    try:
        found = work.finish(report)
        if work.was_half and not np.isfinite(found).all():
            work.note("Half precision gave values that are not numbers; went on in single.")
            half_sums = False
            work.start_over()
            found = work.finish(report)
    finally:
        work.close()
        if work.means.device != device:
            _try_to_move(whole(network), device)
    if not np.isfinite(found).all():
        raise ModelFolderError(
            "The network gives values that are not numbers for this case; its weights are damaged "
            "or its training failed, so choose another model."
        )
    inner = tuple(
        slice(before, before + extent.stop - extent.start)
        for (before, _), extent in zip(pads, box, strict=True)
    )
    found = found[(slice(None), *inner)]
    np.copyto(found, np.float32(OUTSIDE_LOGIT), where=~grown(mask[box], RIM_VOXELS))
    if found.shape[1:] != mask.shape:
        values = np.full((len(REGIONS), *mask.shape), OUTSIDE_LOGIT, np.float32)
        values[(slice(None), *box)] = found
        found = values
    return Logits(found, describe_device(work.means.device), work.described, tuple(work.notes))


class _Scan:
    """One pass over the windows; it keeps what is done when the means shrink."""

    def __init__(
        self,
        network: torch.nn.Module | DeferredNetwork,
        images: np.ndarray,
        presence: Sequence[bool],
        windows: Sequence[tuple[slice, slice, slice]],
        patch: Sides,
        half: bool | None,
        flips: Sequence[tuple[bool, ...]],
        stitcher: Callable[[torch.device], Stitcher],
        means: Means,
    ) -> None:
        self._network = network
        self._images = torch.from_numpy(np.asarray(images, np.float32))
        self._presence = torch.tensor([[float(p) for p in presence]])
        self._windows = windows
        self._patch = patch
        self._half = half
        self._flips = flips
        self._make_stitcher = stitcher
        self._stitcher: Stitcher | None = None
        self._backend: Backend | None = None
        self._done = 0
        self.means = means
        self.described, self.was_half = "", False
        self.strict = False
        """Whether another backend than the one at hand would be against the user's word."""
        self.notes: list[str] = []

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

    def _prepare(self) -> Stitcher:
        means = self.means
        if self._backend is None:
            if means.backend == "openvino":
                from ParetoSegLib.model.backends.openvino_cpu import OpenVINOBackend

                self._backend = OpenVINOBackend(self._network, self._patch, self._half)
            else:
                network = whole(self._network)
                self._backend = TorchBackend(network, means.device, self._patch, self._half)
            self.described, self.was_half = str(self._backend), self._backend.is_half
            self._images = self._images.to(means.device)
            self._presence = self._presence.to(means.device)
        if self._stitcher is None:
            self._stitcher = self._make_stitcher(means.sums)
        elif self._stitcher.device != means.sums:
            self._stitcher.move(means.sums)
        return self._stitcher

    def _advance(self, stitcher: Stitcher) -> None:
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
        f"There is too little memory for one window of {patch[0]}×{patch[1]}×{patch[2]} voxels; "
        "close other programs or choose a smaller model."
    ) from error


def _try_to_move(network: torch.nn.Module, device: torch.device) -> None:
    try:
        network.to(device)
    except RuntimeError:
        logger.warning("The network stays on the CPU: it no longer fits on %s.", device)
        network.to(CPU)


def _shape(volume: np.ndarray | torch.Tensor) -> Sides:
    d, h, w = volume.shape
    return d, h, w
