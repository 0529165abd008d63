"""Is the boundary uncertain where it is truly fuzzy, and where raters disagree?

For synthetic patients both are known: the true membership (partial volumes), and raters' masks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ParetoSegLib.measure.statistics import spearman
from ParetoSegLib.method.fuzzy import certainty

RULE = (
    "Spearman's correlation, over the voxels of the boundary band |s| ≤ 3 mm, of the boundary "
    "confidence γ(p) = (2p − 1)² with γ of the true membership, and with the raters' agreement "
    "γ(q), q the share of raters who marked the voxel (the higher, the better both)"
)


def correlation_with_truth(
    membership: np.ndarray, true_membership: np.ndarray, band: np.ndarray
) -> float | None:
    """γ(p̂) against γ(μ) over the boolean ``band``; all ``(D, H, W)``. ``None`` if undefined."""
    return spearman(certainty(membership[band]), certainty(true_membership[band]))


def correlation_with_raters(
    membership: np.ndarray, raters: Sequence[np.ndarray], band: np.ndarray
) -> float | None:
    """γ(p̂) against γ(share of raters) over ``band``; ``None`` for fewer than two raters."""
    if len(raters) < 2:
        return None
    share = np.mean([rater[band] for rater in raters], axis=0)
    return spearman(certainty(membership[band]), certainty(share))
