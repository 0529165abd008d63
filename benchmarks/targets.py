"""What was aimed at, and what the JSON of the scripts says about it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Found = Mapping[str, Any]

UNTRAINED = "untrained"
"""The model of random weights: its time counts, what it says does not."""


@dataclass(frozen=True)
class Target:
    """One row.

    Args:
        what: is measured.
        against: what it is compared with.
        wanted: the target in words.
        source: name of the JSON, without its suffix.
        measured: the number, from the JSON; ``None`` where the JSON does not have it.
        met: whether a number will do.
        shown: how a number is written.
    """

    what: str
    against: str
    wanted: str
    source: str
    measured: Callable[[Found], float | None]
    met: Callable[[float], bool]
    shown: str


def _least_ratio(name: str) -> Callable[[Found], float | None]:
    def least(found: Found) -> float | None:
        values = [case["ratios"][name] for case in found["cases"]]
        return None if None in values else min(values)

    return least


def _largest_memory(found: Found) -> float | None:
    values = [case["ratios"]["memory"] for case in found["cases"]]
    return None if None in values else max(values)


def _least_dice(found: Found) -> float | None:
    if found["model"] == UNTRAINED:
        return None
    return min(value for case in found["cases"] for value in case["dice"].values())


def _lost(found: Found) -> float | None:
    seen = sum(case["lesions"][1] for case in found["cases"])
    return float(found["lost"]) if seen and found["model"] != UNTRAINED else None


def _slider(found: Found) -> float | None:
    for way in ("with node, drawn", "with node"):
        rows = [rows[way] for rows in found["lesions"].values() if way in rows]
        if rows:
            return max(row["quartiles"][1] for row in rows)
    return None


def _gpu_share(found: Found) -> float | None:
    later = found["runs"][1:]
    network = statistics.median(run["stages"]["segmenting"] for run in later)
    return float(found["later_prepared_ahead_seconds"] / network)


def _median(*keys: str) -> Callable[[Found], float | None]:
    def middle(found: Found) -> float | None:
        for key in keys:
            found = found[key]
        return float(found["quartiles"][1])

    return middle


def _mode(name: str) -> Callable[[Found], float | None]:
    return lambda found: found["modes"][name]["ratio_of_means"]


MONAI = "MONAI sliding window, fp32, roi 96³, overlap ½"
PLAIN = "Dice + CE step"

TARGETS = (
    Target("whole case on a CPU, file to files", MONAI, "≥ 5 ×", "whole_case",
           _least_ratio("wall"), lambda v: v >= 5, "{:.1f} ×"),
    Target("network and stitching on a CPU", MONAI, "≥ 15 ×", "whole_case",
           _least_ratio("network"), lambda v: v >= 15, "{:.1f} ×"),
    Target("Dice between the two, the least", MONAI, "≥ 0.99", "whole_case",
           _least_dice, lambda v: v >= 0.99, "{:.4f}"),
    Target("peak memory above the imports", MONAI, "≤ 50 %", "whole_case",
           _largest_memory, lambda v: v <= 0.5, "{:.2%}"),
    Target("lesions lost by the fast path", "fp32, overlap ½", "0", "agreement",
           _lost, lambda v: v == 0, "{:.0f}"),
    Target("whole case on a CPU, file to files", "nnU-Net's predictor, no mirroring", "≥ 5 ×",
           "nnunet_predictor",
           lambda found: min(case["faster"]["quartiles"][1] for case in found["cases"]),
           lambda v: v >= 5, "{:.1f} ×"),
    Target("whole case on a GPU, prepared ahead", "time in the network", "≤ 1.5 ×",
           "warm_worker_gpu", _gpu_share, lambda v: v <= 1.5, "{:.2f} ×"),
    Target("training step, `refresh_every=8`", PLAIN, "≤ 1.15 ×", "step_time",
           _mode("upgrad, refresh_every=8"), lambda v: v <= 1.15, "{:.2f} ×"),
    Target("training step, exact", PLAIN, "≤ 1.85 ×", "step_time",
           _mode("upgrad, exact"), lambda v: v <= 1.85, "{:.2f} ×"),
    Target("fuzzy labels of a whole case", "two SciPy EDTs a region", "≥ 8 ×", "fuzzy_labels",
           lambda found: found["least_times_faster"], lambda v: v >= 8, "{:.1f} ×"),
    Target("a move of α on 155 × 240 × 240, the slowest median", "", "≤ 100 ms", "alpha_slider",
           _slider, lambda v: v <= 100, "{:.1f} ms"),
    Target("later cases in a warm process", "network and files", "≤ 1.05 ×", "warm_worker",
           lambda found: found["later_against_network_and_files"],
           lambda v: v <= 1.05, "{:.2f} ×"),
    Target("`import ParetoSegLib`", "interpreter alone", "≤ 0.05 s more", "start_up",
           _median("rows", "import ParetoSegLib, over the interpreter"),
           lambda v: v <= 0.05, "{:.3f} s"),
    Target("`--help`", "", "≤ 0.5 s", "start_up",
           _median("rows", "predict --help"), lambda v: v <= 0.5, "{:.2f} s"),
    Target("modules of torch loaded by opening the panel", "", "0", "start_up",
           lambda found: {"none": 0, "not installed": None}.get(found["panel_loads"], 1),
           lambda v: v == 0, "{:.0f}"),
    Target("training in 2 processes, throughput", "1 process", "≥ 1.7 × with cores to spare",
           "ddp", lambda found: found["throughput"], lambda v: v >= 1.7, "{:.2f} ×"),
    Target("the same, largest relative difference of a loss", "1 process", "≤ 0.001", "ddp",
           lambda found: found["largest_loss_difference"], lambda v: v <= 1e-3, "{:.1e}"),
    Target("seconds grow with the voxels to the power", "", "≤ 1.1", "growth",
           lambda found: found["volume"]["slope"], lambda v: v <= 1.1, "{:.2f}"),
    Target("memory over the later cases of a cohort", "the middle ones", "≤ 10 MB more",
           "growth", lambda found: found["cases"]["grown_mb"], lambda v: v <= 10, "{:.1f} MB"),
)  # fmt: skip
