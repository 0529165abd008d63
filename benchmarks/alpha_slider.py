"""How long does a move of the α slider take? Numbers alone, with Slicer's node, and until drawn.

    python benchmarks/alpha_slider.py --output alpha_slider.json

A head-sized grid (155 × 240 × 240) with 1, 10 and 40 soft lesions of 2 to 12 mm radius; α jumps
at random over the slider's range, so that a move is as long as a hasty hand makes it. Medians with
quartiles after a warm-up. The columns with the node run on slicer-core, without the application;
"drawn" adds one slice view, rendered without a GPU.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "Testing"))
sys.path.insert(0, str(Path(__file__).parents[1] / "ParetoSeg"))
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from machine import machine_facts
from rich.console import Console
from rich.table import Table
from slicer_harness import harness

from ParetoSegLib.core.geometry import Grid
from ParetoSegLib.core.labels import REGIONS
from ParetoSegLib.core.outputs import whole_file
from ParetoSegLib.data.case import Case, Image
from ParetoSegLib.measure.lesions import cut_lesions, find_lesions
from ParetoSegLib.review.result import Result

SHAPE = (155, 240, 240)
COUNTS = (1, 10, 40)
WARM_UP = 3
CUT, WHOLE, NODE, DRAWN = "numbers", "numbers, whole image", "with node", "with node, drawn"


def painted(lesions: int, rng: np.random.Generator) -> Result:
    """Balls on a jittered lattice, soft over 1 mm; ET is a little smaller, WT a little larger."""
    grid = Grid(SHAPE, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    sites = [
        (z, y, x) for z in (30, 75, 120) for y in (45, 95, 145, 195) for x in (45, 95, 145, 195)
    ]
    far = {r: np.full(SHAPE, 60, np.float32) for r in REGIONS}
    for index in rng.permutation(len(sites))[:lesions]:
        centre = np.array(sites[index]) + rng.uniform(-5, 5, 3)
        radius = rng.uniform(2, 12)
        box = tuple(slice(max(0, int(c) - 32), int(c) + 32) for c in centre)
        axes = np.ogrid[
            tuple(slice(b.start, min(b.stop, n)) for b, n in zip(box, SHAPE, strict=True))
        ]
        away = np.sqrt(sum((a - c) ** 2 for a, c in zip(axes, centre, strict=True)))
        for region, wider in (("et", -1.0), ("tc", 0.0), ("wt", 6.0)):
            np.minimum(far[region][box], away - radius - wider, out=far[region][box])
    membership = {r: 1 / (1 + np.exp(np.clip(far[r], -60, 60))) for r in REGIONS}
    image = (100 + 100 * membership["tc"]).astype(np.float32)
    case = Case("painted", "painted", {"t1c": Image(image, grid)}, "t1c", grid, None, {})
    found = find_lesions(membership, grid, REGIONS)
    return Result(case, membership, REGIONS, found, {}, "painted", {})


def timed(move: Callable[[float], object], alphas: np.ndarray) -> list[float]:
    """Milliseconds of each move after the warm-up."""
    seconds = []
    for alpha in alphas:
        began = time.perf_counter()
        move(float(alpha))
        seconds.append((time.perf_counter() - began) * 1000)
    return seconds[WARM_UP:]


def measure(result: Result, alphas: np.ndarray) -> dict[str, list[float]]:
    """Each way of moving, in turn on the same α's."""
    rows = {}
    lesions, membership = result.lesions, result.membership
    rows[WHOLE] = timed(
        lambda alpha: [cut_lesions(membership[r], lesions, alpha) for r in REGIONS], alphas
    )
    if harness.missing() is not None:
        return rows
    harness.install()
    import slicer
    from ParetoSegPanel.alpha_cut import LiveCut, levels_of
    from ParetoSegPanel.live_segmentation import LiveSegmentation
    from ParetoSegPanel.result_nodes import load_result
    from ParetoSegPanel.volumes import add_volume

    harness.fresh_scene()
    reference = add_volume(result.case.images["t1c"].array, result.case.grid, "T1c")
    case = load_result(result, reference, "Result")
    cut = LiveCut.of(case.field)
    numbers = [lesion.number for lesion in case.lesions]
    rows[CUT] = timed(lambda alpha: cut.move(levels_of(numbers, (), (), alpha, {})), alphas)
    live = LiveSegmentation(case)
    rows[NODE] = timed(live.set_alpha, alphas)
    slicer.util.setSliceViewerLayers(background=reference, fit=True)
    harness.render_slice("Red")

    def drawn(alpha: float) -> None:
        live.set_alpha(alpha)
        harness.render_slice("Red")

    rows[DRAWN] = timed(drawn, alphas)
    return rows


def summary(milliseconds: list[float]) -> dict[str, Any]:
    quartiles = statistics.quantiles(milliseconds, n=4)
    return {"milliseconds": milliseconds, "quartiles": quartiles, "longest": max(milliseconds)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moves", type=int, default=24)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    alphas = rng.uniform(0.05, 0.95, options.moves + WARM_UP)
    table = Table(title="A move of α on 155 × 240 × 240")
    for column in ("lesions", "what", "median ms", "quartiles ms", "longest ms"):
        table.add_column(column)
    cases: dict[str, Any] = {}
    for count in COUNTS:
        result = painted(count, rng)
        rows = {name: summary(times) for name, times in measure(result, alphas).items()}
        cases[str(len(result.lesions.found))] = rows
        for name, row in rows.items():
            low, middle, high = row["quartiles"]
            table.add_row(
                str(len(result.lesions.found)),
                name,
                f"{middle:.2f}",
                f"{low:.2f} to {high:.2f}",
                f"{row['longest']:.2f}",
            )
    Console().print(table)
    if options.output:
        facts = {"machine": machine_facts(), "shape": list(SHAPE), "moves": options.moves}
        with whole_file(options.output) as file:
            file.write_text(json.dumps({**facts, "lesions": cases}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
