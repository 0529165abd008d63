"""From which peak on a spot is called a lesion, fitted to held-out cases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ParetoSegLib.core.geometry import components
from ParetoSegLib.core.labels import REGIONS

SHRINKAGE_SPOTS = 20.0
"""A set of sequences with so many spots lies half-way between its own fit and the region's."""


@dataclass(frozen=True)
class Spot:
    """A component of {logit ≥ 0} of one case and region, seen with one set of sequences.

    Args:
        key: from ``presence_key``.
        region: one of ``REGIONS``.
        peak: its largest logit, uncalibrated.
        real: whether it touches the hard mask.
    """

    key: str
    region: str
    peak: float
    real: bool


def find_spots(logits: np.ndarray, regions: Mapping[str, np.ndarray], key: str) -> list[Spot]:
    """Every spot of a case.

    Args:
        logits: float32 ``(3, D, H, W)``.
        regions: hard masks ``(D, H, W)`` of the labelled regions; others get no spot.
        key: the set of sequences that the logits were made from.
    """
    spots = []
    for channel, region in enumerate(REGIONS):
        if region not in regions:
            continue
        labelled, boxes = components(logits[channel] >= 0)
        for number, box in enumerate(boxes, start=1):
            own = labelled[box] == number
            peak = float(logits[channel][box][own].max())
            spots.append(Spot(key, region, peak, bool(regions[region][box][own].any())))
    return spots


def fit_peaks(spots: Iterable[Spot]) -> dict[tuple[str, str], float]:
    """The logit that a spot must reach, by set of sequences and region.

    Where a spot that reaches it is at least as likely a lesion as not: the peak at which false
    spots kept and real ones lost are fewest. A set of sequences with n spots gets its own, shrunk
    towards the one of all sets by n / (n + 20).

    Returns:
        (presence key, region) → logit ≥ 0.
    """
    pooled: dict[str, list[Spot]] = {region: [] for region in REGIONS}
    own: dict[tuple[str, str], list[Spot]] = {}
    for spot in spots:
        pooled[spot.region].append(spot)
        own.setdefault((spot.key, spot.region), []).append(spot)
    common = {region: _fewest_errors(seen) for region, seen in pooled.items()}
    fitted = {}
    for (key, region), seen in sorted(own.items()):
        share = len(seen) / (len(seen) + SHRINKAGE_SPOTS)
        fitted[key, region] = share * _fewest_errors(seen) + (1 - share) * common[region]
    return fitted


def _fewest_errors(spots: Sequence[Spot]) -> float:
    """The least peak among those with the fewest errors; 0 if keeping every spot has as few."""
    if not spots:
        return 0.0
    order = sorted(spots, key=lambda spot: spot.peak)
    peaks = np.array([spot.peak for spot in order])
    real = np.array([spot.real for spot in order])
    # Dropping the first n spots loses the real ones among them and is rid of the false ones.
    errors = np.concatenate([[0], np.cumsum(np.where(real, 1, -1))])
    # Equal peaks stay or go together.
    possible = np.concatenate([[True], np.diff(peaks) > 0, [True]])
    dropped = int(np.flatnonzero(possible)[np.argmin(errors[possible])])
    if dropped == 0:
        return 0.0
    if dropped == len(order):
        return float(peaks[-1]) + 0.01
    return float((peaks[dropped - 1] + peaks[dropped]) / 2)
