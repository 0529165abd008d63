"""Calibrate a trained model on labelled patients of your own; its weights stay as they are."""

from __future__ import annotations

import math
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ParetoSegLib.core.command import DONE, CommandParser, run
from ParetoSegLib.core.errors import UsageError

SEQUENCES = ("t1c", "t1c+t2f", "t2f", "t1n")


def parser() -> CommandParser:
    """The command line of ``calibrate``."""
    p = CommandParser(
        "calibrate",
        "Fit what a model's membership means, and the volume interval of its lesions, to labelled\n"
        "patients that it was not trained on. A dozen will do. The weights stay as they are; the\n"
        "result is a new model folder. Where a case has labels by other raters beside its own\n"
        "(CASE-rater1.nii.gz …), the interval is fitted to theirs.",
        [
            "python -m ParetoSegLib.calibrate --model run/model --data patients --output mine",
        ],
    )
    p.add_argument("--model", type=Path, required=True, metavar="DIR", help="a model folder")
    p.add_argument("--data", type=Path, required=True, metavar="DIR", help="labelled patients")
    p.add_argument("--output", type=Path, required=True, metavar="DIR", help="the new model folder")
    p.add_argument("--layout", default="auto", help="how DATA is arranged (default: recognised)")
    p.add_argument(
        "--sequences",
        nargs="*",
        default=list(SEQUENCES),
        metavar="SET",
        help="sets of sequences that get a calibration of their own, besides all that a case has "
        f"(default: {' '.join(SEQUENCES)})",
    )
    p.add_argument(
        "--largest-move",
        type=float,
        default=math.inf,
        metavar="LOGITS",
        help="how far the segmentation's surface may move, in the network's logits (default: as "
        "far as fits best); small where DATA is not quite like the patients to come",
    )
    p.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"))
    return p


def main(arguments: Sequence[str]) -> int:
    """Parse, calibrate, say where the new model is."""
    given = parser().parse_args(list(arguments))
    if given.output.exists():
        raise UsageError(f"{given.output.name} is already there; choose another --output.")
    if not given.largest_move >= 0:
        raise UsageError(f"--largest-move is {given.largest_move:g}; give 0 or more.")
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    from ParetoSegLib.core.errors import TrainingError
    from ParetoSegLib.core.labels import MODALITIES
    from ParetoSegLib.data.layouts import find_cases
    from ParetoSegLib.model.devices import choose_device
    from ParetoSegLib.model.recalibration import recalibrate
    from ParetoSegLib.model.training import Progress

    for chosen in given.sequences:
        if not set(chosen.split("+")) <= set(MODALITIES):
            raise UsageError(
                f"--sequences names {chosen!r}; a set looks like t1c+t2f and is made of "
                f"{', '.join(MODALITIES)}."
            )
    layout, found = find_cases(given.data, given.layout)
    cases = [case for case in found if case.labels]
    if not cases:
        raise TrainingError(f"{given.data.name} holds no labelled case to calibrate on.")
    console = Console(highlight=False)
    console.print(f"{len(cases)} labelled cases ({layout}).", markup=False)
    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with (
        tempfile.TemporaryDirectory(prefix="paretoseg-calibrate-") as store,
        Bars(*columns, console=console) as bars,
    ):
        tasks: dict[str, object] = {}

        def report(progress: Progress) -> None:
            if progress.stage not in tasks:
                tasks[progress.stage] = bars.add_task(progress.stage, total=progress.total)
            bars.update(tasks[progress.stage], completed=progress.done, total=progress.total)  # type: ignore[arg-type]
            if progress.note:
                console.print(progress.note, markup=False, soft_wrap=True)

        description = recalibrate(
            given.model,
            cases,
            given.output,
            Path(store),
            given.sequences,
            choose_device(given.device),
            report=report,
            largest_move=given.largest_move,
        )
    shown = ", ".join(
        f"{region.upper()} {low:.2f} to {high:.2f}"
        for region, (high, low) in description.levels.items()
    )
    console.print(f"Levels of the volume interval: {shown}.", markup=False)
    console.print(f"Model folder: {given.output}", markup=False, soft_wrap=True)
    return DONE


if __name__ == "__main__":
    sys.exit(run(main))
