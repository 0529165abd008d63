"""All that is measured of one region of one case, and the table of what each number means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np

from ParetoSegLib.measure import (
    calibration,
    casewise,
    clinical,
    coverage,
    detection,
    lesionwise_2023,
    lesionwise_2025,
    observers,
    qu_brats,
)
from ParetoSegLib.measure.calibration import Reliability, boundary_band, reliability
from ParetoSegLib.measure.casewise import CasewiseScore, score_casewise, worst_casewise
from ParetoSegLib.measure.coverage import IntervalCheck, check_intervals
from ParetoSegLib.measure.detection import Detection, detect
from ParetoSegLib.measure.lesions import LesionMap, cut_lesions
from ParetoSegLib.measure.lesionwise_2023 import Score2023, score_2023
from ParetoSegLib.measure.lesionwise_2025 import Score2025, score_2025
from ParetoSegLib.measure.qu_brats import QuBrats, score_qu_brats
from ParetoSegLib.method.fuzzy import certainty


@dataclass(frozen=True)
class Metric:
    """One column of the results.

    Args:
        title: as people read it, with the unit.
        rule: exactly how it is computed.
        better: ``higher``, ``lower``, or ``nearer 0``.
    """

    title: str
    rule: str
    better: str = "higher"


PLACES: Mapping[str, str] = MappingProxyType(
    {"brain": "brain", "lesions": "lesions", "band": f"band ±{calibration.BAND_MM:g} mm"}
)
"""Where calibration is measured, and how people read it."""


def _calibration_metrics() -> dict[str, Metric]:
    return {
        f"{kind.lower()}_{where}": Metric(f"{kind}, {title}", calibration.RULE, "lower")
        for kind in ("ECE", "Brier")
        for where, title in PLACES.items()
    }


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "dice": Metric("Dice", casewise.RULES["dice"]),
        "hd95_mm": Metric("HD95 (mm)", casewise.RULES["hd95_mm"], "lower"),
        "nsd_05": Metric("NSD 0.5 mm", casewise.RULES["nsd_05"]),
        "nsd_1": Metric("NSD 1 mm", casewise.RULES["nsd_1"]),
        "lw23_dice": Metric("2023 lesion-wise Dice", lesionwise_2023.RULE),
        "lw23_hd95_mm": Metric("2023 lesion-wise HD95 (mm)", lesionwise_2023.RULE, "lower"),
        "lw25_dice": Metric("2025 lesion-wise Dice", lesionwise_2025.RULE),
        "lw25_nsd_05": Metric("2025 lesion-wise NSD 0.5 mm", lesionwise_2025.RULE),
        "lw25_nsd_1": Metric("2025 lesion-wise NSD 1 mm", lesionwise_2025.RULE),
        "lw25_hd95_mm": Metric("2025 lesion-wise HD95 (mm)", lesionwise_2025.RULE, "lower"),
        "lw25_small_f1": Metric("2025 small-lesion F1", lesionwise_2025.RULE),
        "sensitivity": Metric("lesion sensitivity", detection.RULE),
        "false_positives": Metric("false positives", detection.RULE, "lower"),
        **_calibration_metrics(),
        "qu_brats": Metric("QU-BraTS", qu_brats.RULE),
        "interval_coverage": Metric("volume interval coverage", coverage.RULE),
        "truth_correlation": Metric("γ with true γ (ρ)", observers.RULE),
        "rater_correlation": Metric("γ with raters' (ρ)", observers.RULE),
        "volume_error_cc": Metric(
            "volume error (cc)", "predicted minus reference volume", "nearer 0"
        ),
        "diameter_sum_error_mm": Metric(
            "sum of diameters error (mm)",
            f"predicted minus reference sum; {clinical.RULE}",
            "nearer 0",
        ),
    }
)
"""Every number of a region and case, in the order of tables and files."""


@dataclass(frozen=True)
class Uncertainty:
    """What a prediction says beyond its mask, for one region.

    Args:
        membership: calibrated, float32 ``(D, H, W)``.
        brain: boolean; the brain or head.
        widest: boolean; reference and predicted voxels of the widest region together.
        truth: true membership of a synthetic patient.
        raters: masks of simulated or real raters.
    """

    membership: np.ndarray
    brain: np.ndarray
    widest: np.ndarray
    truth: np.ndarray | None = None
    raters: Sequence[np.ndarray] = ()


@dataclass(frozen=True)
class RegionScore:
    """One region of one case.

    Args:
        reference_cc, predicted_cc: volumes; the second is ``None`` without a prediction.
        reference_diameters_mm, predicted_diameters_mm: RANO-BM sums of the lesions' own region,
            ``None`` elsewhere.
        reliability: by ``brain``, ``lesions``, ``band``; empty without membership.
        intervals: of the lesions' own region; empty elsewhere.
        correlations: γ against ``truth`` and ``raters``, where these are known.
    """

    casewise: CasewiseScore
    lesionwise_2023: Score2023
    lesionwise_2025: Score2025
    detection: Detection
    reference_cc: float
    predicted_cc: float | None
    reference_diameters_mm: float | None = None
    predicted_diameters_mm: float | None = None
    reliability: Mapping[str, Reliability] = field(default_factory=dict)
    qu_brats: QuBrats | None = None
    intervals: tuple[IntervalCheck, ...] = ()
    correlations: Mapping[str, float | None] = field(default_factory=dict)

    def metrics(self) -> dict[str, float | None]:
        """A value for each of ``METRICS``; ``None`` is n/a."""
        found = self.detection.lesions
        values: dict[str, float | None] = {
            "dice": self.casewise.dice,
            "hd95_mm": self.casewise.hd95_mm,
            "nsd_05": self.casewise.nsd_05,
            "nsd_1": self.casewise.nsd_1,
            "lw23_dice": self.lesionwise_2023.dice,
            "lw23_hd95_mm": self.lesionwise_2023.hd95_mm,
            "lw25_dice": self.lesionwise_2025.dice,
            "lw25_nsd_05": self.lesionwise_2025.nsd_05,
            "lw25_nsd_1": self.lesionwise_2025.nsd_1,
            "lw25_hd95_mm": self.lesionwise_2025.hd95_mm,
            "lw25_small_f1": self.lesionwise_2025.small_f1,
            "sensitivity": sum(one.found for one in found) / len(found) if found else None,
            "false_positives": self.detection.false_positives,
            "qu_brats": self.qu_brats.score if self.qu_brats else None,
            "interval_coverage": coverage.coverage(self.intervals),
            "truth_correlation": self.correlations.get("truth"),
            "rater_correlation": self.correlations.get("raters"),
            "volume_error_cc": _difference(self.predicted_cc, self.reference_cc),
            "diameter_sum_error_mm": _difference(
                self.predicted_diameters_mm, self.reference_diameters_mm
            ),
        }
        for where, sums in self.reliability.items():
            values[f"ece_{where}"], values[f"brier_{where}"] = sums.ece, sums.brier
        return {name: values.get(name) for name in METRICS}


def score_region(
    prediction: np.ndarray,
    reference: np.ndarray,
    spacing_mm: tuple[float, float, float],
    uncertainty: Uncertainty | None = None,
    lesions: LesionMap | None = None,
    is_lesion_region: bool = False,
) -> RegionScore:
    """Measure one region of one case.

    Args:
        prediction: boolean ``(D, H, W)``, D the axial axis.
        reference: boolean, the same shape.
        spacing_mm: voxel size.
        uncertainty: for the metrics that need membership.
        lesions: the prediction's lesions, for FROC and the volume interval; of this region.
        is_lesion_region: whether lesions are defined by this region, which is then the one whose
            diameters are measured.
    """
    voxel_cc = float(np.prod(spacing_mm)) / 1000.0
    detections, scores = None, None
    sums: dict[str, float | None] = {"reference": None, "predicted": None}
    if is_lesion_region:
        sums = {
            name: clinical.sum_of_diameters_mm(clinical.measure_lesions(mask, spacing_mm))
            for name, mask in (("reference", reference), ("predicted", prediction))
        }
    if lesions is not None and uncertainty is not None:
        halves = {one.number: 0.5 * one.peak for one in lesions.candidates}
        detections = cut_lesions(uncertainty.membership, lesions, alphas=halves)
        scores = {lesion.number: lesion.peak for lesion in lesions.lesions}
    score = RegionScore(
        casewise=score_casewise(prediction, reference, spacing_mm),
        lesionwise_2023=score_2023(prediction, reference, spacing_mm),
        lesionwise_2025=score_2025(prediction, reference, spacing_mm),
        detection=detect(prediction, reference, spacing_mm, detections, scores),
        reference_cc=float(np.count_nonzero(reference)) * voxel_cc,
        predicted_cc=float(np.count_nonzero(prediction)) * voxel_cc,
        reference_diameters_mm=sums["reference"],
        predicted_diameters_mm=sums["predicted"],
    )
    if uncertainty is None:
        return score
    return _with_uncertainty(score, prediction, reference, spacing_mm, uncertainty, lesions)


def score_missing(
    reference: np.ndarray, spacing_mm: tuple[float, float, float], is_lesion_region: bool = False
) -> RegionScore:
    """What a region scores whose case has no prediction: the worst value of every metric.

    All lesions are missed. A reference without a lesion scores no reward either: Dice 0 by both
    the case-wise and the 2023 rule. What needs a prediction (false positives, calibration, volume)
    is n/a, so that it leaves those means alone.
    """
    nothing = np.zeros_like(reference)
    by_2023 = score_2023(nothing, reference, spacing_mm)
    if by_2023.lesions == 0:
        by_2023 = Score2023(0.0, lesionwise_2023.PENALTY_MM, 0, 0, 0, by_2023.per_lesion)
    found = detect(nothing, reference, spacing_mm)
    diameters = None
    if is_lesion_region:
        lesions = clinical.measure_lesions(reference, spacing_mm)
        diameters = clinical.sum_of_diameters_mm(lesions)
    return RegionScore(
        casewise=worst_casewise(reference.shape, spacing_mm),
        lesionwise_2023=by_2023,
        lesionwise_2025=score_2025(nothing, reference, spacing_mm),
        detection=Detection(found.lesions, None),
        reference_cc=float(np.count_nonzero(reference) * np.prod(spacing_mm)) / 1000.0,
        predicted_cc=None,
        reference_diameters_mm=diameters,
    )


def _with_uncertainty(
    score: RegionScore,
    prediction: np.ndarray,
    reference: np.ndarray,
    spacing_mm: tuple[float, float, float],
    given: Uncertainty,
    lesions: LesionMap | None,
) -> RegionScore:
    """The score with all that needs membership."""
    band = boundary_band(reference, spacing_mm)
    places = {
        "brain": given.brain | reference | prediction,
        "lesions": given.widest,
        "band": band,
    }
    correlations: dict[str, float | None] = {}
    if given.truth is not None:
        correlations["truth"] = observers.correlation_with_truth(
            given.membership, given.truth, band
        )
    if given.raters:
        correlations["raters"] = observers.correlation_with_raters(
            given.membership, given.raters, band
        )
    checks: tuple[IntervalCheck, ...] = ()
    if lesions is not None:
        intervals = {
            lesion.number: (lesion.volume_low_cc, lesion.volume_high_cc) for lesion in lesions.found
        }
        seen = given.raters or [reference]
        checks = check_intervals(lesions.territories, intervals, seen, spacing_mm)
    return replace(
        score,
        reliability={
            name: reliability(given.membership, reference, where) for name, where in places.items()
        },
        qu_brats=score_qu_brats(
            prediction, reference, certainty(given.membership), places["brain"]
        ),
        correlations=correlations,
        intervals=checks,
    )


def _difference(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else first - second
