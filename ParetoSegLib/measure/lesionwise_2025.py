"""The lesion-wise score of BraTS 2025: one-to-one matching, tiny lesions counted apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ParetoSegLib.measure.casewise import check_pair
from ParetoSegLib.measure.lesionwise import (
    LabelledComponents,
    LesionScore,
    compare_lesion,
    failure,
    in_image,
    label_components,
)
from ParetoSegLib.measure.surfaces import union_box

LARGE_MM3 = 20.0
"""Lesions of this volume or more are scored by overlap and distance, smaller ones are counted."""

PENALTY_MM = 373.0
"""HD95 of a missed large lesion and of a large false positive."""

FOUND_DICE = 0.1
"""A small lesion is found if its match overlaps it by at least this Dice."""

MATCH_DICE = 1e-6
"""Pairs at or below this Dice are no match."""

RULE = (
    "BraTS 2025: 26-connected components, no dilation; one-to-one matching that maximises ΣDice "
    "over pairs with Dice > 1e-6; lesions ≥ 20 mm³: mean of Dice, NSD (0.5 and 1 mm) and HD95 over "
    "reference lesions and false positives of that size, 0 / 0 / 373 mm for each miss and false "
    "positive; lesions < 20 mm³: found at Dice ≥ 0.1, F1 = 2TP / (2TP + FP + FN); either is n/a in "
    "a case that has neither lesions nor false positives of that size; an unmatched "
    "prediction is a false positive of its own size class, one matched to a small lesion below "
    "Dice 0.1 is a small false positive"
)


@dataclass(frozen=True)
class Score2025:
    """One region of one case by the rule of 2025.

    Args:
        dice, nsd_05, nsd_1, hd95_mm: means over large lesions and large false positives; ``None``
            where there are neither.
        large_lesions, large_found, large_false_positives: their counts.
        small_lesions, small_found, small_false_positives: the same below 20 mm³.
        small_f1: of the small lesions; ``None`` where there is neither lesion nor false positive.
        per_lesion: every lesion and every false positive.
    """

    dice: float | None
    nsd_05: float | None
    nsd_1: float | None
    hd95_mm: float | None
    large_lesions: int
    large_found: int
    large_false_positives: int
    small_lesions: int
    small_found: int
    small_false_positives: int
    small_f1: float | None
    per_lesion: tuple[LesionScore, ...]


def score_2025(
    prediction: np.ndarray, reference: np.ndarray, spacing_mm: tuple[float, float, float]
) -> Score2025:
    """Compare two boolean masks ``(D, H, W)`` lesion by lesion; see ``RULE``."""
    check_pair(prediction, reference)
    box = union_box(prediction, reference)
    if box is None:
        return _summed([], [], [], [])
    ours, theirs = label_components(prediction[box]), label_components(reference[box])
    pairs = match_by_dice(ours, theirs)
    voxel_mm3 = float(np.prod(spacing_mm))
    large: list[LesionScore] = []
    small: list[LesionScore] = []
    large_wrong: list[LesionScore] = []
    small_wrong: list[LesionScore] = []

    for number in range(1, theirs.count + 1):
        is_large = theirs.voxels[number - 1] * voxel_mm3 >= LARGE_MM3
        if number not in pairs:
            score = failure("lesion", theirs, number, spacing_mm, PENALTY_MM)
        else:
            match, overlap = pairs[number]
            found = bool(is_large or overlap >= FOUND_DICE)
            score = compare_lesion(ours, (match,), theirs, number, spacing_mm, found=found)
            if not found:
                small_wrong.append(failure("false positive", ours, match, spacing_mm, PENALTY_MM))
        (large if is_large else small).append(score)

    matched = {match for match, _ in pairs.values()}
    for number in range(1, ours.count + 1):
        if number not in matched:
            wrong = failure("false positive", ours, number, spacing_mm, PENALTY_MM)
            (large_wrong if wrong.volume_mm3 >= LARGE_MM3 else small_wrong).append(wrong)

    return _summed(
        *(
            [in_image(score, box) for score in part]
            for part in (large, large_wrong, small, small_wrong)
        )
    )


def match_by_dice(
    prediction: LabelledComponents, reference: LabelledComponents
) -> dict[int, tuple[int, float]]:
    """The one-to-one matching of components that maximises the sum of their Dice.

    Returns:
        For each matched reference component its predicted component and their Dice; pairs at
        Dice ≤ 1e-6 are left out.
    """
    from scipy.optimize import linear_sum_assignment

    both = (prediction.labels > 0) & (reference.labels > 0)
    if not both.any():
        return {}
    overlap = np.zeros((reference.count + 1, prediction.count + 1))
    np.add.at(overlap, (reference.labels[both], prediction.labels[both]), 1)
    # Only components that overlap something enter: a noisy prediction may have thousands.
    rows, columns = np.flatnonzero(overlap.any(1)), np.flatnonzero(overlap.any(0))
    sizes = reference.voxels[rows - 1][:, None] + prediction.voxels[columns - 1][None, :]
    dice = 2 * overlap[np.ix_(rows, columns)] / sizes
    chosen = zip(*linear_sum_assignment(dice, maximize=True), strict=True)
    return {
        int(rows[i]): (int(columns[j]), float(dice[i, j]))
        for i, j in chosen
        if dice[i, j] > MATCH_DICE
    }


def _summed(
    large: list[LesionScore],
    large_wrong: list[LesionScore],
    small: list[LesionScore],
    small_wrong: list[LesionScore],
) -> Score2025:
    scored = [*large, *large_wrong]
    small_found = sum(s.found for s in small)
    # 2TP + FP + FN, since TP + FN are the small lesions
    denominator = small_found + len(small) + len(small_wrong)
    return Score2025(
        dice=_mean([s.dice for s in scored]),
        nsd_05=_mean([s.nsd_05 for s in scored]),
        nsd_1=_mean([s.nsd_1 for s in scored]),
        hd95_mm=_mean([s.hd95_mm for s in scored]),
        large_lesions=len(large),
        large_found=sum(s.found for s in large),
        large_false_positives=len(large_wrong),
        small_lesions=len(small),
        small_found=small_found,
        small_false_positives=len(small_wrong),
        small_f1=2 * small_found / denominator if denominator else None,
        per_lesion=(*large, *large_wrong, *small, *small_wrong),
    )


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None
