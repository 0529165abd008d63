"""From which peak on a spot of what size is called a lesion, fitted to held-out cases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ParetoSegLib.core.geometry import components
from ParetoSegLib.core.labels import REGIONS
from ParetoSegLib.measure.doubt import LARGEST_MM3, SLOPES, TYPICAL_MM3, larger_by
from ParetoSegLib.model.calibration import ANY

LOST = 2
"""A real lesion that is lost counts as much as so many false ones that are kept."""

FEWEST = 10
"""Without so many real and so many false spots there is nothing to fit."""

STEP = 0.05
"""Between two slopes that are tried."""

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
        volume_mm3: its volume.
    """

    key: str
    region: str
    peak: float
    real: bool
    volume_mm3: float = TYPICAL_MM3

    def score(self, slope: float) -> float:
        """The peak that a spot of typical size would need to count as much."""
        return self.peak + slope * larger_by(self.volume_mm3)


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
            volume = float(np.count_nonzero(own) * voxel_mm3)
            if volume > LARGEST_MM3:
                continue
            peak = float(logits[channel][box][own].max())
            real = bool(regions[region][box][own].any())
            spots.append(Spot(key, region, peak, real, volume))
    return spots


def fit_slopes(spots: Iterable[Spot]) -> dict[str, float]:
    """How much less of a peak a larger spot needs, by region: logits for each e-fold of volume.

    A network's peaks grow with size, and its false spots are small. The slope is the one with
    which the most pairs of a real and a false spot, seen with the same sequences, are in the right
    order; the smallest of several. One for all sets of sequences: pairs are few.
    """
    groups: dict[str, dict[str, list[Spot]]] = {region: {} for region in REGIONS}
    for spot in spots:
        groups[spot.region].setdefault(spot.key, []).append(spot)
    trials = np.arange(SLOPES[0], SLOPES[1] + STEP / 2, STEP)
    slopes = {}
    for region, by_key in groups.items():
        enough = [seen for seen in by_key.values() if _fewest_kind(seen) >= FEWEST]
        right = [sum(_pairs_in_order(seen, slope) for seen in enough) for slope in trials]
        slopes[region] = float(trials[int(np.argmax(right))]) if enough else 0.0
    return slopes


def _pairs_in_order(spots: Sequence[Spot], slope: float) -> float:
    """Pairs of a real and a false spot of which the real one scores higher; half for a tie."""
    real = np.array([spot.score(slope) for spot in spots if spot.real])
    false = np.sort([spot.score(slope) for spot in spots if not spot.real])
    below, up_to = (np.searchsorted(false, real, side) for side in ("left", "right"))
    return float((below + up_to).sum()) / 2


def fit_peaks(
    spots: Iterable[Spot], slopes: Mapping[str, float] | None = None
) -> dict[tuple[str, str], float]:
    """The logit that a spot of typical size must reach, by set of sequences and region.

    The score at which false spots that are kept and twice the real ones that are lost are fewest:
    from there on a spot is a lesion with odds of at least one to two. A set of sequences with n
    spots gets its own, shrunk towards the one of all sets by n / (n + 20); with fewer than ten
    real or ten false ones it gets that of all sets, and these likewise none.

    Args:
        spots: of all cases and sets.
        slopes: by region, from ``fit_slopes``; without them every size needs the same peak.

    Returns:
        (presence key or ``"any"``, region) → logit; ``"any"`` is for sets that were not seen.
    """
    tilt = slopes or {}
    pooled: dict[str, list[Spot]] = {region: [] for region in REGIONS}
    own: dict[tuple[str, str], list[Spot]] = {}
    for spot in spots:
        pooled[spot.region].append(spot)
        own.setdefault((spot.key, spot.region), []).append(spot)
    common = {r: _fewest_errors(seen, tilt.get(r, 0.0)) for r, seen in pooled.items()}
    fitted = {(ANY, region): level for region, level in common.items() if level is not None}
    for (key, region), seen in sorted(own.items()):
        share = len(seen) / (len(seen) + SHRINKAGE_SPOTS)
        of_all = common[region] or 0.0
        of_own = _fewest_errors(seen, tilt.get(region, 0.0))
        fitted[key, region] = of_all if of_own is None else share * of_own + (1 - share) * of_all
    return fitted


def _fewest_kind(spots: Sequence[Spot]) -> int:
    real = sum(spot.real for spot in spots)
    return min(real, len(spots) - real)


def _fewest_errors(spots: Sequence[Spot], slope: float) -> float | None:
    """The least score among those with the fewest errors; at most 0 if keeping all has as few.

    ``None`` where there is too little to go by.
    """
    if _fewest_kind(spots) < FEWEST:
        return None
    order = sorted(spots, key=lambda spot: spot.score(slope))
    scores = np.array([spot.score(slope) for spot in order])
    real = np.array([spot.real for spot in order])
    # Dropping the first n spots loses the real ones among them and is rid of the false ones.
    errors = np.concatenate([[0], np.cumsum(np.where(real, LOST, -1))])
    # Equal scores stay or go together.
    possible = np.concatenate([[True], np.diff(scores) > 0, [True]])
    dropped = int(np.flatnonzero(possible)[np.argmin(errors[possible])])
    if dropped == 0:
        return min(0.0, float(scores[0]))
    if dropped == len(order):
        return float(scores[-1]) + 0.01
    return float((scores[dropped - 1] + scores[dropped]) / 2)
