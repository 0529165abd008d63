"""The two membership levels between which a lesion's volume lies, fitted to raters' volumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ParetoSegLib.core.labels import REGIONS

LOWEST, MIDDLE, HIGHEST = 0.05, 0.5, 0.95
"""The possible level lies in the lower half of this range, the certain level in the upper."""

UNFITTED = (0.9, 0.1)
"""Certain and possible level until there are ``FEWEST`` lesions to fit them to."""

FEWEST = 10


@dataclass(frozen=True)
class VolumeSample:
    """One lesion (or case) of the calibration set.

    Args:
        membership: float ``(N,)``, calibrated, of every voxel of the lesion's territory.
        voxel_mm3: volume of one voxel.
        volumes_cc: what each rater measured; one number where there is one reference.
    """

    membership: np.ndarray
    voxel_mm3: float
    volumes_cc: tuple[float, ...]


def fit_levels(
    samples: Mapping[str, Sequence[VolumeSample]], coverage: float = 0.8
) -> dict[str, tuple[float, float]]:
    """Certain and possible level of each region, from held-out lesions.

    Let V_i(α) = |{p̂ ≥ α}| be lesion i's volume at level α and α_ij the level at which it equals
    rater j's volume. V_i falls with α, so the volume lies in [V_i(certain), V_i(possible)] exactly
    if possible ≤ α_ij ≤ certain. Lesions are exchangeable, a lesion's raters are not independent:
    each of the n lesions counts 1/(n + 1), shared by its R_i raters, and the missing 1/(n + 1)
    lies beyond every level (Lee, Barber and Willett 2023, arXiv 2306.06342):

        certain = min{t : Σ_i |{j : α_ij ≤ t}| / ((n + 1) R_i) ≥ 1 − (1 − coverage)/2}

    and possible likewise from below. Then a new lesion's volume lies inside with probability
    ≥ ``coverage``, unless its level is beyond 0.05 or 0.95, where the levels end. They never cross
    ½ either, so that the segmentation's own volume is always inside.

    Args:
        samples: per region. Lesions that are missed, with no membership of ½ or more, do not
            count; a region that is left out, or has fewer than ten others, gets 0.9 and 0.1.
        coverage: share of volumes that shall lie inside, in (0, 1).

    Returns:
        (certain, possible) for each of ``REGIONS``.
    """
    if not 0.0 < coverage < 1.0:
        raise ValueError(f"coverage is {coverage}; it must lie in (0, 1)")
    return {region: _fit(samples.get(region, ()), coverage) for region in REGIONS}


def _fit(samples: Sequence[VolumeSample], coverage: float) -> tuple[float, float]:
    # An interval is shown for lesions that were found; the others would only widen it.
    usable = [s for s in samples if s.volumes_cc and (s.membership >= MIDDLE).any()]
    if len(usable) < FEWEST:
        return UNFITTED
    levels, weights = [], []
    for sample in usable:
        own = matching_levels(sample)
        levels.append(own)
        weights.append(np.full(own.size, 1.0 / ((len(usable) + 1) * own.size)))
    level, weight = np.concatenate(levels), np.concatenate(weights)
    tail = (1.0 - coverage) / 2
    certain = _quantile(level, weight, 1.0 - tail)
    possible = 1.0 - _quantile(1.0 - level, weight, 1.0 - tail)
    return (
        float(np.clip(certain, MIDDLE, HIGHEST)),
        float(np.clip(possible, LOWEST, MIDDLE)),
    )


def matching_levels(sample: VolumeSample) -> np.ndarray:
    """The levels ``(R,)`` at which the lesion's volume equals each rater's, in [0, 1].

    Of the levels that give the same voxel count, the middle one; 1 for an empty volume, 0 for one
    larger than the territory.
    """
    falling = np.sort(np.asarray(sample.membership, np.float64))[::-1]
    edges = np.concatenate([[1.0], falling, [0.0]])
    counts = np.rint(np.asarray(sample.volumes_cc) * 1000.0 / sample.voxel_mm3).astype(np.int64)
    inner = np.clip(counts, 0, falling.size)
    middle = 0.5 * (edges[inner] + edges[inner + 1])
    return np.where(counts <= 0, 1.0, np.where(counts > falling.size, 0.0, middle))


def _quantile(values: np.ndarray, weights: np.ndarray, share: float) -> float:
    """The smallest value that has ``share`` of the weight at or below it; +∞ if none has."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    index = int(np.searchsorted(reached, share - 1e-12))
    return float(values[order][index]) if index < values.size else float("inf")
