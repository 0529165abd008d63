"""Windows that slide over a volume, and how their overlapping logits become one volume."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import torch

from ParetoSegLib.core.geometry import Box, bounding_box
from ParetoSegLib.model.calibration import OUTSIDE_LOGIT

Sides = tuple[int, int, int]

SIGMA_SHARE = 0.125
"""Of the patch: the standard deviation of the weights."""

LEAST_WEIGHT = 0.001

LARGEST_LOGIT = 512.0
"""Sums in half precision are cut here: no membership tells such a logit from a larger one."""

LARGEST_SUM = 32768.0
"""Half the largest number that half precision has."""


def scan_windows(shape: Sides, patch: Sides, overlap: float) -> list[Box]:
    """Boxes of size ``patch`` that cover ``shape``, in scan order.

    They start every ⌊patch · (1 − overlap)⌋ voxels, the last one moved back to end with the
    volume. The same as MONAI's ``dense_patch_slices``, whose import takes longer than a case.

    Args:
        shape: voxels along (D, H, W), at least ``patch``.
        patch: window along (D, H, W).
        overlap: of neighbours, as a fraction of the patch, in [0, 1).
    """
    if not 0.0 <= overlap < 1.0:
        raise ValueError(f"overlap is {overlap}; it must lie in [0, 1)")
    if any(size < side for size, side in zip(shape, patch, strict=True)):
        raise ValueError(f"a patch of {patch} does not fit into {shape}")
    starts = []
    for size, side, stride in zip(shape, patch, _strides(patch, overlap), strict=True):
        count = math.ceil((size - side) / stride) + 1
        starts.append([min(number * stride, size - side) for number in range(count)])
    return [
        (slice(d, d + patch[0]), slice(h, h + patch[1]), slice(w, w + patch[2]))
        for d, h, w in product(*starts)
    ]


def most_windows(patch: Sides, overlap: float) -> int:
    """How many windows a voxel lies in at most."""
    # The last window of a row is moved back onto the others: one more along each axis.
    return math.prod(
        math.ceil(side / stride) + 1
        for side, stride in zip(patch, _strides(patch, overlap), strict=True)
    )


def _strides(patch: Sides, overlap: float) -> list[int]:
    return [max(1, int(side * (1.0 - overlap))) for side in patch]


def few_windows(shape: Sides, step: int, overlap: float, most: int) -> Sides:
    """The window that covers a volume in the fewest steps, with no more than ``most`` voxels.

    One that holds everything, if it may be so large; otherwise the longest side is shared out
    until it may.

    Args:
        shape: voxels along (D, H, W) that have to be covered.
        step: sides are multiples of it.
        overlap: of neighbours, as a fraction of the window, in [0, 1).
        most: voxels of a window; it may have more where one of ``step`` along each axis has.
    """
    counts = [1, 1, 1]

    def side(axis: int) -> int:
        # n windows reach over side · (1 + (n − 1)(1 − overlap)) voxels.
        share = shape[axis] / (1 + (counts[axis] - 1) * (1 - overlap))
        return step * max(1, math.ceil(share / step))

    sides = [side(axis) for axis in range(3)]
    while math.prod(sides) > most and max(sides) > step:
        longest = max(range(3), key=lambda axis: sides[axis])
        counts[longest] += 1
        sides[longest] = side(longest)
    return (sides[0], sides[1], sides[2])


def scanned_box(mask: np.ndarray, patch: Sides) -> Box | None:
    """The box around ``mask``, grown to hold a patch where the volume is large enough.

    Growing it keeps real image around small heads where padding would show the network zeros.
    ``None`` for an empty mask.
    """
    box = bounding_box(mask)
    if box is None:
        return None
    grown = []
    for side, size, extent in zip(patch, mask.shape, box, strict=True):
        missing = max(0, min(side, size) - (extent.stop - extent.start))
        start = min(
            max(0, extent.start - missing // 2), size - missing - extent.stop + extent.start
        )
        grown.append(slice(start, start + extent.stop - extent.start + missing))
    return (grown[0], grown[1], grown[2])


def padding(shape: Sides, patch: Sides) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """Voxels to add before and after each axis so that a patch fits."""
    missing = [max(0, side - size) for size, side in zip(shape, patch, strict=True)]
    d, h, w = ((m // 2, m - m // 2) for m in missing)
    return d, h, w


def gaussian_weight(patch: Sides) -> torch.Tensor:
    """Weight ``(D, H, W)`` of each voxel of a window, float32, near 1 at the centre.

    exp(−½ |x − centre|² / (patch/8)²), at least 0.001: windows count where they see context on all
    sides, so no seam is left where one ends, and a corner that nothing else covers still counts.
    The same as MONAI's ``compute_importance_map``.
    """
    weight = torch.ones(())
    for side in patch:
        x = torch.arange(-(side - 1) / 2.0, (side - 1) / 2.0 + 1.0)
        weight = weight[..., None] * torch.exp(x**2 / (-2.0 * (side * SIGMA_SHARE) ** 2))
    return weight.clamp(min=LEAST_WEIGHT)


class Stitcher:
    """Sums of weighted logits and of weights, and their ratio.

    Sums in half precision take half the memory and half the traffic. The weights are then scaled
    by a power of two, as high as the number of overlapping windows allows, so that small logits
    at a window's corner do not vanish below the smallest number there is; the sum of the weights
    stays in single precision.

    Args:
        channels: of the logits.
        shape: of the scanned volume.
        weight: of each voxel of a window, ``(D, H, W)``.
        device: where the sums live.
        half: sums of logits in half precision.
        most: how many windows a voxel lies in at most; read only with ``half``.
    """

    def __init__(
        self,
        channels: int,
        shape: Sides,
        weight: torch.Tensor,
        device: torch.device,
        half: bool = False,
        most: int = 1,
    ) -> None:
        self._half = half
        kind = torch.float16 if half else torch.float32
        scale = 2.0 ** math.floor(math.log2(LARGEST_SUM / (LARGEST_LOGIT * most))) if half else 1.0
        self._logits = torch.zeros((channels, *shape), device=device, dtype=kind)
        self._weights = torch.zeros(shape, device=device)
        self._weight = weight.to(device) * scale

    @property
    def device(self) -> torch.device:
        """Where the sums live."""
        return self._logits.device

    def move(self, device: torch.device) -> None:
        """Take the sums to another device."""
        self._logits = self._logits.to(device)
        self._weights = self._weights.to(device)
        self._weight = self._weight.to(device)

    def add(self, window: Box, logits: torch.Tensor) -> None:
        """Add the logits ``(C, D, H, W)`` of one window."""
        target = self._logits[(slice(None), *window)]
        logits = logits.to(self.device)
        if self._half:
            # Infinity is not a large logit: it must come out as what it is, not a number.
            wide = logits.float().masked_fill(logits.isinf(), torch.nan)
            target += wide.clamp_(-LARGEST_LOGIT, LARGEST_LOGIT).mul_(self._weight)
        else:
            target.addcmul_(logits.to(torch.float32), self._weight)
        self._weights[window] += self._weight

    def result(self) -> np.ndarray:
        """Logits ``(C, D, H, W)``, float32; ``OUTSIDE_LOGIT`` where no window looked.

        The sums are used up by it.
        """
        unseen = self._weights == 0
        self._weights[unseen] = 1.0
        if self._logits.dtype == torch.float32:
            self._logits /= self._weights
            self._logits.masked_fill_(unseen, OUTSIDE_LOGIT)
            return self._logits.cpu().numpy()
        # Channel by channel: all at once would take the memory that half precision saved.
        found = np.empty(self._logits.shape, np.float32)
        for channel, sums in enumerate(self._logits):
            logits = (sums.float() / self._weights).masked_fill_(unseen, OUTSIDE_LOGIT)
            found[channel] = logits.cpu().numpy()
        return found


class Whole:
    """What a single window says of all there is: nothing to blend, in a fraction of the memory."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._logits: torch.Tensor | None = None

    def move(self, device: torch.device) -> None:
        """Take what is kept to another device."""
        self.device = device
        self._logits = self._logits.to(device) if self._logits is not None else None

    def add(self, window: Box, logits: torch.Tensor) -> None:
        """Keep the logits ``(C, D, H, W)`` of the one window."""
        # A copy: a backend may use its memory again.
        self._logits = logits.to(self.device, torch.float32, copy=True)

    def result(self) -> np.ndarray:
        """Logits ``(C, D, H, W)``, float32."""
        if self._logits is None:
            raise ValueError("no window has been looked at")
        return self._logits.cpu().numpy()
