"""How sure a mean is, and whether two methods differ: bootstrap, paired bootstrap, Wilcoxon."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

LEVEL = 0.95
RESAMPLES = 5000

RULE = (
    "mean, median and the 95 % percentile bootstrap interval of the mean (5000 resamples of "
    "patients, all cases of a patient together; the seed is in the JSON file); n/a values are "
    "left out"
)
PAIRED_RULE = (
    "mean of the paired differences with its 95 % percentile bootstrap interval over patients; "
    "two-sided Wilcoxon signed-rank test, zero differences by Pratt's rule"
)


@dataclass(frozen=True)
class Summary:
    """What a list of values says; everything is ``None`` if there are none.

    Args:
        n: values that are not n/a.
        mean, median: of those.
        low, high: the bootstrap interval of the mean; equal to it for a single patient.
    """

    n: int
    mean: float | None
    median: float | None
    low: float | None
    high: float | None


def summarise(
    values: Sequence[float | None],
    groups: Sequence[Hashable] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Summary:
    """Mean, median and bootstrap interval of the mean.

    Args:
        values: one a case; ``None`` (n/a) is left out.
        groups: the patient of each case: cases of one patient are drawn together.
        seed: of the resampling.
        resamples: how many.
    """
    kept, owners = _without_none(values, groups)
    if kept.size == 0:
        return Summary(0, None, None, None, None)
    low, high = bootstrap_interval(kept, owners, seed, resamples)
    return Summary(int(kept.size), float(kept.mean()), float(np.median(kept)), low, high)


def bootstrap_interval(
    values: np.ndarray,
    groups: np.ndarray | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean, drawing whole groups with replacement.

    Args:
        values: ``(N,)``, not empty.
        groups: ``(N,)`` whole numbers; values of one group are drawn together. Default: each its
            own group.
    """
    groups = np.arange(values.size) if groups is None else groups
    _, owner = np.unique(groups, return_inverse=True)
    sums, counts = np.bincount(owner, weights=values), np.bincount(owner)
    generator = np.random.default_rng(seed)
    means = np.empty(resamples)
    # In chunks, so that memory does not grow with cases × resamples.
    for start in range(0, resamples, 500):
        stop = min(start + 500, resamples)
        drawn = generator.integers(sums.size, size=(stop - start, sums.size))
        means[start:stop] = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    tail = 50 * (1 - level)
    low, high = np.percentile(means, [tail, 100 - tail])
    return float(low), float(high)


@dataclass(frozen=True)
class PairedDifference:
    """First minus second over the same cases.

    Args:
        n: cases where both have a value.
        mean: of the differences; ``None`` without cases.
        low, high: its bootstrap interval.
        p_value: of Wilcoxon's signed-rank test; 1 where all differences are 0.
    """

    n: int
    mean: float | None
    low: float | None
    high: float | None
    p_value: float | None


def compare_paired(
    first: Sequence[float | None],
    second: Sequence[float | None],
    groups: Sequence[Hashable] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> PairedDifference:
    """Compare two methods on the same cases; a case that is n/a in either is left out.

    Raises:
        ValueError: the two lists are not of one length.
    """
    from scipy.stats import wilcoxon

    differences, owners = _without_none(
        [None if a is None or b is None else a - b for a, b in zip(first, second, strict=True)],
        groups,
    )
    if differences.size == 0:
        return PairedDifference(0, None, None, None, None)
    low, high = bootstrap_interval(differences, owners, seed, resamples)
    p_value = 1.0
    if np.any(differences != 0):
        # The exact distribution knows no ties; Pratt's rule makes some.
        plain = np.all(differences != 0) and np.unique(np.abs(differences)).size == differences.size
        method = "exact" if plain and differences.size <= 50 else "asymptotic"
        p_value = float(wilcoxon(differences, zero_method="pratt", method=method).pvalue)
    return PairedDifference(int(differences.size), float(differences.mean()), low, high, p_value)


def spearman(first: np.ndarray, second: np.ndarray) -> float | None:
    """Spearman's rank correlation; ``None`` for fewer than three values or a constant side."""
    from scipy.stats import rankdata

    if first.size < 3:
        return None
    return pearson(rankdata(first), rankdata(second))


def pearson(first: np.ndarray, second: np.ndarray) -> float | None:
    """Pearson's correlation; ``None`` for fewer than three values or a constant side."""
    if first.size < 3:
        return None
    a = np.asarray(first, np.float64) - np.mean(first, dtype=np.float64)
    b = np.asarray(second, np.float64) - np.mean(second, dtype=np.float64)
    scale = float(np.sqrt((a @ a) * (b @ b)))
    tiny = 1e-12 * max(float(np.abs(first).max()) * float(np.abs(second).max()), 1e-300)
    return float(np.clip((a @ b) / scale, -1, 1)) if scale > tiny * first.size else None


def partial_correlation(first: np.ndarray, second: np.ndarray, held: np.ndarray) -> float | None:
    """Spearman's correlation of two quantities at fixed ``held`` (e.g. lesion size), all ``(N,)``.

    From the three rank correlations: (r_ab − r_ah r_bh) / √((1 − r_ah²)(1 − r_bh²)).
    """
    r_ab, r_ah, r_bh = spearman(first, second), spearman(first, held), spearman(second, held)
    if r_ab is None or r_ah is None or r_bh is None:
        return None
    rest = (1 - r_ah**2) * (1 - r_bh**2)
    return float((r_ab - r_ah * r_bh) / np.sqrt(rest)) if rest > 1e-12 else None


def _without_none(
    values: Sequence[float | None], groups: Sequence[Hashable] | None
) -> tuple[np.ndarray, np.ndarray]:
    """The values that are there, and a number for each one's group."""
    owners: Sequence[Hashable] = range(len(values)) if groups is None else groups
    pairs = [(v, g) for v, g in zip(values, owners, strict=True) if v is not None]
    numbers: dict[Hashable, int] = {}
    return (
        np.array([v for v, _ in pairs], float),
        np.array([numbers.setdefault(g, len(numbers)) for _, g in pairs], int),
    )
