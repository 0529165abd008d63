"""Train a network with the method on a folder of labelled patients."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ParetoSegLib.core.command import DONE, INTERRUPTED, CommandParser, run
from ParetoSegLib.core.errors import UsageError

if TYPE_CHECKING:
    from ParetoSegLib.data.case import CaseFiles
    from ParetoSegLib.data.splits import Split
    from ParetoSegLib.model.training import Progress
    from ParetoSegLib.model.training_settings import TrainingSettings

STAGES = {
    "prepare": "Preparing cases",
    "train": "Training",
    "validate": "Validating",
    "calibrate": "Calibrating",
}


def parser() -> CommandParser:
    """The command line of ``train``."""
    p = CommandParser(
        "train",
        "Train a network on a folder of labelled patients. The run folder gets model/ (a model\n"
        "folder for predict), checkpoints, logs, config.yaml, split.json and curves.png.",
        [
            "python -m ParetoSegLib.train --data patients --output run --seed 1",
            "python -m ParetoSegLib.train --data patients --output run --resume",
            "python -m ParetoSegLib.train --data patients --output run --start-from model "
            "optimiser.learning_rate=0.0003",
            "python -m ParetoSegLib.train --data patients --output run network.name=SegResNet "
            "pareto.mode=stch",
        ],
    )
    p.add_argument("--data", type=Path, required=True, metavar="DIR", help="labelled patients")
    p.add_argument("--output", type=Path, required=True, metavar="RUN", help="the run's folder")
    p.add_argument("--layout", default="auto", help="how DIR is arranged (default: recognised)")
    p.add_argument(
        "--test-data",
        type=Path,
        metavar="DIR",
        help="a dataset that the model will be tested on: its patients are left out of this run",
    )
    p.add_argument("--config", type=Path, metavar="FILE", help="settings, as YAML")
    p.add_argument(
        "--start-from",
        type=Path,
        metavar="MODEL",
        help="fine-tune: begin with the weights and the network of this model folder",
    )
    p.add_argument("--resume", action="store_true", help="go on from RUN's last checkpoint")
    p.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"))
    p.add_argument("--devices", type=int, default=1, metavar="N", help="processes on each machine")
    p.add_argument("--nodes", type=int, default=1, metavar="M", help="machines")
    p.add_argument("--max-steps", type=int, metavar="N", help="optimiser steps (steps=N)")
    p.add_argument("--seed", type=int, metavar="S", help="of everything random (seed=S)")
    p.add_argument(
        "settings",
        nargs="*",
        metavar="key=value",
        help="any setting of config.yaml, e.g. patch=[64,64,64] pareto.refresh_every=8",
    )
    return p


def main(arguments: Sequence[str]) -> int:
    """Parse, train, draw, say where everything is."""
    # key=value may stand anywhere between the flags.
    options = parser().parse_intermixed_args(list(arguments))
    if options.devices < 1 or options.nodes < 1:
        raise UsageError("--devices and --nodes must be at least 1.")
    from ParetoSegLib.core.config import to_yaml
    from ParetoSegLib.core.outputs import whole_file
    from ParetoSegLib.data.splits import write_split
    from ParetoSegLib.model.fitting import fit, start_from
    from ParetoSegLib.model.processes import start_processes
    from ParetoSegLib.model.training import CHECKPOINT

    folder: Path = options.output
    if (folder / CHECKPOINT).is_file() and not options.resume:
        raise UsageError(
            f"The folder {folder.name} already holds a run; pass --resume to go on with it or "
            "choose another --output."
        )
    settings = _settings(options)
    start = None
    if options.start_from is not None:
        settings, start = start_from(options.start_from, settings)
    layout, cases, left_out = _cases(options)
    split = _split(options, settings, cases)
    processes = start_processes(options.device, options.devices, options.nodes)
    first = processes.rank == 0
    if first:
        with whole_file(folder / "config.yaml") as file:
            file.write_text(to_yaml(settings), encoding="utf-8")
        write_split(split, folder / "split.json")
    with _screen(first) as (console, report), _interruption() as interrupted:
        console.print(
            f"{len(cases)} labelled cases ({layout}): {len(split.train)} to train on, "
            f"{len(split.validation)} to validate, {len(split.calibration)} to calibrate."
            + (f" {left_out} of the test data's patients left out." if left_out else "")
        )
        outcome = fit(
            settings,
            cases,
            split,
            folder,
            processes,
            report,
            interrupted,
            go_on=options.resume,
            start=start,
        )
        if not first:
            return DONE
        _draw(folder)
        if not outcome.finished:
            console.print(
                f"Stopped after step {outcome.steps}; the same command with --resume goes on."
            )
            return INTERRUPTED
        scores = ", ".join(f"{k.upper()} {v:.3f}" for k, v in outcome.scores.items())
        console.print(
            f"Done: {outcome.steps} steps in {outcome.seconds / 60:.1f} minutes "
            f"({outcome.precision}). Best validation Dice at step {outcome.step}: "
            f"{scores or 'not measured'}."
        )
        console.print(
            f"Model folder: {folder / 'model'}\nCurves: {folder / 'curves.png'}", soft_wrap=True
        )
    return DONE


def _settings(options: argparse.Namespace) -> TrainingSettings:
    from ParetoSegLib.core.config import load_config
    from ParetoSegLib.model.training_settings import TrainingSettings

    overrides = list(options.settings)
    if options.max_steps is not None:
        overrides.append(f"steps={options.max_steps}")
    if options.seed is not None:
        overrides.append(f"seed={options.seed}")
    file = options.config
    earlier = options.output / "config.yaml"
    if options.resume and file is None and earlier.is_file():
        file = earlier
    return load_config(TrainingSettings, file, overrides)


def _cases(options: argparse.Namespace) -> tuple[str, list[CaseFiles], int]:
    """The layout's name, its labelled cases, and how many were left out for the test data."""
    from ParetoSegLib.core.errors import TrainingError
    from ParetoSegLib.data.layouts import find_cases
    from ParetoSegLib.data.splits import overlapping_patients

    layout, found = find_cases(options.data, options.layout)
    cases = [case for case in found if case.labels]
    left_out = 0
    if options.test_data is not None:
        shared = overlapping_patients(cases, find_cases(options.test_data)[1])
        left_out = sum(case.patient in shared for case in cases)
        cases = [case for case in cases if case.patient not in shared]
    if not cases:
        raise TrainingError(f"{options.data.name} holds no labelled case to train on.")
    return layout, cases, left_out


