"""Train candidates alike and score them on patients they never saw: losses, and networks.

    python benchmarks/default_model/candidates.py --patients DIR --cases DIR --output losses.json
    python benchmarks/default_model/candidates.py … --group networks --minutes 6

Losses are compared over equal steps and several seeds, networks over equal minutes on this machine:
what counts on a CPU is how good a network gets in the time there is. Small patches make many steps
of a minute. The settings are those of ``Resources/Recipes/network.yaml``; what differs is named in
the table. Each run keeps its folder, so a stopped comparison goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parent))

from score import score

from ParetoSegLib.core.outputs import whole_file

ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "Resources" / "Recipes" / "network.yaml"
SEQUENCES = ("t1n+t1c+t2w+t2f", "t1c+t2f")


@dataclass(frozen=True)
class Candidate:
    """What is trained.

    Args:
        name: in the table.
        settings: that differ from the recipe's, as on the command line of ``train``.
    """

    name: str
    settings: tuple[str, ...] = ()


METHOD = Candidate("the method")

GROUPS = {
    "losses": (
        METHOD,
        Candidate("Dice + CE, hard labels", ("loss=dice_ce",)),
        Candidate("Dice + CE, fuzzy labels", ("loss=fuzzy_dice_ce",)),
        Candidate(
            "Dice + CE, half the learning rate", ("loss=dice_ce", "optimiser.learning_rate=0.0005")
        ),
        Candidate(
            "Dice + CE, twice the learning rate", ("loss=dice_ce", "optimiser.learning_rate=0.002")
        ),
    ),
    "networks": (
        Candidate("HalfUNet 16–256 with details"),
        Candidate(
            "HalfUNet 16–256 without",
            (
                "network.arguments={filters: [16, 32, 64, 128, 256], refine: 16, details: 0, "
                "dropout: 0.0}",
            ),
        ),
        Candidate(
            "HalfUNet 16–256 with details, fixed norms",
            (
                "network.arguments={filters: [16, 32, 64, 128, 256], refine: 16, details: 4, "
                "dropout: 0.0, fixed_norms: true}",
            ),
        ),
        Candidate(
            "HalfUNet 24–192 with details",
            (
                "network.arguments={filters: [24, 48, 96, 160, 192], refine: 16, details: 4, "
                "dropout: 0.0}",
            ),
        ),
        Candidate(
            "SegResNet, 16 filters",
            (
                "network.name=SegResNet",
                "network.arguments={init_filters: 16, blocks_down: [1, 2, 2, 4], "
                "blocks_up: [1, 1, 1], dropout: 0.0}",
            ),
        ),
        Candidate(
            "UNet, 16–256",
            (
                "network.name=UNet",
                "network.arguments={channels: [16, 32, 64, 128, 256], num_res_units: 2, "
                "dropout: 0.0}",
            ),
        ),
        Candidate(
            "DynUNet 16–256, full resolution",
            (
                "network.name=DynUNet",
                "network.arguments={filters: [16, 32, 64, 128, 256], res_block: false, "
                "dropout: 0.0}",
            ),
        ),
    ),
}


def train(candidate: Candidate, seed: int, run: Path, given: argparse.Namespace) -> Path:
    """Train one candidate, or go on with it; returns its model folder."""
    model = run / "model"
    if not model.is_dir():
        side = given.patch
        command: list[object] = [sys.executable, "-m", "ParetoSegLib.train"]
        command += ["--data", given.patients, "--output", run, "--config", RECIPE, "--seed", seed]
        command += ["--resume"] if (run / "checkpoints" / "last.pt").is_file() else []
        command += [f"patch=[{side},{side},{side}]", f"steps={given.steps}"]
        command += [f"max_minutes={given.minutes}", "optimiser.warmup_steps=100"]
        # As in the first of these runs: heads stay whole, in training as in scoring.
        command += ["outline=head outline"]
        command += ["data.fractions=[0.97,0.01,0.02]", f"calibrate=[{','.join(SEQUENCES)}]"]
        command += candidate.settings
        done = subprocess.run([str(part) for part in command], check=False, cwd=ROOT)
        if done.returncode:
            raise SystemExit(f"{candidate.name}, seed {seed}: training ended with an error.")
    return model


def rows(given: argparse.Namespace) -> list[dict[str, Any]]:
    """One row a candidate, seed and set of sequences; written after each candidate."""
    found: list[dict[str, Any]] = []
    cache: Path | None = None
    for seed in given.seeds:
        for number, candidate in enumerate(GROUPS[given.group]):
            if given.only and number not in given.only:
                continue
            run = given.work / given.group / f"{number}-{seed}"
            run.mkdir(parents=True, exist_ok=True)
            # Prepared cases are the same for all: they move from run to run.
            if cache is not None and cache.is_dir() and not (run / "cache").exists():
                cache.rename(run / "cache")
            model = train(candidate, seed, run, given)
            cache = run / "cache"
            steps = json.loads((model / "model.json").read_text(encoding="utf-8"))["training"]
            for sequences in SEQUENCES:
                place = run / "results" / sequences
                row = score(model, given.cases, sequences, place, given.most)
                name = {"candidate": candidate.name, "seed": seed, "settings": candidate.settings}
                found.append({**name, "training": steps, **row})
            with whole_file(given.output) as file:
                file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return found


def show(found: list[dict[str, Any]]) -> None:
    """The table."""
    from rich.console import Console
    from rich.table import Table

    table = Table()
    for heading in ("candidate", "seed", "steps", "min", "sequences", "Dice ET", "TC", "WT"):
        table.add_column(heading)
    for heading in ("TC found", "false a scan", "band ECE TC", "s a case"):
        table.add_column(heading)
    for row in found:
        regions, training = row["regions"], row["training"]
        core = regions["tc"]
        every = core["sensitivity_by_size"]["all"]
        table.add_row(
            row["candidate"],
            str(row["seed"]),
            str(training["steps"]),
            f"{training['minutes']:.1f}",
            row["sequences"],
            *(f"{regions[r]['dice']:.3f}" for r in ("et", "tc", "wt")),
            f"{every['found']}/{every['lesions']}",
            f"{core['false_positives_per_scan']:.1f}",
            f"{core['band_ece']:.3f}",
            f"{row['seconds_a_case'] or 0:.1f}",
        )
    Console(width=160).print(table)


def main() -> int:
    """Parse, train, score, show."""
    p = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    p.add_argument("--patients", type=Path, required=True, help="to train on")
    p.add_argument("--cases", type=Path, required=True, help="to score on")
    p.add_argument("--output", type=Path, required=True, help="JSON to write")
    p.add_argument("--work", type=Path, help="where runs go (default: beside --output)")
    p.add_argument("--group", choices=GROUPS, default="losses")
    p.add_argument("--only", type=int, nargs="+", help="numbers of the group's candidates")
    p.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    p.add_argument("--steps", type=int, default=1500)
    p.add_argument("--minutes", type=float, default=0.0, help="for each run; 0: no limit")
    p.add_argument("--patch", type=int, default=64)
    p.add_argument("--most", type=int, default=12, help="at most so many cases to score on")
    given = p.parse_args()
    given.work = given.work or given.output.with_suffix("")
    given.work, given.output = given.work.resolve(), given.output.resolve()
    given.patients, given.cases = given.patients.resolve(), given.cases.resolve()
    show(rows(given))
    return 0


if __name__ == "__main__":
    sys.exit(main())
