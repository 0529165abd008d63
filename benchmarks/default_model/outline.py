"""How well the brain is outlined in whole heads that no training used, by set of sequences.

    python -m ParetoSegLib.synthesize --config benchmarks/default_model/holdout.yaml \
      --set brain-heads --heads DIR --output heads
    python benchmarks/default_model/outline.py --heads heads --output outline.json
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
from score import MAIN

from ParetoSegLib.core.geometry import distance_to
from ParetoSegLib.core.outputs import whole_file
from ParetoSegLib.data.case import CaseFiles, read_case
from ParetoSegLib.data.layouts import find_cases
from ParetoSegLib.data.preprocessing import prepare
from ParetoSegLib.model.outlining import find_brain

DEEP_MM = 4.0
"""Brain that lies deeper than this outside the outline is lost, not cut a little tight."""


def measure(files: CaseFiles, sequences: str, outliner: Path | None) -> dict[str, float | None]:
    """One head seen with one set of sequences; Dice is ``None`` where no brain was found."""
    kept = {m: p for m, p in files.images.items() if m in sequences.split("+")}
    prepared = prepare(read_case(replace(files, images=kept)))
    assert prepared.regions is not None
    truth = prepared.regions["wt"][prepared.box]
    began = time.perf_counter()
    found = find_brain(prepared, outliner)
    seconds = time.perf_counter() - began
    if found is None:
        return {"dice": None, "lost": 1.0, "added": 0.0, "seconds": seconds}
    far = distance_to(found, prepared.grid.spacing_mm) > DEEP_MM
    beyond = distance_to(truth, prepared.grid.spacing_mm) > DEEP_MM
    return {
        "dice": 2 * float((found & truth).sum()) / float(found.sum() + truth.sum()),
        "lost": float((truth & far).sum() / truth.sum()),
        "added": float((found & beyond).sum() / truth.sum()),
        "seconds": seconds,
    }


def row(sequences: str, heads: list[dict[str, Any]]) -> dict[str, Any]:
    """What a line of the table shows."""
    dice = [h["dice"] for h in heads if h["dice"] is not None]
    return {
        "sequences": sequences,
        "heads": len(heads),
        "not_found": len(heads) - len(dice),
        "dice_median": median(dice) if dice else None,
        "dice_least": min(dice, default=None),
        "lost_most": max(h["lost"] for h in heads),
        "added_most": max(h["added"] for h in heads),
        "seconds_median": median(h["seconds"] for h in heads),
    }


def main() -> int:
    """Parse, measure, write."""
    p = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    p.add_argument("--heads", type=Path, required=True, help="whole heads labelled with brain")
    p.add_argument("--output", type=Path, required=True, help="JSON to write")
    p.add_argument("--outliner", type=Path, help="model folder (default: the one that ships)")
    given = p.parse_args()
    rows = []
    for sequences in (*MAIN, "t1n", "t2w"):
        heads = [measure(f, sequences, given.outliner) for f in find_cases(given.heads)[1]]
        rows.append(row(sequences, heads))
        print(
            json.dumps(
                {k: np.round(v, 4) if isinstance(v, float) else v for k, v in rows[-1].items()}
            ),
            flush=True,
        )
    with whole_file(given.output) as file:
        file.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
