"""The lesion-wise score of BraTS-METS 2023."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ParetoSegLib.core.geometry import components, padded_box
from ParetoSegLib.measure.casewise import check_pair
from ParetoSegLib.measure.lesionwise import (
    LabelledComponents,
    LesionScore,
    compare_lesion,
    failure,
    in_image,
    label_components,
    of_labels,
)
from ParetoSegLib.measure.surfaces import union_box

SMALLEST_MM3 = 2.0
"""Reference lesions of this volume or less are dropped."""

PENALTY_MM = 374.0
"""HD95 of a missed lesion and of a false positive."""

RULE = (
    "BraTS-METS 2023: 26-connected components; the reference is dilated once by 3×3×3 voxels and "
    "components that share a dilated blob are one lesion; every predicted component that touches "
    "the dilated lesion is matched to it, and their union is compared with the lesion before "
    "dilation; reference lesions ≤ 2 mm³ are dropped; predicted components that match no lesion, "
    "dropped ones included, are false positives of any size; Dice = ΣDice / (lesions + false "
    "positives), HD95 likewise with 374 mm for each miss and false positive; no lesion and no "
    "false positive: Dice 1, HD95 0"
)


@dataclass(frozen=True)
class Score2023:
    """One region of one case by the rule of 2023.

    Args:
        dice: ΣDice / (lesions + false positives).
        hd95_mm: the same mean of HD95, with its penalties.
        lesions: reference lesions that count.
        found: those of them that some predicted component touches.
        false_positives: predicted components that match nothing.
        per_lesion: every lesion (dropped ones are not ``counted``) and every false positive.
    """

    dice: float
    hd95_mm: float
    lesions: int
    found: int
    false_positives: int
    per_lesion: tuple[LesionScore, ...]


def score_2023(
    prediction: np.ndarray, reference: np.ndarray, spacing_mm: tuple[float, float, float]
) -> Score2023:
    """Compare two boolean masks ``(D, H, W)`` lesion by lesion; see ``RULE``."""
    check_pair(prediction, reference)
    box = union_box(prediction, reference)
    if box is None:
        return Score2023(1.0, 0.0, 0, 0, 0, ())
    # One voxel of rim, so that dilation sees what it would see in the whole image.
    box = padded_box(box, (1, 1, 1), reference.shape)
    ours = label_components(prediction[box])
    theirs = merge_by_dilation(reference[box])
    scores: list[LesionScore] = []
    touched: set[int] = set()
    for number in range(1, theirs.count + 1):
        matched = _touching(ours, theirs, number)
        touched.update(matched)
        volume = float(theirs.voxels[number - 1] * np.prod(spacing_mm))
        counted = volume > SMALLEST_MM3
        scores.append(
            compare_lesion(ours, matched, theirs, number, spacing_mm, counted)
            if matched
            else failure("lesion", theirs, number, spacing_mm, PENALTY_MM, counted)
        )
    wrong = [n for n in range(1, ours.count + 1) if n not in touched]
    scores += [failure("false positive", ours, n, spacing_mm, PENALTY_MM) for n in wrong]
    return _summed(tuple(in_image(score, box) for score in scores))


def merge_by_dilation(mask: np.ndarray) -> LabelledComponents:
    """Lesions of a mask: its voxels, labelled by the blob they lie in after one dilation."""
    blobs, boxes = components(dilate(mask))
    return of_labels(np.where(mask, blobs, 0), boxes)


def dilate(mask: np.ndarray) -> np.ndarray:
    """The mask grown by one voxel in all 26 directions."""
    grown = mask.copy()
    for axis in range(mask.ndim):
        here = [slice(None)] * mask.ndim
        there = [slice(None)] * mask.ndim
        here[axis], there[axis] = slice(1, None), slice(None, -1)
        before = grown.copy()
        grown[tuple(here)] |= before[tuple(there)]
        grown[tuple(there)] |= before[tuple(here)]
    return grown


def _touching(
    prediction: LabelledComponents, reference: LabelledComponents, number: int
) -> tuple[int, ...]:
    """Predicted components that share a voxel with the dilated lesion."""
    box = reference.boxes[number - 1]  # the blob's box: it holds the dilated lesion
    near = dilate(reference.labels[box] == number)
    return tuple(int(n) for n in np.unique(prediction.labels[box][near]) if n)


def _summed(scores: tuple[LesionScore, ...]) -> Score2023:
    counted = [score for score in scores if score.counted]
    lesions = [score for score in counted if score.kind == "lesion"]
    return Score2023(
        dice=float(np.mean([s.dice for s in counted])) if counted else 1.0,
        hd95_mm=float(np.mean([s.hd95_mm for s in counted])) if counted else 0.0,
        lesions=len(lesions),
        found=sum(s.found for s in lesions),
        false_positives=len(counted) - len(lesions),
        per_lesion=scores,
    )
