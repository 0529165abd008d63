"""Does a lesion's volume interval hold the volume that a reference or a rater measured?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ParetoSegLib.measure.lesionwise import label_components

RULE = (
    "in the region that defines lesions (TC, else WT): each 26-connected component of the "
    "reference (or of a rater's mask) belongs to the predicted lesion whose territory it overlaps "
    "most; coverage = share of lesions so matched whose summed reference volume lies within the "
    "lesion's volume interval, bounds included; missed lesions and false positives have no "
    "interval to test; where raters' masks lie beside the reference, they are used instead "
    "of it, each rater counting once a lesion"
)


@dataclass(frozen=True)
class IntervalCheck:
    """One predicted lesion against one observer's volume.

    Args:
        lesion: number of the predicted lesion.
        observer: index of the mask it was compared with.
        volume_cc: what the observer measured.
        low_cc, high_cc: the lesion's interval.
    """

    lesion: int
    observer: int
    volume_cc: float
    low_cc: float
    high_cc: float

    @property
    def inside(self) -> bool:
        """Whether the interval holds the volume; bounds count, whatever their last bit says."""
        slack = 1e-6 * max(self.volume_cc, 1e-3)
        return self.low_cc - slack <= self.volume_cc <= self.high_cc + slack


def check_intervals(
    territories: np.ndarray,
    intervals_cc: Mapping[int, tuple[float, float]],
    observers: Sequence[np.ndarray],
    spacing_mm: tuple[float, float, float],
) -> tuple[IntervalCheck, ...]:
    """Compare predicted lesions' intervals with the volumes of one or more observers.

    Args:
        territories: int32 ``(D, H, W)``, 0 outside, else a lesion's number.
        intervals_cc: low and high volume by lesion number; other numbers in ``territories`` (such
            as candidates) take no part.
        observers: boolean masks ``(D, H, W)``.
        spacing_mm: voxel size.
    """
    checks = []
    for observer, mask in enumerate(observers):
        volumes = _volumes(territories, frozenset(intervals_cc), mask, float(np.prod(spacing_mm)))
        for lesion, volume in sorted(volumes.items()):
            low, high = intervals_cc[lesion]
            checks.append(IntervalCheck(lesion, observer, volume, low, high))
    return tuple(checks)


def coverage(checks: Sequence[IntervalCheck]) -> float | None:
    """Share of the checks that lie inside; ``None`` without checks."""
    return float(np.mean([check.inside for check in checks])) if checks else None


def _volumes(
    territories: np.ndarray, lesions: frozenset[int], mask: np.ndarray, voxel_mm3: float
) -> dict[int, float]:
    """Volume in cc that the mask gives each lesion it meets."""
    parts = label_components(mask)
    both = mask & np.isin(territories, sorted(lesions))
    pairs, overlaps = np.unique(
        np.stack([parts.labels[both], territories[both]], axis=1), axis=0, return_counts=True
    )
    largest: dict[int, tuple[int, int]] = {}
    for (part, lesion), overlap in zip(pairs.tolist(), overlaps.tolist(), strict=True):
        # Of equal overlaps the lower number wins: the order of the pairs is fixed.
        if overlap > largest.get(part, (0, 0))[1]:
            largest[part] = (lesion, overlap)
    volumes: dict[int, float] = {}
    for part, (lesion, _) in largest.items():
        cc = float(parts.voxels[part - 1]) * voxel_mm3 / 1000.0
        volumes[lesion] = volumes.get(lesion, 0.0) + cc
    return volumes
