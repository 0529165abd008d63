"""The falx: the sheet between the hemispheres that neither core nor edema grows through."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ParetoSegLib.core.geometry import Box
from ParetoSegLib.data.synthesis.landmarks import Frame

_LOWEST = 0.42
"""Its lower border, as a share of the brain's height: about the corpus callosum's."""


@dataclass(frozen=True)
class Falx:
    """Where the middle of the head is.

    Args:
        column: voxel coordinate of the midsagittal surface along the last axis, ``(D, H)``.
        lowest: first slice that the falx reaches down to.
        spacing_mm: of the grid.
    """

    column: np.ndarray
    lowest: int
    spacing_mm: tuple[float, float, float]

    @classmethod
    def of(cls, tissues: np.ndarray, spacing_mm: tuple[float, float, float]) -> Falx | None:
        """The falx of a head ``(D, H, W)``; ``None`` where too little brain shows its place."""
        frame = Frame.of(tissues, spacing_mm)
        if frame is None:
            return None
        z, y = np.meshgrid(np.arange(tissues.shape[0]), np.arange(tissues.shape[1]), indexing="ij")
        lowest = frame.low[0] + _LOWEST * (frame.high[0] - frame.low[0])
        return cls(frame.x_middle(z, y).astype(np.float32), int(lowest), spacing_mm)

    def offset_mm(self, box: Box) -> np.ndarray:
        """Distance of every voxel of a box from the middle, negative on the right, float32."""
        x = np.arange(box[2].start, box[2].stop, dtype=np.float32)
        offset = x[None, None, :] - self.column[box[0], box[1]][:, :, None]
        return np.asarray(offset * np.float32(self.spacing_mm[2]))

    def offset_at(self, points_mm: np.ndarray) -> np.ndarray:
        """The same for points ``(N, 3)`` in millimetres, array order."""
        index = np.rint(points_mm / np.array(self.spacing_mm)).astype(int)
        limit = np.array(self.column.shape) - 1
        z, y = np.clip(index[:, :2], 0, limit).T
        return np.asarray(points_mm[:, 2] - self.column[z, y] * self.spacing_mm[2])

    def other_side(self, centre_mm: tuple[float, float, float], box: Box) -> np.ndarray:
        """Boolean mask of a box: what the falx separates from a point; nothing if it is on it."""
        own = float(self.offset_at(np.array([centre_mm]))[0])
        offset = self.offset_mm(box)
        if abs(own) < 2.0:
            return np.zeros(offset.shape, bool)
        beyond = offset * np.sign(own) < 0.75
        beyond[: max(0, self.lowest - box[0].start)] = False
        return beyond
