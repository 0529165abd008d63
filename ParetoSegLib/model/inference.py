"""From images to logits: a network slides over the head, on what device and memory there is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import torch

from ParetoSegLib.core.errors import DeviceError, ModelFolderError
from ParetoSegLib.core.geometry import grown
from ParetoSegLib.core.labels import MODALITIES, REGIONS
from ParetoSegLib.model.calibration import OUTSIDE_LOGIT
from ParetoSegLib.model.devices import (
    choose_device,
    describe_device,
    is_out_of_memory,
    is_unsupported,
)
from ParetoSegLib.model.precision import Plan, arrange, plan_for, run_network
from ParetoSegLib.model.windows import (
    Sides,
    Stitcher,
    gaussian_weight,
    padding,
    scan_windows,
    scanned_box,
)

__all__ = ["Logits", "choose_device", "predict_logits"]

logger = logging.getLogger(__name__)

CPU = torch.device("cpu")

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
    network: torch.nn.Module,
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
        progress: called with the fraction of windows done, rising to 1.
        batch: windows at once; by default 4 on a GPU and 1 on a CPU, where more gain nothing.

    Raises:
        DeviceError: even one window does not fit into the memory there is.
        ModelFolderError: the network gives values that are not numbers.
    """
    if images.shape != (len(MODALITIES), *mask.shape) or len(presence) != len(MODALITIES):
        raise ValueError(f"images {images.shape} and mask {mask.shape} do not belong together")
    device = torch.device(device)
    report = progress or (lambda fraction: None)
    box = scanned_box(mask, patch)
    if box is None:
        report(1.0)
        values = np.full((len(REGIONS), *mask.shape), OUTSIDE_LOGIT, np.float32)
        note = "The head mask is empty, so nothing was looked at."
        return Logits(values, describe_device(device), f"torch {torch.__version__}", (note,))
    pads = padding(_shape(mask[box]), patch)
    scanned = torch.from_numpy(np.pad(images[(slice(None), *box)], ((0, 0), *pads)))
    scanned = scanned.to(torch.float32)
    seen = np.pad(mask[box], pads)
    windows = [w for w in scan_windows(_shape(seen), patch, overlap) if seen[w].any()]

    means = _Means(device, batch or (1 if device.type == "cpu" else 4), device)
    work = _Scan(network, scanned, presence, windows, patch, half, tta, report, means)
    training = network.training
    network.eval()
    try:
        found = work.finish()
        if work.plan.half is not None and not np.isfinite(found).all():
            work.note("Half precision gave values that are not numbers; went on in single.")
            work.start_over(half=False)
            found = work.finish()
    finally:
        network.train(training)
        arrange(network, Plan())
        if work.means.device != device:
            _try_to_move(network, device)
    if not np.isfinite(found).all():
        raise ModelFolderError(
            "The network gives values that are not numbers for this case; its weights are damaged "
            "or its training failed, so choose another model."
        )
    values = np.full((len(REGIONS), *mask.shape), OUTSIDE_LOGIT, np.float32)
    inner = tuple(
        slice(before, before + extent.stop - extent.start)
        for (before, _), extent in zip(pads, box, strict=True)
    )
    near = grown(mask[box], RIM_VOXELS)
    values[(slice(None), *box)] = np.where(near, found[(slice(None), *inner)], OUTSIDE_LOGIT)
    backend = f"torch {torch.__version__} {work.plan}"
    return Logits(values, describe_device(work.means.device), backend, tuple(work.notes))


@dataclass(frozen=True)
class _Means:
    """What a scan makes do with: device of the network, windows at once, device of the sums."""

    device: torch.device
    batch: int
    sums: torch.device


def _less(means: _Means) -> tuple[_Means, str] | None:
    """The next smaller means and the sentence that says so; ``None`` where there is none."""
    where = describe_device(means.device)
    if means.batch > 1:
        fewer = means.batch // 2
        return (
            replace(means, batch=fewer),
            f"{where} ran out of memory with {means.batch} windows at once; went on with {fewer}.",
        )
    if means.sums != CPU:
        return (
            replace(means, sums=CPU),
            f"{where} ran out of memory; went on with the sums in the CPU's memory.",
        )
    if means.device != CPU:
        return _Means(CPU, 1, CPU), f"{where} ran out of memory; went on on the CPU."
    return None


