"""Score a model on labelled cases with several sets of sequences: one row a set.

    python benchmarks/default_model/score.py --model MODEL --cases DIR --output scores.json
    python benchmarks/default_model/score.py … --sequences t1c t1c+t2f t2f

Each set shows the model only its own sequences; the references stay the same. Results of cases
that are there already are kept, so a stopped run goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np

from ParetoSegLib.cohort import segment_cases
from ParetoSegLib.core.labels import MODALITIES, REGIONS
from ParetoSegLib.data.layouts import find_cases
from ParetoSegLib.pipeline import load
from ParetoSegLib.review.evaluation import Evaluation, evaluate
from ParetoSegLib.review.scores import pooled, summaries

MAIN = ("t1n+t1c+t2w+t2f", "t1c", "t1c+t2f", "t2f")
"""The sets that the model card leads with."""


def all_sets() -> list[str]:
    """All 15 non-empty sets of sequences, the main ones first."""
    sets = ["+".join(c) for n in range(4, 0, -1) for c in combinations(MODALITIES, n)]
    return [*MAIN, *(s for s in sets if s not in MAIN)]


def score(
    model_folder: Path, cases_folder: Path, sequences: str, work: Path, most: int
) -> dict[str, Any]:
    """Segment every case with one set of sequences and compare with its labels and raters."""
    wanted = sequences.split("+")
    model = load(model_folder)
    cases = [
        replace(case, images={m: p for m, p in case.images.items() if m in wanted})
        for case in find_cases(cases_folder)[1][:most]
    ]
    began = time.perf_counter()
    seconds: list[float] = []
    for outcome in segment_cases(cases, model, work, resume=True):
        if outcome.state == "failed":
            raise SystemExit(f"{outcome.name}: {outcome.error}")
        if outcome.result is not None:
            stages = outcome.result.facts["seconds"]
            assert isinstance(stages, dict)
            seconds.append(sum(stages.values()))
        print(f"  {sequences}: {outcome.name} {time.perf_counter() - began:.0f} s", flush=True)
    names = {case.name for case in cases}
    evaluation = evaluate(work, cases_folder)
    kept = tuple(case for case in evaluation.cases if case.name in names)
    row = numbers(replace(evaluation, cases=kept))
    return {"sequences": sequences, "cases": len(cases), "seconds_a_case": middle(seconds), **row}


def numbers(evaluation: Evaluation) -> dict[str, Any]:
    """What the tables show, for each region that was assessed."""
    found = summaries(evaluation)
    regions: dict[str, Any] = {}
    for region in REGIONS:
        if not found[region]["dice"].n:
            continue
        together = pooled(evaluation, region)
        band = together["calibration"].get("band") if together["calibration"] else None  # type: ignore[attr-defined]
        regions[region] = {
            "dice": found[region]["dice"].mean,
            "dice_median": found[region]["dice"].median,
            "lesionwise_2025_dice": found[region]["lw25_dice"].mean,
            "sensitivity_by_size": together["sensitivity_by_size"],
            "false_positives_per_scan": together["false_positives_per_scan"],
            "band_ece": band["ece"] if band else None,
            "band": band,
            "interval_coverage": together["interval_coverage"],
            "truth_correlation": found[region]["truth_correlation"].mean,
            "rater_correlation": found[region]["rater_correlation"].mean,
        }
    return {"regions": regions}


def middle(values: list[float]) -> float | None:
    """The median, or nothing of nothing."""
    return float(np.median(values)) if values else None


def main() -> int:
    """Parse, score each set, write after each."""
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    p.add_argument("--model", type=Path, required=True)
    p.add_argument("--cases", type=Path, required=True, help="labelled cases")
    p.add_argument("--output", type=Path, required=True, help="JSON to write")
    p.add_argument("--work", type=Path, help="where results go (default: beside --output)")
    p.add_argument("--sequences", nargs="+", default=list(MAIN), help="sets, or: all")
    p.add_argument("--most", type=int, default=10_000, help="at most so many cases")
    given = p.parse_args()
    sets = all_sets() if given.sequences == ["all"] else given.sequences
    work = given.work or given.output.with_suffix("")
    rows = []
    for sequences in sets:
        rows.append(score(given.model, given.cases, sequences, work / sequences, given.most))
        given.output.parent.mkdir(parents=True, exist_ok=True)
        given.output.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
        show(rows[-1])
    return 0


def show(row: dict[str, Any]) -> None:
    """One line a region."""
    for region, found in row["regions"].items():
        sizes = {
            name: f"{one['found']}/{one['lesions']}"
            for name, one in found["sensitivity_by_size"].items()
        }
        print(
            f"{row['sequences']} {region}: Dice {found['dice']:.3f} "
            f"(lesion-wise {found['lesionwise_2025_dice']}), found {sizes}, "
            f"false {found['false_positives_per_scan']}, band ECE {found['band_ece']}, "
            f"coverage {found['interval_coverage']}",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main())
