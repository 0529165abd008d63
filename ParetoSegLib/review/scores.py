"""An evaluation as files: JSON with the rules, and tables of one row a case and one a lesion."""

from __future__ import annotations

import csv
import io
import json
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

import ParetoSegLib
from ParetoSegLib.core.labels import REGIONS
from ParetoSegLib.core.outputs import whole_file
from ParetoSegLib.measure import detection, statistics
from ParetoSegLib.measure.coverage import coverage
from ParetoSegLib.measure.lesionwise import LesionScore
from ParetoSegLib.measure.scorecard import METRICS, PLACES, RegionScore
from ParetoSegLib.measure.statistics import Summary, summarise
from ParetoSegLib.review.evaluation import (
    MISSING,
    NO_REFERENCE,
    SCORED,
    UNREADABLE,
    CaseResult,
    Evaluation,
)

FORMAT_VERSION = 1

NOT_AVAILABLE = "n/a"

RULES: Mapping[str, str] = {
    **{name: metric.rule for name, metric in METRICS.items()},
    "FROC": detection.FROC_RULE,
    "statistics": statistics.RULE,
    "over all cases together": "lesions, scans, voxels and intervals of all cases are pooled",
    "missing predictions": "a case of the references without a prediction, or with one that cannot "
    "be read, counts as the worst: Dice and NSD 0, HD95 its penalty, every lesion missed, also "
    "where the reference holds no lesion; false positives, calibration, QU-BraTS, intervals and "
    "volumes are n/a for it",
    "n/a": "a region that the reference's labels do not define, or that the prediction calls not "
    "assessable, is n/a and enters no mean; it is never scored as empty",
    "extra predictions": "predictions without a reference are named and not scored",
    "grids": "everything is compared on the reference image's grid; a prediction on another grid "
    "is brought onto it by its affine, labels by nearest neighbour, membership linearly",
}
"""Exactly how every number of the files is made."""


def write_scores(evaluation: Evaluation, file: Path, seed: int = 0) -> tuple[Path, Path, Path]:
    """Write ``file`` (JSON) and beside it ``…_cases.csv`` and ``…_lesions.csv``.

    Returns:
        The three paths.

    Raises:
        OutputError: they cannot be written.
    """
    cases = file.with_name(f"{file.stem}_cases.csv")
    lesions = file.with_name(f"{file.stem}_lesions.csv")
    _write(cases, _table(CASE_COLUMNS, case_rows(evaluation)))
    _write(lesions, _table(LESION_COLUMNS, lesion_rows(evaluation)))
    text = json.dumps(to_json(evaluation, seed), indent=1, ensure_ascii=False, allow_nan=False)
    _write(file, text + "\n")
    return file, cases, lesions


def summaries(evaluation: Evaluation, seed: int = 0) -> dict[str, dict[str, Summary]]:
    """For each region and metric the statistics over cases; n/a values are left out."""
    table: dict[str, dict[str, Summary]] = {}
    for region in REGIONS:
        scored = [case for case in evaluation.cases if region in case.regions]
        values = [case.regions[region].metrics() for case in scored]
        patients = [case.patient for case in scored]
        table[region] = {
            name: summarise([row[name] for row in values], patients, seed) for name in METRICS
        }
    return table


def pooled(evaluation: Evaluation, region: str) -> dict[str, object]:
    """What is counted over all lesions or voxels of all cases instead of averaged over cases."""
    scores = [case.regions[region] for case in evaluation.cases if region in case.regions]
    found = [score.detection for score in scores]
    curve = detection.froc(found)
    checks = [check for score in scores for check in score.intervals]
    calibrated: dict[str, object] = {}
    for where in PLACES:
        parts = [score.reliability[where] for score in scores if where in score.reliability]
        if parts:
            total = sum(parts[1:], parts[0])
            calibrated[where] = {
                "ece": total.ece,
                "brier": total.brier,
                "voxels": total.voxels.astype(int).tolist(),
                "mean_membership": _ratios(total.membership, total.voxels),
                "share_of_tumour": _ratios(total.tumour, total.voxels),
            }
    return {
        "sensitivity_by_size": {
            name: {"lesions": one.lesions, "found": one.found, "sensitivity": one.rate}
            for name, one in detection.sensitivity_by_size(found).items()
        },
        "false_positives_per_scan": detection.false_positives_per_scan(found),
        "froc": asdict(curve) if curve else None,
        "calibration": calibrated,
        "interval_coverage": {"coverage": coverage(checks), "checks": len(checks)},
    }


