"""Run by test_training.py as a program: trains five steps in N processes and saves the weights."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from ParetoSegLib.model.processes import start_processes
from ParetoSegLib.model.training import Run
from Testing.model.cached import make_case
from Testing.model.test_training import SETTINGS, changed


def main(folder: Path, count: int, mode: str) -> None:
    torch.set_num_threads(1)
    processes = start_processes("cpu", count, 1)
    if processes.rank == 0:
        for name in ("a", "b"):
            make_case(folder / name)
    processes.wait()
    cases = [make_case(folder / f"{name}-{processes.rank}") for name in ("a", "b")]
    settings = changed(SETTINGS, batch=2, steps=5, pareto={"mode": mode, "refresh_every": 1})
    run = Run(settings, cases, cases, folder / f"run-{count}", processes)
    run.train()
    if processes.rank == 0:
        torch.save(run.network.state_dict(), folder / f"weights-{count}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
