"""Windows that slide over a volume, and how their overlapping logits become one volume."""

from __future__ import annotations

import numpy as np
import torch

from ParetoSegLib.core.geometry import Box, bounding_box
from ParetoSegLib.model.calibration import OUTSIDE_LOGIT

Sides = tuple[int, int, int]


def scan_windows(shape: Sides, patch: Sides, overlap: float) -> list[Box]:
    """Boxes of size ``patch`` that cover ``shape``, in scan order.

    They start every ⌊patch · (1 − overlap)⌋ voxels, the last one moved back to end with the
    volume.

    Args:
        shape: voxels along (D, H, W), at least ``patch``.
        patch: window along (D, H, W).
        overlap: of neighbours, as a fraction of the patch, in [0, 1).
    """
    from monai.data.utils import dense_patch_slices

    if not 0.0 <= overlap < 1.0:
        raise ValueError(f"overlap is {overlap}; it must lie in [0, 1)")
    if any(size < side for size, side in zip(shape, patch, strict=True)):
        raise ValueError(f"a patch of {patch} does not fit into {shape}")
    strides = [max(1, int(side * (1.0 - overlap))) for side in patch]
    return [(d, h, w) for d, h, w in dense_patch_slices(shape, patch, strides)]


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
    """
    from monai.data.utils import compute_importance_map

    return compute_importance_map(patch, mode="gaussian", sigma_scale=0.125)


class Stitcher:
    """Sums of weighted logits and of weights, and their ratio.

    Args:
        channels: of the logits.
        shape: of the scanned volume.
        weight: of each voxel of a window, ``(D, H, W)``.
        device: where the sums live.
    """

    def __init__(
        self, channels: int, shape: Sides, weight: torch.Tensor, device: torch.device
    ) -> None:
        self._logits = torch.zeros((channels, *shape), device=device)
        self._weights = torch.zeros(shape, device=device)
        self._weight = weight.to(device)

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
        target.addcmul_(logits.to(self.device, torch.float32), self._weight)
        self._weights[window] += self._weight

    def result(self) -> np.ndarray:
        """Logits ``(C, D, H, W)``, float32; ``OUTSIDE_LOGIT`` where no window looked."""
        seen = self._weights > 0
        logits = self._logits / torch.where(seen, self._weights, 1.0)
        return torch.where(seen, logits, OUTSIDE_LOGIT).cpu().numpy()
