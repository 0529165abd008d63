"""Two processes against one: the same losses, and how much faster?

    python benchmarks/ddp.py --output ddp.json

The same global batch of two in one process and in two, single precision, the sample patient,
every core shared out (or a GPU each). The loss curves must be the same within rounding; the
throughput can only rise where there are cores or GPUs to spare, so the machine's cores stand
beside it: the one process may use all of them too.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from rich.console import Console
from rich.table import Table
from timing import arguments, shown, spread, write

ROOT = Path(__file__).parents[1]
LOSSES = ("loss_interior", "loss_boundary")


def train(count: int, steps: int, place: Path, device: str, quick: bool) -> None:
    """Be one of ``count`` processes; the first writes every step's row."""
    import json
    import os

    import torch
    from sample_case import recipe_settings, sample_case

    from ParetoSegLib.model.processes import start_processes
    from ParetoSegLib.model.training import Run

    if device == "cpu":
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // count))
    processes = start_processes(device, count, 1)
    settings = recipe_settings(quick, batch=2, steps=steps, precision="fp32")
    case = sample_case(place / f"cache-{count}-{processes.rank}", settings)
    run = Run(settings, [case], [], place / f"run-{count}", processes)
    run.precision = "fp32"
    rows = []
    for batch in run._batches():
        processes.wait()
        began = time.perf_counter()
        row = run._advance(batch)
        if processes.device.type == "cuda":
            torch.cuda.synchronize()
        rows.append({k: row[k] for k in LOSSES} | {"seconds": time.perf_counter() - began})
    if processes.rank == 0:
        (place / f"{count}.json").write_text(json.dumps(rows), encoding="utf-8")


def trained(count: int, steps: int, place: Path, device: str, quick: bool) -> list[dict[str, Any]]:
    """Train in processes of their own; the rows of all steps."""
    import json

    given = ["--processes", count, "--steps", steps, "--place", place, "--device", device]
    done = subprocess.run(
        [sys.executable, __file__, *map(str, given), *(["--quick"] if quick else [])],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"Training in {count} processes failed:\n{done.stderr[-2000:]}")
    rows: list[dict[str, Any]] = json.loads((place / f"{count}.json").read_text(encoding="utf-8"))
    return rows


def largest_difference(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> float:
    """Of the losses, step by step, relative; a region may be absent in both."""
    pairs = [(a[loss], b[loss]) for a, b in zip(one, other, strict=True) for loss in LOSSES]
    if any((a is None) != (b is None) for a, b in pairs):
        raise SystemExit("A region is there in one run and not in the other.")
    return max(abs(a - b) / max(abs(a), 1e-9) for a, b in pairs if a is not None)


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--processes", type=int, help="be one of so many (for this script)")
    parser.add_argument("--place", type=Path, help="where (for this script)")
    options = parser.parse_args()
    if options.processes:
        train(options.processes, options.steps, options.place, options.device, options.quick)
        return
    steps = 4 if options.quick else options.steps
    skipped = 1 if options.quick else 4
    with tempfile.TemporaryDirectory(prefix="paretoseg-bench-") as scratch:
        place = Path(scratch)
        curves = {n: trained(n, steps, place, options.device, options.quick) for n in (1, 2)}
    rows = {n: spread([r["seconds"] for r in curve[skipped:]]) for n, curve in curves.items()}
    means = {n: statistics.fmean(row["values"]) for n, row in rows.items()}
    difference = largest_difference(curves[1], curves[2])
    table = Table(title=f"{steps} steps of a batch of 2, {options.device}")
    for column in ("processes", "median s a step", "quartiles s", "samples a second"):
        table.add_column(column)
    for count, row in rows.items():
        table.add_row(str(count), *shown(row), f"{2 / means[count]:.2f}")
    Console().print(table)
    Console().print(
        f"Throughput × {means[1] / means[2]:.2f}; losses differ by at most {difference:.1e}."
    )
    write(
        options.output,
        options.quick,
        device=options.device,
        steps=steps,
        rows={str(n): row for n, row in rows.items()},
        throughput=means[1] / means[2],
        largest_loss_difference=difference,
        curves={str(n): [{k: r[k] for k in LOSSES} for r in c] for n, c in curves.items()},
    )


if __name__ == "__main__":
    main()
