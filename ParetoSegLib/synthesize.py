"""Make synthetic patients with brain metastases whose truth is known."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ParetoSegLib.core.command import DONE, CommandParser, run
from ParetoSegLib.core.errors import UsageError

if TYPE_CHECKING:
    from ParetoSegLib.data.synthesis.making import Order
    from ParetoSegLib.data.synthesis.recipe import Recipe

_STRIPPED_SHARE = {"mixed": 0.5, "whole": 0.0, "stripped": 1.0}


def parser() -> CommandParser:
    """The command line of ``synthesize``."""
    p = CommandParser(
        "synthesize",
        "Make synthetic patients with brain metastases: four MRI sequences, labels, and what no\n"
        "real data set has, the true share of every voxel that is tumour. A case is a folder in\n"
        "the BraTS-METS layout, ready for train and evaluate:\n\n"
        "  ParetoSynth-00001-000-t1n/-t1c/-t2w/-t2f.nii.gz   the images\n"
        "  …-seg.nii.gz                1 necrosis, 2 edema, 3 enhancing tumour\n"
        "  …-truth_et/_tc/_wt.nii.gz   true membership, 0 to 1\n"
        "  …-rater1.nii.gz …           labels as simulated raters would draw them (--raters)\n"
        "  synthesis.json              seed, settings, lesions, background and its licence",
        [
            "python -m ParetoSegLib.synthesize --output patients --cases 20 --seed 1",
            "python -m ParetoSegLib.synthesize --output trial --cases 2 --seed 1 --size small",
            "python -m ParetoSegLib.synthesize --output patients --cases 20 --seed 1 --raters 3 "
            "--heads label-maps",
            "python -m ParetoSegLib.synthesize --output patients --config recipe.yaml --jobs 4",
        ],
    )
    p.add_argument("--output", type=Path, required=True, metavar="DIR", help="where cases go")
    p.add_argument("--cases", type=int, metavar="N", help="how many patients")
    p.add_argument(
        "--seed",
        type=int,
        metavar="S",
        help="any whole number; the same seed gives the same patients, however many processes "
        "make them",
    )
    p.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="a recipe as YAML: settings (everything a patient is drawn from), heads (sources "
        "with weights), and cases and seed, which --cases and --seed replace",
    )
    p.add_argument("--set", metavar="NAME", help="which of the sets that FILE holds")
    p.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="processes at work at once (default 1)"
    )
    p.add_argument("--raters", type=int, metavar="R", help="simulated raters a case (default 0)")
    p.add_argument(
        "--heads",
        type=Path,
        metavar="DIR",
        help="backgrounds of your own: SynthSeg label maps (*.nii.gz), or folders that hold "
        "T1, T1POST, T2 and FLAIR of patients without tumour (default: the shipped label maps); "
        "with --config: the folder in which its heads lie (default: where FILE is)",
    )
    p.add_argument(
        "--size",
        choices=("full", "small"),
        help="full: human heads at 1 mm (default); small: toy heads of 64 voxels a side",
    )
    p.add_argument(
        "--lesions",
        type=int,
        nargs=2,
        metavar=("MIN", "MAX"),
        help="fewest and most lesions a case (default 0 40)",
    )
    p.add_argument(
        "--skull",
        choices=tuple(_STRIPPED_SHARE),
        help="whole heads, skull-stripped ones, or about half of each (default)",
    )
    return p


def main(arguments: Sequence[str]) -> int:
    """Parse, make and write every patient, say where they are."""
    options = parser().parse_args(list(arguments))
    if options.jobs < 1:
        raise UsageError(f"--jobs is {options.jobs}; give 1 or more.")
    from rich.console import Console
    from rich.progress import track

    from ParetoSegLib.data.synthesis.making import make_all, unfinished

    order, cases = _order(options)
    console = Console()
    numbers = unfinished(order, cases)
    done = make_all(order, numbers, options.jobs)
    lesions = sum(track(done, "Making patients", total=len(numbers), console=console))
    kept = cases - len(numbers)
    console.print(
        f"{len(numbers)} patients with {lesions} lesions written to {options.output}"
        + (f"; {kept} were already there." if kept else ".")
    )
    return DONE


def _order(options: argparse.Namespace) -> tuple[Order, int]:
    """What is to be made, by the recipe's file or by flags alone, and how many."""
    from ParetoSegLib.data.synthesis.making import Order
    from ParetoSegLib.data.synthesis.recipe import Recipe, read_recipe

    if options.set is not None and options.config is None:
        raise UsageError("--set chooses from a --config FILE; name one.")
    if options.size == "small" and (options.heads is not None or options.config is not None):
        raise UsageError(
            "--size small makes its own toy heads; leave out --heads and --config, or --size."
        )
    recipe = Recipe() if options.config is None else read_recipe(options.config, options.set)
    cases = options.cases if options.cases is not None else recipe.cases
    seed = options.seed if options.seed is not None else recipe.seed
    for flag, value in (("--cases", cases), ("--seed", seed)):
        if value is None:
            raise UsageError(f"{flag} is missing; give it, or a --config FILE that has it.")
    assert cases is not None
    assert seed is not None
    if not 1 <= cases <= 99999:
        raise UsageError(f"--cases is {cases}; give a number from 1 to 99999.")
    if recipe.first + cases - 1 > 99999:
        raise UsageError(f"--cases is {cases}, which leads beyond patient number 99999.")
    recipe, folder = _with_flags(recipe, options)
    return Order(recipe, folder, options.output, seed), cases


def _with_flags(recipe: Recipe, options: argparse.Namespace) -> tuple[Recipe, Path]:
    """The recipe with what the flags say instead, and the folder of its heads."""
    from ParetoSegLib.data.synthesis.recipe import SMALL, HeadSource

    changes: dict[str, Any] = {}
    if options.lesions is not None:
        changes["lesions"] = (options.lesions[0], options.lesions[1])
    if options.skull is not None:
        changes["stripped_share"] = _STRIPPED_SHARE[options.skull]
    if options.raters is not None:
        changes["raters"] = options.raters
    if changes:
        recipe = replace(recipe, settings=replace(recipe.settings, **changes))
    if options.size == "small":
        return replace(recipe, heads=(HeadSource(SMALL),)), Path()
    if options.config is not None:
        return recipe, options.heads or options.config.parent
    if options.heads is not None:
        return replace(recipe, heads=(HeadSource("."),)), options.heads
    return recipe, Path()


if __name__ == "__main__":
    sys.exit(run(main))
