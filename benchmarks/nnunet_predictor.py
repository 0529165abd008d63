"""One case, from files to files: ParetoSeg against nnU-Net's own predictor with the same weights.

    pip install "ParetoSeg[bench]"
    python benchmarks/nnunet_predictor.py --model MODEL CASE [CASE …] --output nnunet_predictor.json

Each run is a process of its own, imports and all; the two take turns. nnU-Net gets the network
wrapped (the presence flags are fixed), a plan with the model's patch and spacing, its default
window step of ½, its Gaussian weights, no mirroring, and everything in one process. It writes the
segmentation, and with ``--peer-writes all`` the probabilities too, which ParetoSeg always does.
It normalises by its own z-score, so the segmentations are not compared, only the time.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from fresh_process import peak_mb, report, run_fresh, timed
from timing import arguments, ratio, shown, spread, write

WAYS = ("paretoseg", "nnunet")


def parser() -> argparse.ArgumentParser:
    flags = arguments(__doc__.splitlines()[0])
    flags.add_argument("cases", type=Path, nargs="+", metavar="CASE")
    flags.add_argument("--model", type=Path, required=True)
    flags.add_argument("--device", default="cpu")
    choices = ("segmentation", "all")
    flags.add_argument("--peer-writes", default=choices[0], choices=choices)
    flags.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    flags.add_argument("--place", type=Path, help=argparse.SUPPRESS)
    flags.set_defaults(rounds=5)
    return flags


def main() -> None:
    options = parser().parse_args()
    if options.way:
        {"paretoseg": run_paretoseg, "nnunet": run_nnunet}[options.way](options)
    elif find_spec("nnunetv2") is None:
        raise SystemExit('nnU-Net is not installed: pip install "ParetoSeg[bench]".')
    else:
        compare(options)


def compare(options: argparse.Namespace) -> None:
    """Let the two take turns on every case."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"Files to files, {options.model.name}, {options.device}")
    for column in ("case", "way", "median s", "quartiles s", "network s", "memory MB"):
        table.add_column(column)
    results = []
    for case in options.cases:
        runs: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
        with tempfile.TemporaryDirectory(prefix="paretoseg-bench-") as scratch:
            for turn in range(options.rounds + 1):
                for way in WAYS:
                    given = [case, "--way", way, "--place", Path(scratch) / way]
                    given += ["--model", options.model, "--device", options.device]
                    given += ["--peer-writes", options.peer_writes]
                    facts = run_fresh(Path(__file__), given)
                    if turn:
                        runs[way].append(facts)
        walls = {way: [run["wall_seconds"] for run in runs[way]] for way in WAYS}
        faster = ratio(walls["nnunet"], walls["paretoseg"])
        results.append({"case": case.name, "runs": runs, "faster": faster})
        for way in WAYS:
            network = statistics.median(run["network_seconds"] for run in runs[way])
            memory = [run["memory_mb"] for run in runs[way]]
            held = "n/a" if None in memory else f"{statistics.median(memory):.0f}"
            table.add_row(case.name, way, *shown(spread(walls[way]), 2), f"{network:.2f}", held)
    console = Console()
    console.print(table)
    for result in results:
        middle, quartiles = shown(result["faster"], 1)
        console.print(f"{result['case']}: {middle} times faster ({quartiles})")
    write(
        options.output,
        options.quick,
        model=options.model.name,
        peer_writes=options.peer_writes,
        cases=results,
    )


def run_paretoseg(options: argparse.Namespace) -> None:
    """What `predict --case` does."""
    from ParetoSegLib.cohort import segment_cases
    from ParetoSegLib.data.layouts import find_cases
    from ParetoSegLib.pipeline import SegmentOptions, load

    before = peak_mb()
    cases = find_cases(options.cases[0])[1]
    wanted = SegmentOptions(device=options.device)
    (outcome,) = segment_cases(cases, load(options.model), options.place, wanted)
    if outcome.result is None:
        raise SystemExit(outcome.error)
    stages: Any = outcome.result.facts["seconds"]
    report(
        network_seconds=stages["segmenting"],
        backend=outcome.result.facts["backend"],
        memory_mb=_above(before),
    )


