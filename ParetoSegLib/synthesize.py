"""Make synthetic patients with brain metastases whose truth is known."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ParetoSegLib.core.command import DONE, CommandParser, run
from ParetoSegLib.core.errors import UsageError

if TYPE_CHECKING:
    from ParetoSegLib.data.synthesis.heads import Head
    from ParetoSegLib.data.synthesis.patient import SynthesisSettings


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
        ],
    )
    p.add_argument("--output", type=Path, required=True, metavar="DIR", help="where cases go")
    p.add_argument("--cases", type=int, required=True, metavar="N", help="how many patients")
    p.add_argument(
        "--seed",
        type=int,
        required=True,
        metavar="S",
        help="any whole number; the same seed gives the same patients",
    )
    p.add_argument(
        "--raters", type=int, default=0, metavar="R", help="simulated raters a case (default 0)"
    )
    p.add_argument(
        "--heads",
        type=Path,
        metavar="DIR",
        help="backgrounds of your own: SynthSeg label maps (*.nii.gz), or folders that hold "
        "T1, T1POST, T2 and FLAIR of patients without tumour (default: the shipped label maps)",
    )
    p.add_argument(
        "--size",
        choices=("full", "small"),
        default="full",
        help="full: human heads at 1 mm; small: toy heads of 64 voxels a side, for trials",
    )
    p.add_argument(
        "--lesions",
        type=int,
        nargs=2,
        default=(0, 40),
        metavar=("MIN", "MAX"),
        help="fewest and most lesions a case (default 0 40)",
    )
    p.add_argument(
        "--skull",
        choices=("mixed", "whole", "stripped"),
        default="mixed",
        help="whole heads, skull-stripped ones, or about half of each (default)",
    )
    return p


def main(arguments: Sequence[str]) -> int:
    """Parse, make and write every patient, say where they are."""
    options = parser().parse_args(list(arguments))
    if not 1 <= options.cases <= 99999:
        raise UsageError(f"--cases is {options.cases}; give a number from 1 to 99999.")
    if options.heads is not None and options.size == "small":
        raise UsageError("--size small makes its own toy heads; leave out --heads or --size.")
    from rich.console import Console
    from rich.progress import track

    from ParetoSegLib.core.seeds import derive_seed
    from ParetoSegLib.data.synthesis.files import case_name, is_finished, write_patient
    from ParetoSegLib.data.synthesis.patient import make_patient

    settings = _settings(options)
    heads = _heads(options)
    console = Console()
    made = lesions = 0
    numbers = range(1, options.cases + 1)
    for number in track(numbers, "Making patients", console=console):
        name, seed = case_name(number), derive_seed(options.seed, number)
        head_name, load = heads(seed)
        wanted = {"seed": seed, "settings": settings.record(), "head": head_name}
        if is_finished(options.output / name, wanted):
            continue
        patient = make_patient(load(), seed, settings, name)
        write_patient(patient, options.output)
        made += 1
        lesions += len(patient.lesions)
    kept = options.cases - made
    console.print(
        f"{made} patients with {lesions} lesions written to {options.output}"
        + (f"; {kept} were already there." if kept else ".")
    )
    return DONE


def _settings(options: argparse.Namespace) -> SynthesisSettings:
    from ParetoSegLib.data.synthesis.patient import SynthesisSettings

    share = {"mixed": 0.5, "whole": 0.0, "stripped": 1.0}[options.skull]
    return SynthesisSettings(
        lesions=(options.lesions[0], options.lesions[1]),
        stripped_share=share,
        raters=options.raters,
    )


def _heads(options: argparse.Namespace) -> Callable[[int], tuple[str, Callable[[], Head]]]:
    """A function from a case's seed to its head's name and a way to load it."""
    from ParetoSegLib.core.seeds import derive_seed
    from ParetoSegLib.data.synthesis.head_files import find_heads, shipped_heads
    from ParetoSegLib.data.synthesis.heads import small_head

    if options.size == "small":
        return lambda seed: (f"small-{seed}", lambda: small_head(seed))
    files = find_heads(options.heads) if options.heads is not None else shipped_heads()

    def choose(seed: int) -> tuple[str, Callable[[], Head]]:
        file = files[derive_seed(seed, "choice of head") % len(files)]
        return file.name, file.load

    return choose


if __name__ == "__main__":
    sys.exit(run(main))