def to_json(evaluation: Evaluation, seed: int = 0) -> dict[str, object]:
    """Everything, JSON-ready: rules and versions, summaries, cases and lesions."""
    ended = {
        state: [case.name for case in evaluation.cases if case.state == state]
        for state in (SCORED, MISSING, UNREADABLE, NO_REFERENCE)
    }
    return {
        "format_version": FORMAT_VERSION,
        "versions": versions(),
        "layout": evaluation.layout,
        "seed": seed,
        "rules": dict(RULES),
        "metrics": {
            name: {"title": metric.title, "better": metric.better}
            for name, metric in METRICS.items()
        },
        "counts": {state: len(names) for state, names in ended.items()},
        "cases_by_state": ended,
        "extra predictions": list(evaluation.extra),
        "resampled predictions": [case.name for case in evaluation.cases if case.resampled],
        "summary": {
            region: {name: asdict(one) for name, one in row.items()}
            for region, row in summaries(evaluation, seed).items()
        },
        "pooled": {region: pooled(evaluation, region) for region in REGIONS},
        "cases": [
            {
                "case": case.name,
                "patient": case.patient,
                "state": case.state,
                "why": case.why,
                "absent": dict(case.absent),
                "regions": {region: _facts(score) for region, score in case.regions.items()},
            }
            for case in evaluation.cases
        ],
        "lesions": list(lesion_rows(evaluation)),
    }


CASE_COLUMNS = (
    "case",
    "patient",
    "region",
    "state",
    "why",
    *METRICS,
    *(
        "reference_cc",
        "predicted_cc",
        "reference_diameters_mm",
        "predicted_diameters_mm",
        "reference_lesions",
        "found_lesions",
    ),
)


def case_rows(evaluation: Evaluation) -> Iterator[dict[str, object]]:
    """One row a case and region, ``None`` where n/a."""
    for case in evaluation.cases:
        for region in REGIONS:
            row: dict[str, object] = {
                "case": case.name,
                "patient": case.patient,
                "region": region,
                "state": case.state,
                "why": case.why or case.absent.get(region, ""),
            }
            if region in case.regions:
                row.update(_facts(case.regions[region]))
            yield row


def _facts(score: RegionScore) -> dict[str, object]:
    found = score.detection.lesions
    return {
        **score.metrics(),
        "reference_cc": score.reference_cc,
        "predicted_cc": score.predicted_cc,
        "reference_diameters_mm": score.reference_diameters_mm,
        "predicted_diameters_mm": score.predicted_diameters_mm,
        "reference_lesions": len(found),
        "found_lesions": sum(one.found for one in found),
    }


LESION_COLUMNS = (
    "case",
    "region",
    "rule",
    "kind",
    "number",
    "volume_mm3",
    "diameter_mm",
    "size",
    "x_lps_mm",
    "y_lps_mm",
    "z_lps_mm",
    "found",
    "counted",
    "dice",
    "hd95_mm",
    "nsd_05",
    "nsd_1",
)


def lesion_rows(evaluation: Evaluation) -> Iterator[dict[str, object]]:
    """One row a lesion or false positive, under each of the two lesion-wise rules."""
    for case in evaluation.cases:
        for region, score in case.regions.items():
            for rule, lesions in (
                ("2023", score.lesionwise_2023.per_lesion),
                ("2025", score.lesionwise_2025.per_lesion),
            ):
                for lesion in lesions:
                    yield {"case": case.name, "region": region, "rule": rule} | _row(lesion, case)


def _row(lesion: LesionScore, case: CaseResult) -> dict[str, object]:
    diameter = detection.equivalent_diameter_mm(lesion.volume_mm3)
    assert case.grid is not None  # a case with scores has a grid
    x, y, z = case.grid.positions(np.array([lesion.position]))[0]
    return {
        "kind": lesion.kind,
        "number": lesion.number,
        "volume_mm3": lesion.volume_mm3,
        "diameter_mm": round(diameter, 3),
        "size": detection.size_bin(diameter),
        "x_lps_mm": round(float(x), 2),
        "y_lps_mm": round(float(y), 2),
        "z_lps_mm": round(float(z), 2),
        "found": lesion.found,
        "counted": lesion.counted,
        "dice": lesion.dice,
        "hd95_mm": lesion.hd95_mm,
        "nsd_05": lesion.nsd_05,
        "nsd_1": lesion.nsd_1,
    }


def versions() -> dict[str, str]:
    """The versions that the numbers depend on."""
    found = {"ParetoSegLib": ParetoSegLib.__version__, "python": platform.python_version()}
    for package in ("numpy", "scipy", "SimpleITK"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    return found


def _ratios(above: Iterable[float], below: Iterable[float]) -> list[float | None]:
    return [float(a / b) if b else None for a, b in zip(above, below, strict=True)]


def _table(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(columns)
    for row in rows:
        table.writerow([_cell(row.get(column)) for column in columns])
    return stream.getvalue()


def _cell(value: object) -> object:
    if value is None:
        return NOT_AVAILABLE
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else value


def _write(path: Path, text: str) -> None:
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="")
