"""Does a membership of 0.7 mean "tumour in 7 of 10 voxels": ECE and Brier against hard masks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ParetoSegLib.core.geometry import bounding_box, padded_box, signed_distance

BINS = 15
"""Equally wide bins of membership."""

BAND_MM = 3.0
"""Half-width of the boundary band."""

RULE = (
    "membership against the hard mask, voxel by voxel; ECE = Σ_bins n_bin/n · |mean membership − "
    "share of tumour voxels| over 15 equally wide bins, Brier = mean (membership − mask)²; brain: "
    "the brain or head of the reference image together with the reference and predicted region; "
    "lesions: the widest region that both have, reference and prediction together; "
    "band: |s| ≤ 3 mm, s the signed distance to the region's reference surface; all voxels of all "
    "cases pooled, and one value per case"
)


@dataclass(frozen=True)
class Reliability:
    """Sums by bin of membership, which add over cases.

    Args:
        voxels: in each bin.
        membership: sum of the membership in each bin.
        tumour: reference voxels in each bin.
        squared_error: sum of (membership − mask)² over all voxels.
    """

    voxels: np.ndarray
    membership: np.ndarray
    tumour: np.ndarray
    squared_error: float

    def __add__(self, other: Reliability) -> Reliability:
        return Reliability(
            self.voxels + other.voxels,
            self.membership + other.membership,
            self.tumour + other.tumour,
            self.squared_error + other.squared_error,
        )

    @property
    def ece(self) -> float | None:
        """Expected calibration error in [0, 1]; ``None`` without voxels."""
        total = self.voxels.sum()
        return float(np.abs(self.membership - self.tumour).sum() / total) if total else None

    @property
    def brier(self) -> float | None:
        """Mean squared error in [0, 1]; ``None`` without voxels."""
        total = self.voxels.sum()
        return float(self.squared_error / total) if total else None


def reliability(membership: np.ndarray, mask: np.ndarray, where: np.ndarray) -> Reliability:
    """Bin the voxels of ``where`` by membership.

    Args:
        membership: in [0, 1], ``(D, H, W)``.
        mask: the hard reference, boolean.
        where: boolean; voxels outside do not count.
    """
    values = membership[where].astype(np.float64)
    truth = mask[where]
    bins = np.minimum((values * BINS).astype(np.intp), BINS - 1)
    return Reliability(
        voxels=np.bincount(bins, minlength=BINS).astype(np.float64),
        membership=np.bincount(bins, weights=values, minlength=BINS),
        tumour=np.bincount(bins, weights=truth, minlength=BINS),
        squared_error=float(np.sum((values - truth) ** 2)),
    )


def boundary_band(
    mask: np.ndarray, spacing_mm: tuple[float, float, float], band_mm: float = BAND_MM
) -> np.ndarray:
    """Voxels within ``band_mm`` of the mask's surface, boolean; all false if it has none."""
    band = np.zeros(mask.shape, bool)
    box = bounding_box(mask)
    if box is None:
        return band
    d, h, w = (int(np.ceil(band_mm / s)) + 1 for s in spacing_mm)
    wide = padded_box(box, (d, h, w), mask.shape)
    band[wide] = np.abs(signed_distance(mask[wide], spacing_mm)) <= band_mm
    return band
