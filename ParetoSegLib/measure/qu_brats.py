"""The uncertainty score of the BraTS challenges (QU-BraTS; Mehta et al., MELBA 2022:026).

Voxels whose uncertainty exceeds a threshold are left out. A good uncertainty makes the Dice of
what remains rise, and leaves out few voxels that were right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ParetoSegLib.measure.casewise import check_pair

THRESHOLDS = np.linspace(0.0, 100.0, 41)
"""Of uncertainty, in percent."""

RULE = (
    "QU-BraTS: uncertainty = 100·(1 − γ), γ = (2p − 1)² of the membership p; at each of 41 "
    "thresholds τ = 0, 2.5 … 100 voxels with uncertainty > τ are left out; score = (area under "
    "Dice + 1 − area under the filtered share of true positives + 1 − area under the filtered "
    "share of true negatives) / 3, trapezoids, areas over τ/100; true negatives are counted in the "
    "brain; both masks empty after filtering: Dice 1; no true positives: none filtered"
)


@dataclass(frozen=True)
class QuBrats:
    """The score and its three areas, each in [0, 1]."""

    score: float
    dice_area: float
    filtered_true_positives_area: float
    filtered_true_negatives_area: float


def score_qu_brats(
    prediction: np.ndarray, reference: np.ndarray, certainty: np.ndarray, brain: np.ndarray
) -> QuBrats:
    """Score the certainty of a segmentation; see ``RULE``.

    Args:
        prediction: boolean mask ``(D, H, W)``.
        reference: boolean mask.
        certainty: γ in [0, 1], 1 = certain.
        brain: boolean; where true negatives count (true positives always do).
    """
    check_pair(prediction, reference)
    scope = brain | prediction | reference
    ours, theirs = prediction[scope], reference[scope]
    uncertainty = 100.0 * (1.0 - certainty[scope].astype(np.float64))
    # Voxels kept at threshold k: those with uncertainty ≤ τ_k. 1e-9 forgives the last bit.
    first = np.searchsorted(THRESHOLDS, uncertainty - 1e-9, side="left")

    def kept(which: np.ndarray) -> np.ndarray:
        return np.cumsum(np.bincount(first[which], minlength=THRESHOLDS.size)[: THRESHOLDS.size])

    true_positives, true_negatives = kept(ours & theirs), kept(~ours & ~theirs)
    sizes = kept(ours) + kept(theirs)
    dice = np.where(sizes > 0, 2 * true_positives / np.maximum(sizes, 1), 1.0)
    areas = [
        _area(dice),
        _area(_filtered(true_positives)),
        _area(_filtered(true_negatives)),
    ]
    return QuBrats((areas[0] + 1 - areas[1] + 1 - areas[2]) / 3, *areas)


def _filtered(kept: np.ndarray) -> np.ndarray:
    """Share left out at each threshold of what is there at the last."""
    return (kept[-1] - kept) / max(int(kept[-1]), 1)


def _area(values: np.ndarray) -> float:
    steps = np.diff(THRESHOLDS) / 100.0
    return float(np.sum(steps * (values[1:] + values[:-1]) / 2))