def _split(
    options: argparse.Namespace, settings: TrainingSettings, cases: list[CaseFiles]
) -> Split:
    from ParetoSegLib.data.splits import read_split, split_patients

    earlier = options.output / "split.json"
    if options.resume and earlier.is_file():
        return read_split(earlier)
    return split_patients(cases, settings.data.fractions, settings.seed)


def _draw(folder: Path) -> None:
    from ParetoSegLib.model.run_log import read_log
    from ParetoSegLib.review.curves import draw_curves

    logs = folder / "logs"
    draw_curves(
        read_log(logs / "steps.csv"), read_log(logs / "validation.csv"), folder / "curves.png"
    )


@contextmanager
def _screen(shown: bool) -> Iterator[tuple[Any, Any]]:
    """A console and a progress bar with the time left; silent in all processes but the first."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import (
        Progress as Bars,
    )

    console = Console(quiet=not shown)
    columns = (
        TextColumn("{task.description:<16}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Bars(*columns, console=console, disable=not shown) as bars:
        tasks: dict[str, Any] = {}

        def report(progress: Progress) -> None:
            if progress.stage not in tasks:
                # A resumed run starts in the middle: the time left must not count what was done
                # before.
                tasks[progress.stage] = bars.add_task(
                    STAGES[progress.stage], total=progress.total, note=""
                )
                bars.reset(tasks[progress.stage], completed=max(0, progress.done - 1))
            if progress.stage == "prepare" and progress.note:
                # What is to be known of a case must outlive the bar's next word.
                console.print(progress.note, markup=False, soft_wrap=True)
            bars.update(
                tasks[progress.stage],
                completed=progress.done,
                total=progress.total,
                note="" if progress.stage == "prepare" else progress.note,
            )

        yield console, report


@contextmanager
def _interruption() -> Iterator[Any]:
    """The first Ctrl-C ends the run after its step, with a checkpoint; the second one at once."""
    pressed = False

    def handle(number: int, frame: Any) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True

    previous = signal.signal(signal.SIGINT, handle)
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, previous)


if __name__ == "__main__":
    sys.exit(run(main))
