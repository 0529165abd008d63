"""How does the cost grow with the volume, with the lesions, and with the number of cases?

    python benchmarks/growth.py --output growth.json --pictures docs/pictures

Volume: a painted head of growing size, from files to files, random weights, the default network.
Lesions: fuzzy labels and the measuring of a result on one size with ever more lesions. Cases:
seconds a case and resident memory after each case of a cohort. Each gets a plot; the slope of
log(seconds) over log(size) says how the cost grows (1 is linear).
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import SimpleITK as sitk
from painted_lesions import painted_masks, painted_membership, unit_grid
from rich.console import Console
from rich.table import Table
from timing import arguments, in_turn, shown, spread, write
from untrained_model import write_untrained_model

from ParetoSegLib.cohort import segment_cases
from ParetoSegLib.core.labels import MODALITIES, REGIONS
from ParetoSegLib.data.case import CaseFiles
from ParetoSegLib.data.case_folder import case_from_files
from ParetoSegLib.measure.lesions import find_lesions
from ParetoSegLib.method.fuzzy import fuzzy_labels
from ParetoSegLib.pipeline import Model, SegmentOptions, load

SIDES, COUNTS, CASES = (96, 120, 144, 176, 208), (1, 2, 5, 10, 20, 40), 20
LESION_SHAPE = (155, 240, 240)


def resident_mb() -> float | None:
    """Memory that this process holds now; ``None`` where the system does not tell."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return None
    line = next(x for x in status.read_text().splitlines() if x.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def write_head(folder: Path, shape: tuple[int, int, int], lesions: int) -> CaseFiles:
    """A ball of noise in air with lesions that shine in every sequence, as four files."""
    rng = np.random.default_rng(0)
    core = painted_membership(shape, lesions)["tc"]
    axes = np.ogrid[tuple(slice(-1, 1, n * 1j) for n in shape)]
    inside = sum(a * a for a in axes) < 0.9
    paths = {}
    folder.mkdir(parents=True)
    for modality in MODALITIES:
        array = np.where(inside, rng.normal(100, 10, shape) + 150 * core, 0).astype(np.float32)
        paths[modality] = folder / f"{modality}.nii.gz"
        sitk.WriteImage(sitk.GetImageFromArray(array), str(paths[modality]), True)
    return case_from_files(folder.name, **paths)


def slope(sizes: list[float], seconds: list[float]) -> float:
    """The exponent of the best power law."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def of_volume(model: Model, place: Path, sides: tuple[int, ...], rounds: int) -> dict[str, Any]:
    """Seconds of whole cases, files to files, in one warm process."""
    options = SegmentOptions(device="cpu")
    files = {side: write_head(place / str(side), (side,) * 3, 1) for side in sides}

    def segment(case: CaseFiles) -> None:
        (outcome,) = segment_cases([case], model, place / "out", options)
        if outcome.result is None:
            raise SystemExit(outcome.error)

    ways: dict[str, Callable[[], object]] = {
        str(side): lambda case=case: segment(case) for side, case in files.items()
    }
    rows = [
        {"side": int(side), "voxels": int(side) ** 3, **spread(values)}
        for side, values in in_turn(ways, rounds, 1).items()
    ]
    return {"rows": rows, "slope": slope(*_medians(rows, "voxels"))}


def of_lesions(shape: tuple[int, int, int], counts: tuple[int, ...], rounds: int) -> dict[str, Any]:
    """Seconds of making labels and of measuring a result."""
    found: dict[str, Any] = {"labels": [], "measuring": []}
    for count in counts:
        membership = painted_membership(shape, count)
        masks = painted_masks(shape, count)
        grid = unit_grid(shape)
        ways: dict[str, Callable[[], object]] = {
            "labels": lambda masks=masks: fuzzy_labels(masks, (1.0, 1.0, 1.0)),
            "measuring": lambda m=membership, grid=grid: find_lesions(m, grid, REGIONS),
        }
        for name, values in in_turn(ways, rounds, 1).items():
            found[name].append({"lesions": count, **spread(values)})
    for name in ("labels", "measuring"):
        counted, medians = _medians(found[name], "lesions")
        # What a lesion adds: there is a cost for the image alone.
        each, alone = np.polyfit(counted, medians, 1)
        found[f"{name}_seconds_a_lesion"] = float(each)
        found[f"{name}_seconds_alone"] = float(alone)
    return found


def of_cases(model: Model, place: Path, side: int, count: int) -> dict[str, Any]:
    """Seconds of each case of a cohort and the resident memory after it."""
    one = write_head(place / "cohort", (side,) * 3, 1)
    cases = [CaseFiles(f"case-{i:03}", f"case-{i:03}", one.images) for i in range(count)]
    seconds, memory = [], []
    began = time.perf_counter()
    for _ in segment_cases(cases, model, place / "results", SegmentOptions(device="cpu")):
        seconds.append(time.perf_counter() - began)
        memory.append(resident_mb())
        began = time.perf_counter()
    known = [m for m in memory if m is not None]
    third = max(1, count // 3)
    grown = statistics.median(known[-third:]) - statistics.median(known[third : 2 * third])
    return {
        "side": side,
        "seconds": seconds,
        "resident_mb": memory,
        "grown_mb": grown if known else None,
    }


def _medians(rows: list[dict[str, Any]], size: str) -> tuple[list[float], list[float]]:
    return [row[size] for row in rows], [row["quartiles"][1] for row in rows]


def draw(found: dict[str, Any], folder: Path) -> None:
    """The three plots."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)

    def save(name: str, across: str, up: str) -> None:
        plt.xlabel(across)
        plt.ylabel(up)
        plt.ylim(0, 1.1 * plt.ylim()[1])
        if name != "volume":
            plt.gca().xaxis.get_major_locator().set_params(integer=True)
        plt.grid(alpha=0.3)
        plt.tight_layout()
        plt.savefig(folder / f"growth_{name}.png", dpi=110, metadata={"Software": None})
        plt.close()

    def line(rows: list[dict[str, Any]], size: str, scale: float, label: str) -> None:
        sizes, medians = _medians(rows, size)
        low, high = ([row["quartiles"][i] for row in rows] for i in (0, 2))
        below = [max(0, m - v) for m, v in zip(medians, low, strict=True)]
        above = [max(0, v - m) for m, v in zip(medians, high, strict=True)]
        across = [s / scale for s in sizes]
        plt.errorbar(across, medians, yerr=[below, above], marker="o", capsize=3, label=label)

    plt.figure(figsize=(5, 3.2))
    line(found["volume"]["rows"], "voxels", 1e6, "files to files")
    save("volume", "million voxels", "seconds a case")
    plt.figure(figsize=(5, 3.2))
    for name in ("labels", "measuring"):
        line(found["lesions"][name], "lesions", 1, name)
    plt.legend()
    save("lesions", "lesions", "seconds")
    plt.figure(figsize=(5, 3.2))
    memory = found["cases"]["resident_mb"]
    plt.plot(range(1, len(memory) + 1), [m or 0 for m in memory], marker="o")
    save("cases", "cases done", "resident memory, MB")


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="draw plots into this folder")
    parser.set_defaults(rounds=5)
    options = parser.parse_args()
    quick = options.quick
    sides, counts, cases = ((40, 48), (1, 2), 4) if quick else (SIDES, COUNTS, CASES)
    with tempfile.TemporaryDirectory(prefix="paretoseg-bench-") as scratch:
        place = Path(scratch)
        model = load(write_untrained_model(place / "model", quick))
        found = {
            "volume": of_volume(model, place, sides, options.rounds),
            "lesions": of_lesions((64, 64, 64) if quick else LESION_SHAPE, counts, options.rounds),
            "cases": of_cases(model, place, sides[0], cases),
        }
    table = Table(title="Growth")
    for column in ("with", "size", "what", "median s", "quartiles s"):
        table.add_column(column)
    for row in found["volume"]["rows"]:
        table.add_row("volume", f"{row['side']}³", "files to files", *shown(row))
    for name in ("labels", "measuring"):
        for row in found["lesions"][name]:
            table.add_row("lesions", str(row["lesions"]), name, *shown(row))
    for row in (spread(found["cases"]["seconds"]),):
        table.add_row("cases", str(cases), "seconds a case", *shown(row))
    console = Console()
    console.print(table)
    console.print(f"Seconds grow with the voxels to the power {found['volume']['slope']:.2f}.")
    grown = found["cases"]["grown_mb"]
    if grown is not None:
        console.print(f"Resident memory grew by {grown:.1f} MB from the second third to the last.")
    write(options.output, quick, **found)
    if options.pictures:
        draw(found, options.pictures)


if __name__ == "__main__":
    main()
