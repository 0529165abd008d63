"""From which peak on a spot is called a lesion, fitted to held-out cases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ParetoSegLib.core.geometry import components
from ParetoSegLib.core.labels import REGIONS
from ParetoSegLib.measure.doubt import LARGEST_MM3
from ParetoSegLib.model.calibration import ANY

LOST = 2
"""A real lesion that is lost counts as much as so many false ones that are kept."""

FEWEST = 10
"""Without so many real and so many false spots there is nothing to fit."""

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


def find_spots(
    logits: np.ndarray, regions: Mapping[str, np.ndarray], key: str, voxel_mm3: float
) -> list[Spot]:
    """Every spot of a case that is small enough to be doubted.

    Args:
        logits: float32 ``(3, D, H, W)``.
        regions: hard masks ``(D, H, W)`` of the labelled regions; others get no spot.
        key: the set of sequences that the logits were made from.
        voxel_mm3: volume of a voxel.
    """
    spots = []
    for channel, region in enumerate(REGIONS):
        if region not in regions:
            continue
        labelled, boxes = components(logits[channel] >= 0)
        for number, box in enumerate(boxes, start=1):
            own = labelled[box] == number
            if np.count_nonzero(own) * voxel_mm3 > LARGEST_MM3:
                continue
            peak = float(logits[channel][box][own].max())
            spots.append(Spot(key, region, peak, bool(regions[region][box][own].any())))
    return spots


def fit_peaks(spots: Iterable[Spot]) -> dict[tuple[str, str], float]:
    """The logit that a spot must reach, by set of sequences and region.

    The peak at which false spots that are kept and twice the real ones that are lost are fewest:
    from there on a spot is a lesion with odds of at least one to two. A set of sequences with n
    spots gets its own, shrunk towards the one of all sets by n / (n + 20); with fewer than ten
    real or ten false ones it gets that of all sets, and these likewise none.

    Returns:
        (presence key or ``"any"``, region) → logit ≥ 0; ``"any"`` is for sets that were not seen.
    """
    pooled: dict[str, list[Spot]] = {region: [] for region in REGIONS}
    own: dict[tuple[str, str], list[Spot]] = {}
    for spot in spots:
        pooled[spot.region].append(spot)
        own.setdefault((spot.key, spot.region), []).append(spot)
    common = {region: _fewest_errors(seen) for region, seen in pooled.items()}
    fitted = {(ANY, region): level for region, level in common.items() if level is not None}
    for (key, region), seen in sorted(own.items()):
        share = len(seen) / (len(seen) + SHRINKAGE_SPOTS)
        of_all = common[region] or 0.0
        of_own = _fewest_errors(seen)
        fitted[key, region] = of_all if of_own is None else share * of_own + (1 - share) * of_all
    return fitted


def _fewest_errors(spots: Sequence[Spot]) -> float | None:
    """The least peak among those with the fewest errors; 0 if keeping every spot has as few.

    ``None`` where there is too little to go by.
    """
    certain = sum(spot.real for spot in spots)
    if min(certain, len(spots) - certain) < FEWEST:
        return None
    order = sorted(spots, key=lambda spot: spot.peak)
    peaks = np.array([spot.peak for spot in order])
    real = np.array([spot.real for spot in order])
    # Dropping the first n spots loses the real ones among them and is rid of the false ones.
    errors = np.concatenate([[0], np.cumsum(np.where(real, LOST, -1))])
    # Equal peaks stay or go together.
    possible = np.concatenate([[True], np.diff(peaks) > 0, [True]])
    dropped = int(np.flatnonzero(possible)[np.argmin(errors[possible])])
    if dropped == 0:
        return 0.0
    if dropped == len(order):
        return float(peaks[-1]) + 0.01
    return float((peaks[dropped - 1] + peaks[dropped]) / 2)
