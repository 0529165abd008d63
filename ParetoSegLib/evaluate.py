"""`python -m ParetoSegLib.evaluate`: score predictions against reference labels."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ParetoSegLib.core.command import DONE, FAILED, CommandParser, run
from ParetoSegLib.core.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from ParetoSegLib.review.evaluation import Evaluation


def parser() -> CommandParser:
    """The command line of `evaluate`."""
    flags = CommandParser(
        "evaluate",
        "Score what predict wrote against reference labels: overlap, surfaces, lesion by lesion,\n"
        "detection, calibration, volumes. Each number is printed with its exact rule. A case\n"
        "without a prediction counts with the worst scores; a region that the references do not\n"
        "define is n/a.",
        examples=[
            "python -m ParetoSegLib.evaluate --predictions results --references study \\",
            "    --output metrics.json",
        ],
    )
    flags.add_argument(
        "--predictions",
        type=Path,
        metavar="DIR",
        required=True,
        help="holds a folder for each case with segmentation.nii.gz, as predict writes it",
    )
    flags.add_argument(
        "--references", type=Path, metavar="DIR", required=True, help="a data folder with labels"
    )
    flags.add_argument(
        "--layout", default="auto", help="how the references are arranged (default: auto)"
    )
    flags.add_argument(
        "--output",
        type=Path,
        metavar="FILE.json",
        required=True,
        help="all numbers and rules; FILE_cases.csv and FILE_lesions.csv are written beside it",
    )
    flags.add_argument(
        "--ignore-labels",
        type=_labels,
        default=(),
        metavar="N,N",
        help="stray values in the references to treat as background, e.g. 5,7",
    )
    flags.add_argument(
        "--seed", type=int, default=0, help="of the bootstrap resampling (default: 0)"
    )
    return flags


def main(arguments: Sequence[str]) -> int:
    """Score, print and write; 1 if a case could not be scored."""
    given = parser().parse_args(arguments)
    if given.output.suffix.lower() != ".json":
        raise UsageError(
            f"--output names the JSON file to write, so {given.output.name} must end in .json."
        )
    if given.seed < 0:
        raise UsageError(f"--seed is {given.seed}; give a whole number from 0 on.")

    from rich.console import Console

    from ParetoSegLib.core.labels import REGIONS
    from ParetoSegLib.review.evaluation import evaluate
    from ParetoSegLib.review.score_table import pooled_table, region_table, rule_table
    from ParetoSegLib.review.scores import summaries, write_scores

    console = Console(highlight=False)
    with _bar(console) as bar:
        task = bar.add_task("")

        def show(name: str, done: int, total: int) -> None:
            bar.update(task, description=name, completed=done, total=total)

        result = evaluate(
            given.predictions, given.references, given.layout, given.ignore_labels, show
        )
    files = write_scores(result, given.output, given.seed)

    found = summaries(result, given.seed)
    count = "1 case" if len(result.cases) == 1 else f"{len(result.cases)} cases"
    console.print(f"{count}, arranged as {result.layout}", markup=False)
    for region in REGIONS:
        console.print(region_table(region, found[region]))
    console.print(pooled_table(result))
    console.print(rule_table())
    _report(result, console)
    console.print(f"Written: {', '.join(file.name for file in files)}", markup=False)
    return DONE if result.complete else FAILED


def _report(result: Evaluation, console: Console) -> None:
    """Name the cases that were not simply scored, and predictions that nobody asked for."""
    from ParetoSegLib.review.evaluation import SCORED

    for case in result.cases:
        if case.state != SCORED:
            console.print(f"{case.name}: {case.state}: {case.why}", markup=False)
        elif case.resampled:
            console.print(f"{case.name}: brought onto the reference's grid", markup=False)
        for note in case.notes:
            console.print(f"{case.name}: {note}", markup=False)
    if result.extra:
        console.print(
            f"Not scored, no reference belongs to them: {', '.join(result.extra)}", markup=False
        )


def _labels(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a list of whole numbers such as 5,7"
        ) from None


def _bar(console: Console):  # type: ignore[no-untyped-def]
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )


if __name__ == "__main__":
    sys.exit(run(main))
