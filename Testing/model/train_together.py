"""Run by test_training.py as a program: trains five steps in N processes and saves what it does."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

from ParetoSegLib.model.processes import start_processes
from ParetoSegLib.model.training import Run
from Testing.model.cached import make_case
from Testing.model.test_training import SETTINGS, changed


def main(folder: Path, count: int) -> None:
    torch.set_num_threads(1)
    processes = start_processes("cpu", count, 1)
    cases = [make_case(folder / f"{name}-{processes.rank}") for name in ("a", "b")]
    run = Run(changed(SETTINGS, batch=2, steps=5), cases, cases, folder / f"run-{count}", processes)
    run.train()
    if processes.rank == 0:
        images = torch.from_numpy(cases[0].array("images")[None, :, :32, :32, :32].astype("f4"))
        with torch.no_grad():
            logits = run.network.eval()(images, torch.ones(1, 4))
        np.save(folder / f"logits-{count}.npy", logits.numpy())


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