def run_nnunet(options: argparse.Namespace) -> None:
    """nnU-Net's own way, with a plan in place of a trained folder."""
    for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        os.environ.setdefault(name, str(options.place))
    os.environ.setdefault("nnUNet_def_n_proc", "1")
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    from ParetoSegLib.core.labels import MODALITIES
    from ParetoSegLib.data.layouts import find_cases
    from ParetoSegLib.model.folder import load_model

    before = peak_mb()
    description, network = load_model(options.model)
    files = find_cases(options.cases[0])[1][0]

    class Wrapped(torch.nn.Module):
        """The network of four images alone."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network
            present = [float(m in files.images) for m in MODALITIES]
            self.register_buffer("flags", torch.tensor([present]))

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            # Regions as nnU-Net orders them below: the widest first.
            return self.network(images, self.flags.expand(len(images), -1)).flip(1)

    if set(files.images) != set(MODALITIES):
        raise SystemExit("nnU-Net needs all four sequences.")
    dataset = {
        "channel_names": {str(i): m for i, m in enumerate(MODALITIES)},
        "labels": {"background": 0, "wt": [1, 2, 3], "tc": [1, 3], "et": [3]},
        "regions_class_order": [2, 1, 3],
        "numTraining": 1,
        "file_ending": ".nii.gz",
    }
    plans = PlansManager(plan(description.patch, description.spacing_mm))
    predictor = nnUNetPredictor(
        tile_step_size=0.5,
        use_gaussian=True,
        use_mirroring=False,
        perform_everything_on_device=True,
        device=torch.device(options.device),
        verbose=False,
        allow_tqdm=False,
    )
    wrapped = Wrapped().eval()
    predictor.manual_initialization(
        wrapped,
        plans,
        plans.get_configuration("3d_fullres"),
        [wrapped.state_dict()],
        dataset,
        "nnUNetTrainer",
        None,
    )
    inner = predictor.predict_logits_from_preprocessed_data
    seconds = 0.0

    def clocked(*given: Any, **named: Any) -> Any:
        nonlocal seconds
        found, spent = timed(lambda: inner(*given, **named))
        seconds += spent
        return found

    predictor.predict_logits_from_preprocessed_data = clocked
    options.place.mkdir(parents=True, exist_ok=True)
    predictor.predict_from_files_sequential(
        [[str(files.images[m]) for m in MODALITIES]],
        [str(options.place / files.name)],
        save_probabilities=options.peer_writes == "all",
        overwrite=True,
    )
    report(
        network_seconds=seconds,
        backend=f"nnU-Net, torch {torch.__version__}",
        memory_mb=_above(before),
    )


def plan(patch: tuple[int, int, int], spacing_mm: tuple[float, float, float]) -> dict[str, Any]:
    """What nnU-Net's planner would have written for one configuration."""
    resampling = {"is_seg": False, "order": 1, "order_z": 0, "force_separate_z": None}
    functions = {
        "resampling_fn_data": "resample_data_or_seg_to_shape",
        "resampling_fn_seg": "resample_data_or_seg_to_shape",
        "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
        "resampling_fn_data_kwargs": resampling | {"order": 3},
        "resampling_fn_seg_kwargs": resampling | {"is_seg": True},
        "resampling_fn_probabilities_kwargs": resampling,
    }
    return {
        "dataset_name": "Dataset001_Bench",
        "plans_name": "nnUNetPlans",
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "foreground_intensity_properties_per_channel": {str(i): {} for i in range(4)},
        "configurations": {
            "3d_fullres": {
                "data_identifier": "nnUNetPlans_3d_fullres",
                "preprocessor_name": "DefaultPreprocessor",
                "batch_size": 1,
                "patch_size": list(patch),
                "spacing": list(spacing_mm),
                "normalization_schemes": ["ZScoreNormalization"] * 4,
                "use_mask_for_norm": [True] * 4,
                **functions,
                "architecture": {
                    "network_class_name": "none",
                    "arch_kwargs": {},
                    "_kw_requires_import": [],
                },
            }
        },
    }


def _above(before: float | None) -> float | None:
    peak = peak_mb()
    return None if peak is None or before is None else peak - before


if __name__ == "__main__":
    main()
