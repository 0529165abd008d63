"""Does the fast path say what the reference path says? Dice, membership, lesions gained and lost.

    python benchmarks/agreement.py --model MODEL CASE [CASE …] --output agreement.json

The reference is PyTorch in single precision with half overlapping windows of the trained size; the
fast path is what `predict` does by default. Speed counts for nothing where a lesion is lost.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from machine import machine_facts
from rich.console import Console
from rich.progress import track
from rich.table import Table

from ParetoSegLib.core.outputs import whole_file
from ParetoSegLib.data.case import read_case
from ParetoSegLib.data.layouts import find_cases
from ParetoSegLib.measure.lesions import cut_lesions
from ParetoSegLib.pipeline import SegmentOptions, load, segment
from ParetoSegLib.review.result import Result


def dice(one: np.ndarray, other: np.ndarray) -> float:
    """2 |A ∩ B| / (|A| + |B|); 1 where both are empty."""
    size = int(one.sum() + other.sum())
    return 2 * int((one & other).sum()) / size if size else 1.0


def missed(one: Result, other: Result) -> list[dict[str, Any]]:
    """The lesions of ``one`` that no lesion of ``other`` touches, with their volumes and peaks."""
    region = one.lesions.region
    there = cut_lesions(other.membership[region], other.lesions) > 0
    here = cut_lesions(one.membership[region], one.lesions)
    met = set(np.unique(here[there]).tolist())
    return [
        {"number": x.number, "volume_cc": x.volume_cc, "peak": x.peak}
        for x in one.lesions.found
        if x.number not in met
    ]


def compared(fast: Result, reference: Result) -> dict[str, Any]:
    """What one case shows."""
    regions = {}
    for region in reference.regions:
        a, b = fast.membership[region], reference.membership[region]
        difference = np.abs(a - b)
        regions[region] = {
            "dice": dice(a >= 0.5, b >= 0.5),
            "largest_difference": float(difference.max()),
            "share_above_0.1": float(np.mean(difference > 0.1)),
            "volume_cc": [fast.volume_cc(region, 0.5), reference.volume_cc(region, 0.5)],
        }
    return {
        "case": reference.case.name,
        "regions": regions,
        "lesions": [len(fast.lesions.found), len(reference.lesions.found)],
        "gained": missed(fast, reference),
        "lost": missed(reference, fast),
        "backends": [fast.facts["backend"], reference.facts["backend"]],
        "seconds": [r.facts["seconds"]["segmenting"] for r in (fast, reference)],  # type: ignore[index]
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+", metavar="CASE", help="or a folder of them")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--backend", default="auto", choices=("auto", "torch", "openvino"))
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    model = load(options.model)
    quick = SegmentOptions(device=options.device, backend=options.backend)
    careful = SegmentOptions(
        device="cpu", backend="torch", overlap=0.5, half=False, trained_windows=True
    )

    rows = []
    cases = [files for folder in options.folders for files in find_cases(folder)[1]]
    for files in track(cases, "Comparing"):
        case = read_case(files, with_labels=False)
        rows.append(compared(segment(case, model, quick), segment(case, model, careful)))

    table = Table(title=f"{rows[0]['backends'][0]} against {rows[0]['backends'][1]}, overlap ½")
    for column in ("case", "Dice ET", "TC", "WT", "largest Δμ", "lesions", "gained", "lost"):
        table.add_column(column)
    for row in rows:
        found = row["regions"]
        numbers = [f"{found[r]['dice']:.4f}" if r in found else "n/a" for r in ("et", "tc", "wt")]
        worst = max(region["largest_difference"] for region in found.values())
        counts = (
            f"{row['lesions'][0]} / {row['lesions'][1]}",
            *map(str, (len(row["gained"]), len(row["lost"]))),
        )
        table.add_row(row["case"], *numbers, f"{worst:.3f}", *counts)
    console = Console()
    console.print(table)
    lost = sum(len(row["lost"]) for row in rows)
    gained = sum(len(row["gained"]) for row in rows)
    console.print(f"{len(rows)} cases: {lost} lesions lost, {gained} gained.")
    if options.output:
        whole = {
            "machine": machine_facts(),
            "model": options.model.name,
            "cases": rows,
            "lost": lost,
            "gained": gained,
            "least_dice": {
                r: min(
                    (row["regions"][r]["dice"] for row in rows if r in row["regions"]), default=None
                )
                for r in ("et", "tc", "wt")
            },
        }
        with whole_file(options.output) as file:
            file.write_text(json.dumps(whole, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
