"""One case, from files to files: ParetoSeg against a plain MONAI sliding window, same weights.

    python benchmarks/whole_case.py --model MODEL CASE [CASE …] --output whole_case.json

Each run is a process of its own, imports and all; the two take turns. The plain way is what
MONAI's documentation shows: the whole field of view, roi 96³, overlap ½, Gaussian weights, single
precision, SciPy's interpolation where the case is not at the model's spacing. Its images are
normalised as ours, so that the results can be compared. It writes the segmentation, and with
``--peer-writes all`` the six maps that ParetoSeg writes too. The runs before the first one counted
fill the disk's cache and the cache of converted networks.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from fresh_process import peak_mb, report, run_fresh, timed

WAYS = ("paretoseg", "monai")
IMPORTS = "imports"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", type=Path, nargs="+", metavar="CASE")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--backend", default="auto", choices=("auto", "torch", "openvino"))
    parser.add_argument("--roi", type=int, default=96, help="side of the plain way's windows")
    parser.add_argument("--peer-writes", default="segmentation", choices=("segmentation", "all"))
    parser.add_argument("--output", type=Path)
    parser.add_argument("--way", choices=(*WAYS, IMPORTS), help=argparse.SUPPRESS)
    parser.add_argument("--place", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        ways = {"paretoseg": run_paretoseg, "monai": run_monai, IMPORTS: run_imports}
        ways[options.way](options)
        return
    compare(options)


def compare(options: argparse.Namespace) -> None:
    """Let the two take turns on every case, and print and write the medians."""
    from machine import machine_facts
    from rich.console import Console
    from rich.table import Table

    from ParetoSegLib.core.outputs import whole_file

    results = []
    table = Table(title=f"Files to files, {options.model.name}, medians of {options.rounds}")
    for column in ("case", "way", "s", "network s", "memory MB", "ratio", "network", "memory"):
        table.add_column(column)
    for case in options.cases:
        runs: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
        with tempfile.TemporaryDirectory(prefix="paretoseg-bench-") as scratch:
            for turn in range(options.rounds + 1):
                for way in WAYS:
                    place = Path(scratch) / way
                    arguments = [case, "--way", way, "--place", place, "--model", options.model]
                    arguments += ["--device", options.device, "--backend", options.backend]
                    arguments += ["--peer-writes", options.peer_writes, "--roi", options.roi]
                    facts = run_fresh(Path(__file__), arguments)
                    if turn:
                        runs[way].append(facts)
            # Once what it needs is converted.
            arguments = [case, "--way", IMPORTS, "--model", options.model]
            arguments += ["--device", options.device, "--backend", options.backend]
            baseline = run_fresh(Path(__file__), arguments)["baseline_mb"]
            for facts in runs["paretoseg"]:
                if facts["memory_mb"] is not None:
                    facts["memory_mb"] -= baseline
            dice = dice_between(*(Path(scratch) / way for way in WAYS))
        entry = {"case": case.name, "dice": dice, "runs": runs, "ratios": ratios(runs)}
        results.append(entry)
        for way in WAYS:
            row = [f"{middle(runs[way], key):.2f}" for key in ("wall_seconds", "network_seconds")]
            memory = middle(runs[way], "memory_mb")
            row.append("n/a" if memory is None else f"{memory:.0f}")
            ours = way == "paretoseg"
            row += [f"{entry['ratios'][k]:.2f}" if ours else "" for k in ("wall", "network")]
            row.append(f"{entry['ratios']['memory']:.2f}" if ours and memory is not None else "")
            table.add_row(case.name if ours else "", way, *row)
    Console().print(table)
    for entry in results:
        shown = ", ".join(f"{region} {value:.4f}" for region, value in entry["dice"].items())
        Console().print(f"Dice between the two, {entry['case']}: {shown}")
    if options.output:
        whole = {
            "machine": machine_facts(),
            "model": options.model.name,
            "rounds": options.rounds,
            "peer_writes": options.peer_writes,
            "roi": options.roi,
            "cases": results,
        }
        with whole_file(options.output) as file:
            file.write_text(json.dumps(whole, indent=1), encoding="utf-8")


def middle(runs: list[dict[str, Any]], key: str) -> Any:
    """The median of one number over the runs."""
    values = [run[key] for run in runs]
    return None if None in values else statistics.median(values)


def ratios(runs: dict[str, list[dict[str, Any]]]) -> dict[str, float | None]:
    """How many times faster, and the share of memory."""

    def of(key: str) -> tuple[Any, Any]:
        return middle(runs["monai"], key), middle(runs["paretoseg"], key)

    wall, network, memory = of("wall_seconds"), of("network_seconds"), of("memory_mb")
    return {
        "wall": wall[0] / wall[1],
        "network": network[0] / network[1],
        "memory": None if None in memory else memory[1] / memory[0],
    }


def dice_between(one: Path, other: Path) -> dict[str, float]:
    """Dice of the regions of two written segmentations (label 3 is ET, 1 TC outside it, 2 WT)."""
    import numpy as np
    import SimpleITK as sitk

    found = []
    for place in (one, other):
        file = next(place.rglob("segmentation.nii.gz"))
        found.append(sitk.GetArrayFromImage(sitk.ReadImage(str(file))))
    dice = {}
    for region, values in {"et": (3,), "tc": (1, 3), "wt": (1, 2, 3)}.items():
        a, b = (np.isin(labels, values) for labels in found)
        size = int(a.sum() + b.sum())
        dice[region] = 2 * int((a & b).sum()) / size if size else 1.0
    return dice


def run_imports(options: argparse.Namespace) -> None:
    """Import what `predict` does, and no more: what its memory is counted from.

    It reads the first case while it imports, so its own process has no such moment. A network's
    layers are imported only where it has not been converted before.
    """
    import ParetoSegLib.cohort
    from ParetoSegLib.model.backends.conversion import openvino
    from ParetoSegLib.model.backends.interface import choose_backend
    from ParetoSegLib.model.deferred import deferred_model
    from ParetoSegLib.model.devices import choose_device
    from ParetoSegLib.pipeline import is_converted

    del ParetoSegLib
    description, network = deferred_model(options.model)
    if not is_converted(description, network):
        import_module("ParetoSegLib.model.refinement")
    if choose_backend(options.backend, choose_device(options.device)) == "openvino":
        openvino()
    report(baseline_mb=peak_mb())


def run_paretoseg(options: argparse.Namespace) -> None:
    """`predict --case`."""
    from ParetoSegLib import predict

    told = {"case": options.cases[0], "model": options.model, "output": options.place}
    told |= {"device": options.device, "backend": options.backend}
    if predict.main([str(part) for key, value in told.items() for part in (f"--{key}", value)]):
        raise SystemExit("predict failed")
    (summary,) = options.place.glob("*/summary.json")
    facts = json.loads(summary.read_text(encoding="utf-8"))
    stages = facts["seconds"]
    report(
        network_seconds=stages["segmenting"],
        stages=stages,
        backend=facts["backend"],
        memory_mb=peak_mb(),
    )


def run_monai(options: argparse.Namespace) -> None:
    """The plain way, on the whole field of view."""
    import numpy as np
    import SimpleITK as sitk
    import torch
    from monai.inferers import SlidingWindowInferer
    from scipy import ndimage

    from ParetoSegLib.core.labels import MODALITIES
    from ParetoSegLib.data.case import read_case
    from ParetoSegLib.data.layouts import find_cases
    from ParetoSegLib.data.normalisation import normalise
    from ParetoSegLib.model.folder import load_model

    import_module("ParetoSegLib.model.refinement")
    baseline = peak_mb()
    began = time.perf_counter()
    description, network = load_model(options.model)
    case = read_case(find_cases(options.cases[0])[1][0], with_labels=False)
    device = torch.device("cuda" if options.device.startswith("cuda") else "cpu")
    network.to(device)
    factors = [s / w for s, w in zip(case.grid.spacing_mm, description.spacing_mm, strict=True)]
    resampled = max(abs(f - 1) for f in factors) > 0.01
    arrays = {m: image.array for m, image in case.images.items()}
    if resampled:
        arrays = {m: ndimage.zoom(a, factors, order=1) for m, a in arrays.items()}
    brain = np.logical_or.reduce([a != 0 for a in arrays.values()])
    shape = brain.shape
    images = torch.zeros((1, len(MODALITIES), *shape))
    for channel, modality in enumerate(MODALITIES):
        if modality in arrays:
            array = arrays[modality]
            images[0, channel] = torch.from_numpy(normalise(array, brain, array != 0))
    flags = torch.tensor([[float(m in arrays) for m in MODALITIES]], device=device)
    inferer = SlidingWindowInferer(roi_size=(options.roi,) * 3, overlap=0.5, mode="gaussian")

    def predict() -> Any:
        with torch.no_grad():
            logits = inferer(images.to(device), lambda x: network(x, flags.expand(len(x), -1)))
            return logits.cpu()

    logits, seconds = timed(predict)
    membership = torch.sigmoid(logits)[0].numpy()
    if resampled:
        back = [n / m for n, m in zip(case.grid.shape, shape, strict=True)]
        membership = np.stack([ndimage.zoom(channel, back, order=1) for channel in membership])
    membership[1:] = np.maximum.accumulate(membership, axis=0)[1:]
    et, tc, wt = (channel >= 0.5 for channel in membership)
    labels = np.where(et, 3, np.where(tc, 1, np.where(wt, 2, 0))).astype(np.uint8)
    images_out = {"segmentation": labels}
    if options.peer_writes == "all":
        for region, values in zip(("et", "tc", "wt"), membership, strict=True):
            images_out[f"membership_{region}"] = values
            images_out[f"boundary_confidence_{region}"] = (2 * values - 1) ** 2
    options.place.mkdir(parents=True, exist_ok=True)
    for name, array in images_out.items():
        image = case.native_grid.image(case.to_native(array))
        sitk.WriteImage(image, str(options.place / f"{name}.nii.gz"), useCompression=True)
    peak = peak_mb()
    report(
        network_seconds=seconds,
        stages={"everything": time.perf_counter() - began},
        backend=f"torch {torch.__version__} fp32",
        memory_mb=None if peak is None or baseline is None else peak - baseline,
    )


if __name__ == "__main__":
    main()
