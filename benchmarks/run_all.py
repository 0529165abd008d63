"""Run the benchmarks that need no GPU and no other program, one after the other.

    python benchmarks/run_all.py

Each is a process of its own and writes ``benchmarks/results/<name>.json``; one that fails is
named at the end and the others still run. Real cases are measured too where they are at hand
(``--case``); the model is the shipped one, or one with random weights, which costs the same.
Ends with 1 if any failed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
RESULTS = Path(__file__).with_name("results")

SHIPPED = ROOT / "Resources" / "Models"
SAMPLE = ROOT / "Resources" / "Sample" / "ParetoSynth-00000-000"


def commands(
    model: Path, cases: list[Path], quick: bool, results: Path, pictures: Path
) -> dict[str, list[object]]:
    """The arguments of each script, the short and telling ones first."""
    rounds: list[object] = ["--rounds", 2] if quick else []
    hasty: list[object] = [*rounds, "--quick"] if quick else []
    few: list[object] = ["--rounds", 2 if quick else 5]
    known: list[object] = [*cases, "--model", model]
    wanted: dict[str, list[object]] = {
        "start_up": hasty,
        "fuzzy_labels": hasty,
        "alpha_slider": ["--moves", 2] if quick else [],
        "step_time": ["--rounds", 2, "--patch", 32] if quick else ["--rounds", 16],
        "step_profile": hasty,
        "roofline": hasty,
        "warm_worker": [*known, "--rounds", 3 if quick else 6],
        "whole_case": [*known, *few],
        "nnunet_predictor": [*known, *few],
        "agreement": known,
        "ddp": hasty,
        "growth": [*hasty, "--pictures", pictures],
    }
    if find_spec("nnunetv2") is None:
        del wanted["nnunet_predictor"]
    return {name: [*given, "--output", results / f"{name}.json"] for name, given in wanted.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these scripts alone")
    parser.add_argument("--model", type=Path, help="a model folder (default: the shipped one)")
    parser.add_argument("--case", type=Path, action="append", help="default: the sample patient")
    parser.add_argument("--results", type=Path, help="a folder (default: benchmarks/results)")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: that all run")
    options = parser.parse_args()
    failed = []
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="paretoseg-bench-") as scratch:
        model = options.model or next((p for p in sorted(SHIPPED.glob("*/")) if p.is_dir()), None)
        if model is None:
            from untrained_model import write_untrained_model

            model = write_untrained_model(Path(scratch) / "untrained", options.quick)
            say("No model is shipped here: random weights are measured.")
        if find_spec("nnunetv2") is None:
            say("nnunet_predictor is left out: nnU-Net is not installed (extra bench).")
        # What a quick run writes must not stand where measurements do.
        results = options.results or (Path(scratch) if options.quick else RESULTS)
        pictures = results / "pictures" if options.quick else ROOT / "docs" / "pictures"
        wanted = commands(model, options.case or [SAMPLE], options.quick, results, pictures)
        unknown = sorted(set(options.only or ()) - set(wanted))
        if unknown:
            parser.error(f"there is no {unknown[0]} to run; there are {', '.join(wanted)}")
        for name, given in wanted.items():
            if options.only and name not in options.only:
                continue
            say(f"\n{name} …")
            script = Path(__file__).with_name(f"{name}.py")
            started = time.monotonic()
            done = subprocess.run([sys.executable, str(script), *map(str, given)], check=False)
            say(f"{name}: {time.monotonic() - started:.0f} s")
            if done.returncode:
                failed.append(name)
    say(f"\n{(time.monotonic() - began) / 60:.1f} minutes in all.")
    if failed:
        say(f"Failed: {', '.join(failed)}.")
    return 1 if failed else 0


def say(words: str) -> None:
    """Print at once, so that it stands before what a script prints."""
    print(words, flush=True)


if __name__ == "__main__":
    sys.exit(main())
