"""`python -m ParetoSegLib.demo`: a synthetic patient from images to lesion table and picture."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from ParetoSegLib.core.command import DONE, FAILED, CommandParser, run
from ParetoSegLib.core.resources import default_model, sample_folder


def parser() -> CommandParser:
    """The command line of `demo`."""
    flags = CommandParser(
        "demo",
        "Segment the synthetic sample patient with the shipped model: files, table, picture.",
        examples=["python -m ParetoSegLib.demo --output demo-output"],
    )
    flags.add_argument(
        "--output",
        type=Path,
        default=Path("demo-output"),
        metavar="DIR",
        help="where the results go (default: demo-output)",
    )
    return flags


def main(arguments: Sequence[str]) -> int:
    """Segment the sample patient and say where everything is."""
    given = parser().parse_args(arguments)
    sample, folder = sample_folder(), default_model()

    from rich.console import Console

    from ParetoSegLib.cohort import OVERVIEW, segment_cases
    from ParetoSegLib.data.layouts import find_cases
    from ParetoSegLib.pipeline import load
    from ParetoSegLib.review.screen import show_lesions

    console = Console(highlight=False)
    cases = find_cases(sample)[1][:1]
    console.print(f"Model: {folder.name}", markup=False)
    with console.status(f"Segmenting {cases[0].name} ..."):
        (outcome,) = segment_cases(cases, load(folder), given.output, overview=True)
    if outcome.result is None:
        console.print(f"{outcome.name}: {outcome.error}", markup=False)
        return FAILED
    show_lesions(outcome.result.lesions, console, outcome.name, rows=12)
    for text, path in (
        ("Picture of the slices", outcome.folder / OVERVIEW),
        ("Segmentation, membership, confidence, tables", outcome.folder),
        ("The images themselves", sample),
        ("Model", folder),
    ):
        console.print(f"{text}: {path}", markup=False, soft_wrap=True)
    return DONE


if __name__ == "__main__":
    sys.exit(run(main))
