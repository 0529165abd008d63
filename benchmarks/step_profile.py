"""Where does a training step's time go?

    python benchmarks/step_profile.py --output step_profile.json

The default model's recipe on the sample patient, one process. Drawing and augmenting a patch
happens in threads beside the step: it is timed by itself, and starves the network only where it
takes longer than a step (times the number of threads). The parts of a step are timed by clocks
around the functions that do them; what is left over is the losses and the bookkeeping.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from rich.console import Console
from rich.table import Table
from sample_case import recipe_settings, sample_case
from timing import arguments, shown, spread, write

from ParetoSegLib.model.patches import Patch, draw_patch
from ParetoSegLib.model.processes import start_processes
from ParetoSegLib.model.training import Run, choose_precision

PARTS = ("forward", "backward", "balance", "optimiser", "weight average")


class Clocks:
    """Adds up the seconds spent in functions, each by the name of its part."""

    def __init__(self, device: torch.device) -> None:
        self.seconds: Counter[str] = Counter()
        self._device = device

    def wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize()

    def around(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, with its seconds counted."""

        def timed(*given: Any, **named: Any) -> Any:
            self.wait()
            began = time.perf_counter()
            try:
                return function(*given, **named)
            finally:
                self.wait()
                self.seconds[part] += time.perf_counter() - began

        return timed


@contextmanager
def clocked(run: Run, clocks: Clocks) -> Iterator[None]:
    """Put clocks around what a step calls."""
    around = clocks.around
    with (
        patch.object(run.network, "forward", around("forward", run.network.forward)),
        patch.object(torch.autograd, "grad", around("backward", torch.autograd.grad)),
        patch.object(torch.Tensor, "backward", around("backward", torch.Tensor.backward)),
        patch.object(run._balance, "backward", around("balance", run._balance.backward)),
        patch.object(run._optimiser, "step", around("optimiser", run._optimiser.step)),
        patch.object(run.average, "update", around("weight average", run.average.update)),
    ):
        yield


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.set_defaults(rounds=24)
    options = parser.parse_args()
    settings = recipe_settings(options.quick)
    processes = start_processes(options.device, 1, 1)
    with tempfile.TemporaryDirectory(prefix="paretoseg-bench-") as scratch:
        case = sample_case(Path(scratch), settings)
        run = Run(settings, [case], [], Path(scratch) / "run", processes)
        run.precision = choose_precision(run.network, settings, processes.device)
        clocks = Clocks(processes.device)
        steps: list[dict[str, float]] = []
        warm_up = settings.pareto.refresh_every
        for index in range(warm_up + options.rounds):
            began = time.perf_counter()
            drawn = draw_patch(
                [case],
                index,
                0,
                settings.patch,
                settings.sampling,
                settings.augmentation,
                settings.emphasis,
            )
            drawing = time.perf_counter() - began
            batch = Patch(*(getattr(drawn, part.name)[None] for part in fields(Patch)))
            clocks.seconds.clear()
            with clocked(run, clocks):
                clocks.wait()
                began = time.perf_counter()
                run._advance(batch)
                clocks.wait()
                whole = time.perf_counter() - began
            # The balance calls the backward passes: its own share is what is left.
            seconds = {part: clocks.seconds[part] for part in PARTS}
            seconds["balance"] -= seconds["backward"]
            seconds["losses and the rest"] = whole - sum(seconds.values())
            if index >= warm_up:
                steps.append({"drawing a patch": drawing, "step": whole, **seconds})
    rows = {name: spread([step[name] for step in steps]) for name in steps[0]}
    whole = statistics.fmean(step["step"] for step in steps)
    title = f"A training step, {settings.network.name}, {settings.patch}, {run.precision}"
    table = Table(title=title)
    for column in ("part", "median s", "quartiles s", "share of the step"):
        table.add_column(column)
    for name, row in rows.items():
        row["share"] = statistics.fmean(row["values"]) / whole
        table.add_row(name, *shown(row, 4), f"{row['share']:.0%}")
    Console().print(table)
    write(
        options.output,
        options.quick,
        network=settings.network.name,
        patch=settings.patch,
        precision=run.precision,
        refresh_every=settings.pareto.refresh_every,
        threads_that_draw=settings.workers,
        rows=rows,
    )


if __name__ == "__main__":
    main()