class _Scan:
    """One pass over the windows; it keeps what is done when the means shrink."""

    def __init__(
        self,
        network: torch.nn.Module,
        images: torch.Tensor,
        presence: Sequence[bool],
        windows: Sequence[tuple[slice, slice, slice]],
        patch: Sides,
        half: bool | None,
        tta: bool,
        report: Callable[[float], None],
        means: _Means,
    ) -> None:
        self._network = network
        self._images = images
        self._presence = torch.tensor([[float(p) for p in presence]])
        self._windows = windows
        self._patch = patch
        self._half = half
        self._flips = FLIPS if tta else FLIPS[:1]
        self._report = report
        self._stitcher: Stitcher | None = None
        self._ready: torch.device | None = None
        self._done = 0
        self.means = means
        self.plan = Plan()
        self.notes: list[str] = []

    def finish(self) -> np.ndarray:
        """Do all windows; the logits of the scanned volume."""
        while True:
            try:
                self._prepare()
                while self._done < len(self._windows):
                    self._advance()
                assert self._stitcher is not None
                return self._stitcher.result()
            except (RuntimeError, MemoryError) as error:
                if is_unsupported(error, self.means.device):
                    smaller = (
                        _Means(CPU, 1, CPU),
                        "Apple's GPU cannot run this network; went on on the CPU.",
                    )
                elif is_out_of_memory(error):
                    smaller = _less(self.means) or _no_means(self._patch, error)
                else:
                    raise
            # Outside the handler: the exception's frames hold the very tensors that did not fit.
            self._shrink(*smaller)

    def start_over(self, half: bool) -> None:
        """Forget what is done and run in a given precision, with the means and notes so far."""
        self._half, self._stitcher, self._ready, self._done = half, None, None, 0

    def note(self, sentence: str) -> None:
        """Keep a sentence for the user."""
        logger.warning(sentence)
        self.notes.append(sentence)

    def _prepare(self) -> None:
        device = self.means.device
        if self._ready != device:
            self._network.to(device)
            self.plan = plan_for(self._network, device, self._patch, self._half)
            arrange(self._network, self.plan)
            self._images, self._presence = self._images.to(device), self._presence.to(device)
            self._ready = device
        if self._stitcher is None:
            shape = _shape(self._images[0])
            weight = gaussian_weight(self._patch)
            self._stitcher = Stitcher(len(REGIONS), shape, weight, self.means.sums)
        elif self._stitcher.device != self.means.sums:
            self._stitcher.move(self.means.sums)

    def _advance(self) -> None:
        windows = self._windows[self._done : self._done + self.means.batch]
        images = torch.stack([self._images[(slice(None), *w)] for w in windows])
        presence = self._presence.expand(len(windows), -1)
        total: torch.Tensor | None = None
        for flip in self._flips:
            axes = [axis for axis, turned in enumerate(flip, start=2) if turned]
            turned = images.flip(axes) if axes else images
            logits = run_network(self._network, turned, presence, self.plan).float()
            logits = logits.flip(axes) if axes else logits
            total = logits if total is None else total + logits
        assert total is not None
        assert self._stitcher is not None
        # Moved before any of it is added: running out half-way must not count a window twice.
        total = (total / len(self._flips)).to(self._stitcher.device)
        for window, logits in zip(windows, total, strict=True):
            self._stitcher.add(window, logits)
        self._done += len(windows)
        self._report(self._done / len(self._windows))

    def _shrink(self, means: _Means, sentence: str) -> None:
        if self.means.device.type == "cuda":
            torch.cuda.empty_cache()
        self.means = means
        self.note(sentence)


def _no_means(patch: Sides, error: BaseException) -> tuple[_Means, str]:
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
