"""What does the method cost a training step? Each mode against Dice + CE, step by step in turn.

    python benchmarks/step_time.py --output step_time.json

The modes take turns on the same batch, so that whatever else the machine does hits all alike.
Data loading is left out. Medians with quartiles, after a warm-up.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from machine import machine_facts
from rich.console import Console
from rich.progress import track
from rich.table import Table

from ParetoSegLib.core.config import from_mapping
from ParetoSegLib.core.outputs import whole_file
from ParetoSegLib.model.cache import CachedCase
from ParetoSegLib.model.patches import Patch
from ParetoSegLib.model.processes import start_processes
from ParetoSegLib.model.training import Run, choose_precision
from ParetoSegLib.model.training_settings import TrainingSettings

MODES: dict[str, dict[str, Any]] = {
    "Dice + CE, hard labels": {"loss": "dice_ce"},
    "sum": {"pareto": {"mode": "sum"}},
    "stch": {"pareto": {"mode": "stch"}},
    "upgrad, refresh_every=8": {"pareto": {"mode": "upgrad", "refresh_every": 8}},
    "upgrad, exact": {"pareto": {"mode": "upgrad", "refresh_every": 1}},
}


def painted_patch(side: int) -> Patch:
    """Noise with a ball of soft membership: losses and gradients as in a real step."""
    generator = torch.Generator().manual_seed(0)
    axis = torch.arange(side) - side / 2
    radius = (axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + axis[None, None] ** 2).sqrt()
    membership = torch.stack(
        [((r - radius) / 3 + 0.5).clamp(0, 1) for r in (side / 10, side / 8, side / 5)]
    )
    images = torch.randn((1, 4, side, side, side), generator=generator) + membership.sum(0)
    alike = torch.ones_like(membership)
    known = torch.ones(1, 3, dtype=torch.bool)
    return Patch(images, torch.ones(1, 4), membership[None], alike[None], known)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", default="UNet")
    parser.add_argument("--patch", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=16)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="auto", choices=("auto", "bf16", "fp32"))
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    processes = start_processes(options.device, 1, 1)
    batch = painted_patch(options.patch)
    unused = [CachedCase("none", Path(), (True,) * 4, (True,) * 3, (), (1.0, 1.0, 1.0), ())]
    runs, times = {}, {name: [] for name in MODES}
    precision = options.precision
    for name, mode in MODES.items():
        settings = from_mapping(
            TrainingSettings,
            {
                "patch": [options.patch] * 3,
                "network": {"name": options.network},
                "curriculum": {"pace": "none"},
                **mode,
            },
        )
        run = Run(settings, unused, [], Path(), processes)
        if precision == "auto":
            precision = choose_precision(run.network, settings, processes.device)
        run.precision = precision
        runs[name] = run
    warmup = 8
    for turn in track(range(warmup + options.rounds), "Timing"):
        for name, run in runs.items():
            began = time.perf_counter()
            run._advance(batch)
            if processes.device.type == "cuda":
                torch.cuda.synchronize()
            if turn >= warmup:
                times[name].append(time.perf_counter() - began)

    plain = times["Dice + CE, hard labels"]
    rows = {}
    for name, seconds in times.items():
        # With refresh_every=8 steps differ: the mean over whole rounds is what a user pays.
        ratio = statistics.fmean(seconds) / statistics.fmean(plain)
        quartiles = statistics.quantiles(seconds, n=4)
        rows[name] = {"seconds": seconds, "quartiles": quartiles, "ratio_of_means": ratio}
    table = Table(title=f"A training step, {options.network}, {options.patch}³, {precision}")
    for column in ("mode", "median s", "quartiles s", "ratio of means"):
        table.add_column(column)
    for name, row in rows.items():
        low, middle, high = row["quartiles"]
        table.add_row(
            name, f"{middle:.3f}", f"{low:.3f} to {high:.3f}", f"{row['ratio_of_means']:.2f}"
        )
    Console().print(table)
    if options.output:
        result = {
            "machine": machine_facts(),
            "network": options.network,
            "patch": options.patch,
            "precision": precision,
            "rounds": options.rounds,
            "modes": rows,
        }
        with whole_file(options.output) as file:
            file.write_text(json.dumps(result, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
