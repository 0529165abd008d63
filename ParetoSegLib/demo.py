"""`python -m ParetoSegLib.demo`: a synthetic patient from images to lesion table and picture."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ParetoSegLib.core.command import DONE, FAILED, CommandParser, run
from ParetoSegLib.core.resources import sample_folder, shipped_models

if TYPE_CHECKING:
    from rich.console import Console

    from ParetoSegLib.model.training_settings import TrainingSettings

PATIENTS = 6
"""Synthetic patients that the demo's own network sees: four to learn from."""

MINUTES = 1.0
"""Limit of the training loop; with patients made, validated and calibrated it stays under 2."""

Report = Callable[[str, int, int], None]
"""Told the stage, and what is done of how much in it."""


def parser() -> CommandParser:
    """The command line of `demo`."""
    flags = CommandParser(
        "demo",
        "Segment the synthetic sample patient. Where no trained model ships, a tiny network is\n"
        "trained first, for at most 2 minutes: it shows how things work, not how well.",
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
    sample, models = sample_folder(), shipped_models()

    from rich.console import Console

    from ParetoSegLib.cohort import OVERVIEW, segment_cases
    from ParetoSegLib.data.layouts import find_cases
    from ParetoSegLib.pipeline import load
    from ParetoSegLib.review.screen import show_lesions

    console = Console(highlight=False)
    cases = find_cases(sample)[1][:1]
    if models:
        folder = models[0]
        console.print(f"Model: {folder.name}", markup=False)
    else:
        folder = given.output / "tiny-model"
        console.print(
            f"No trained model ships yet: training a tiny one on {PATIENTS} synthetic patients, at "
            "most 2 minutes. Expect the idea of a result, not a good one."
        )
        _train_with_bar(folder, console)

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
        ("Model folder", folder),
    ):
        console.print(f"{text}: {path}", markup=False, soft_wrap=True)
    return DONE


def train_tiny(folder: Path, report: Report, settings: TrainingSettings, patients: int) -> None:
    """Train a small network on synthetic patients made for it; leave a model folder.

    Args:
        folder: of the model; replaced if it is there.
        report: told where the work is.
        settings: of the run.
        patients: to make.
    """
    import shutil

    from ParetoSegLib.core.outputs import whole_folder
    from ParetoSegLib.core.seeds import derive_seed
    from ParetoSegLib.data.layouts import find_cases
    from ParetoSegLib.data.splits import split_patients
    from ParetoSegLib.data.synthesis.files import case_name, write_patient
    from ParetoSegLib.data.synthesis.head_files import shipped_heads
    from ParetoSegLib.data.synthesis.patient import SynthesisSettings, make_patient
    from ParetoSegLib.model.fitting import fit
    from ParetoSegLib.model.processes import start_processes

    heads = shipped_heads()
    wanted = SynthesisSettings(
        lesions=(4, 12),
        radius_mm=(3.0, 18.0),
        # A minute is too short for anything but clear lesions in clear images.
        weak_share=0.0,
        thick_share=0.0,
        rescan=False,
        kinds={"solid": 0.6, "ring": 0.4},
        stripped_share=1.0,
    )
    with tempfile.TemporaryDirectory(prefix="paretoseg-demo-") as scratch:
        data, run_folder = Path(scratch) / "patients", Path(scratch) / "run"
        for number in range(1, patients + 1):
            report("making patients", number - 1, patients)
            head = heads[number % len(heads)].load()
            seed = derive_seed(settings.seed, "demo", number)
            write_patient(make_patient(head, seed, wanted, case_name(number)), data)
        cases = find_cases(data)[1]
        split = split_patients(cases, settings.data.fractions, settings.seed)
        fit(
            settings,
            cases,
            split,
            run_folder,
            start_processes("auto", 1, 1),
            lambda progress: report(STAGES[progress.stage], progress.done, progress.total),
        )
        with whole_folder(folder) as place:
            shutil.copytree(run_folder / "model", place, dirs_exist_ok=True)


STAGES = {
    "prepare": "preparing",
    "train": "training",
    "validate": "validating",
    "calibrate": "calibrating",
}
"""Training's own stages, in words."""


def tiny_settings() -> TrainingSettings:
    """A network and a run that two free cores finish in about a minute.

    Every sample keeps all four sequences, as the sample patient has them: a minute is too short
    to learn to do without.
    """
    from ParetoSegLib.model.patches import SamplingSettings
    from ParetoSegLib.model.training_settings import (
        DataSettings,
        NetworkSettings,
        OptimiserSettings,
        TrainingSettings,
        ValidationSettings,
    )

    return TrainingSettings(
        name="demo",
        steps=300,
        max_minutes=MINUTES,
        patch=(64, 64, 64),
        calibrate=(),
        augment=False,
        data=DataSettings(fractions=(0.67, 0.165, 0.165)),
        network=NetworkSettings("HalfUNet", {"filters": (8, 16, 32, 64), "refine": 8}),
        optimiser=OptimiserSettings(learning_rate=3e-3, warmup_steps=20, ema_decay=0.98),
        sampling=SamplingSettings(lesion_share=0.8, keep_all=1.0, favourite_share=0.0),
        validation=ValidationSettings(every_steps=10_000, cases=1),
    )


def _train_with_bar(folder: Path, console: Console) -> None:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description:<16}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("")

        def show(stage: str, done: int, total: int) -> None:
            bar.update(task, description=stage, completed=done, total=total)

        train_tiny(folder, show, tiny_settings(), PATIENTS)


if __name__ == "__main__":
    sys.exit(run(main))
