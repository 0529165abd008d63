"""Was a lesion found: sensitivity by size, false positives per scan, and the FROC curve."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ParetoSegLib.measure.casewise import check_pair
from ParetoSegLib.measure.lesionwise import label_components

SIZE_BINS_MM: tuple[tuple[str, float, float], ...] = (
    ("< 3 mm", 0.0, 3.0),
    ("3–6 mm", 3.0, 6.0),
    ("6–10 mm", 6.0, 10.0),
    ("≥ 10 mm", 10.0, np.inf),
)
"""Bins of equivalent-sphere diameter: name, lower bound (in), upper bound (out)."""

FROC_RATES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""False positives per scan at which the FROC curve is read off; the score is their mean."""

RULE = (
    "lesions are 26-connected components; a reference lesion is found if any predicted voxel of "
    "the region overlaps it; a predicted lesion that overlaps no reference lesion is a false "
    "positive of any size; sizes are diameters of the sphere of equal volume"
)
FROC_RULE = (
    "in the region that defines lesions (TC, else WT): detections are the predicted lesions (cut "
    "at ½) and candidates (cut at half their peak) with their peak membership as score; "
    "keeping those at or above a threshold, a reference lesion is found if one of them overlaps it "
    "and one that overlaps none is a false positive; the score is the mean sensitivity at 1/8, "
    "1/4, 1/2, 1, 2, 4 and 8 false positives per scan"
)


@dataclass(frozen=True)
class FoundLesion:
    """One reference lesion: how large it is, whether it was found, and with what score.

    Args:
        diameter_mm: of the sphere of equal volume.
        found: a voxel of the prediction overlaps it.
        score: highest score of the detections that overlap it; ``None`` if none does.
    """

    diameter_mm: float
    found: bool
    score: float | None = None


@dataclass(frozen=True)
class Detection:
    """One region of one case.

    Args:
        lesions: every reference lesion, in scan order.
        false_positives: predicted lesions that overlap no reference lesion; ``None`` where there
            is no prediction to count them in.
        false_scores: scores of detections that overlap no reference lesion; ``None`` where
            membership was not given, so that there is no FROC curve.
    """

    lesions: tuple[FoundLesion, ...]
    false_positives: int | None
    false_scores: tuple[float, ...] | None = None


def equivalent_diameter_mm(volume_mm3: float) -> float:
    """Diameter in mm of the sphere of this volume: (6V/π)^⅓."""
    return float((6.0 * volume_mm3 / np.pi) ** (1 / 3))


def size_bin(diameter_mm: float) -> str:
    """The name of the bin that a diameter falls into."""
    return next(name for name, low, high in SIZE_BINS_MM if low <= diameter_mm < high)


def detect(
    prediction: np.ndarray,
    reference: np.ndarray,
    spacing_mm: tuple[float, float, float],
    detections: np.ndarray | None = None,
    scores: Mapping[int, float] | None = None,
) -> Detection:
    """Compare two boolean masks ``(D, H, W)`` lesion by lesion; see ``RULE`` and ``FROC_RULE``.

    Args:
        prediction: the mask at its operating point.
        reference: the hard mask.
        spacing_mm: voxel size, to size the lesions.
        detections: int32 ``(D, H, W)``, 0 outside, else a detection's number; lesions and
            candidates of the prediction.
        scores: each detection's score by its number.
    """
    check_pair(prediction, reference)
    theirs, ours = label_components(reference), label_components(prediction)
    hit = set(np.unique(theirs.labels[prediction]).tolist())
    true = set(np.unique(ours.labels[reference]).tolist()) - {0}
    best: dict[int, float] = {}
    false_scores: tuple[float, ...] | None = None
    if detections is not None and scores is not None:
        best, false_scores = _scored(theirs.labels, detections, scores)
    sizes = theirs.voxels * float(np.prod(spacing_mm))
    return Detection(
        lesions=tuple(
            FoundLesion(equivalent_diameter_mm(size), number in hit, best.get(number))
            for number, size in enumerate(sizes.tolist(), start=1)
        ),
        false_positives=ours.count - len(true),
        false_scores=false_scores,
    )


def _scored(
    reference: np.ndarray, detections: np.ndarray, scores: Mapping[int, float]
) -> tuple[dict[int, float], tuple[float, ...]]:
    """Each reference lesion's best score, and the scores of detections that touch none."""
    both = (reference > 0) & (detections > 0)
    pairs = np.unique(np.stack([reference[both], detections[both]], axis=1), axis=0)
    best: dict[int, float] = {}
    for lesion, detection in pairs.tolist():
        best[lesion] = max(best.get(lesion, -np.inf), scores[detection])
    true = set(pairs[:, 1].tolist())
    return best, tuple(sorted((s for n, s in scores.items() if n not in true), reverse=True))


@dataclass(frozen=True)
class Sensitivity:
    """Found out of all, for one bin of sizes; ``rate`` is ``None`` for an empty bin."""

    lesions: int
    found: int

    @property
    def rate(self) -> float | None:
        """Found / lesions."""
        return self.found / self.lesions if self.lesions else None


def sensitivity_by_size(cases: Iterable[Detection]) -> dict[str, Sensitivity]:
    """Sensitivity over all lesions of all cases, by size bin and in ``all``."""
    lesions = [lesion for case in cases for lesion in case.lesions]
    bins = {
        name: [one for one in lesions if size_bin(one.diameter_mm) == name]
        for name, _, _ in SIZE_BINS_MM
    }
    bins["all"] = lesions
    return {
        name: Sensitivity(len(inside), sum(one.found for one in inside))
        for name, inside in bins.items()
    }


def false_positives_per_scan(cases: Iterable[Detection]) -> float | None:
    """Mean number of false positives over the cases that have a prediction."""
    counts = [case.false_positives for case in cases if case.false_positives is not None]
    return float(np.mean(counts)) if counts else None


@dataclass(frozen=True)
class Froc:
    """The free-response curve: one point for each threshold, from the highest down.

    Args:
        thresholds: of the peak membership.
        false_positives: per scan, at each threshold.
        sensitivities: at each threshold.
        at_rates: sensitivity at each of ``FROC_RATES``: the best reached at no more false
            positives per scan.
        score: mean of ``at_rates``.
    """

    thresholds: tuple[float, ...]
    false_positives: tuple[float, ...]
    sensitivities: tuple[float, ...]
    at_rates: tuple[float, ...]
    score: float


def froc(cases: Sequence[Detection]) -> Froc | None:
    """The curve over all cases with scores; ``None`` if these hold no lesion."""
    scored = [case for case in cases if case.false_scores is not None]
    lesions = [lesion.score for case in scored for lesion in case.lesions]
    if not lesions:
        return None
    hits = np.array([-np.inf if score is None else score for score in lesions])
    false = np.array([score for case in scored for score in case.false_scores or ()])
    thresholds = np.unique(np.concatenate([hits[np.isfinite(hits)], false]))[::-1]
    sensitivities = (hits[None] >= thresholds[:, None]).mean(axis=1)
    rates = (false[None] >= thresholds[:, None]).sum(axis=1) / len(scored)
    at_rates = tuple(float(sensitivities[rates <= rate].max(initial=0.0)) for rate in FROC_RATES)
    return Froc(
        thresholds=tuple(thresholds.tolist()),
        false_positives=tuple(rates.tolist()),
        sensitivities=tuple(sensitivities.tolist()),
        at_rates=at_rates,
        score=float(np.mean(at_rates)),
    )
