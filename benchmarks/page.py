"""Write the tables of docs/benchmarks.md from the JSON in benchmarks/results.

    python benchmarks/page.py

Only what stands between ``<!-- begin NAME -->`` and ``<!-- end NAME -->`` is replaced; the prose
around it is written by hand. A table whose JSON is not there says "not measured".
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from targets import TARGETS

from ParetoSegLib.core.outputs import whole_file

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).with_name("results")
PAGE = ROOT / "docs" / "benchmarks.md"
NOT_MEASURED = "not measured"

Found = Mapping[str, Any]
Results = Mapping[str, Found]


def read_results(folder: Path) -> dict[str, Found]:
    """The JSON by its name; what a ``--quick`` run wrote is no result."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        if not content.get("quick", False):
            found[path.stem] = content
    return found


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    lines = [list(head), ["---"] * len(list(head)), *map(list, rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def spread_cells(row: Found, digits: int, key: str = "quartiles") -> list[str]:
    """Median and quartiles."""
    low, middle, high = (f"{value:.{digits}f}" for value in row[key])
    return [middle, f"{low} to {high}"]


def target_table(results: Results) -> str:
    """Every target, what was measured, and whether it was met."""
    rows = []
    for target in TARGETS:
        found = results.get(target.source)
        value = None if found is None else target.measured(found)
        if value is None:
            said, verdict = NOT_MEASURED, ""
        else:
            said = target.shown.format(value)
            verdict = "met" if target.met(value) else "**missed**"
        rows.append([target.what, target.against, target.wanted, said, verdict])
    return table(["what", "against", "target", "measured", ""], rows)


def machines(results: Results) -> str:
    """On what each table was measured."""
    groups: dict[str, list[str]] = {}
    for name, found in results.items():
        facts = found.get("machine")
        if not facts:
            continue
        flags = ", ".join(facts["flags"]) or "no wide instructions"
        words = (
            f"{facts['processor']}, {facts['cores']} cores ({facts['threads']} threads), {flags}; "
            f"GPU: {facts['gpu'] or 'none'}; {facts['system']}, Python {facts['python']}, "
            f"PyTorch {facts['torch']}"
        )
        groups.setdefault(words, []).append(f"`{name}`")
    return "\n".join(f"- {', '.join(names)}: {words}." for words, names in groups.items())


def step_time(found: Found) -> str:
    rows = [
        [name, *spread_cells(row, 3), f"{row['ratio_of_means']:.2f}"]
        for name, row in found["modes"].items()
    ]
    return table(["mode", "median s", "quartiles s", "against Dice + CE (means)"], rows)


def step_profile(found: Found) -> str:
    rows = [
        [name, *spread_cells(row, 4), f"{row['share']:.0%}"] for name, row in found["rows"].items()
    ]
    return table(["part", "median s", "quartiles s", "share of the step"], rows)


def fuzzy_labels(found: Found) -> str:
    rows = [
        [
            str(row["lesions"]),
            *spread_cells(row["ours"], 2),
            *spread_cells(row["edt"], 2),
            *spread_cells(row["faster"], 1),
        ]
        for row in found["rows"]
    ]
    head = ["lesions", "ours s", "quartiles", "two EDTs a region s", "quartiles"]
    return table([*head, "times faster", "quartiles"], rows)


def whole_case(found: Found) -> str:
    rows = []
    for case in found["cases"]:
        for way, runs in case["runs"].items():
            walls = [run["wall_seconds"] for run in runs]
            network = median(run["network_seconds"] for run in runs)
            memory = [run["memory_mb"] for run in runs]
            held = "n/a" if None in memory else f"{median(memory):.0f}"
            between = f"{min(walls):.2f} to {max(walls):.2f}"
            numbers = [f"{median(walls):.2f}", between, f"{network:.2f}", held]
            rows.append([case["case"], way, runs[0]["backend"], *numbers])
    head = ["case", "way", "backend", "median s", "all s", "network s", "memory MB"]
    return table(head, rows)


def agreement(found: Found) -> str:
    rows = []
    for case in found["cases"]:
        regions = case["regions"]
        dice = [f"{regions[r]['dice']:.4f}" if r in regions else "n/a" for r in ("et", "tc", "wt")]
        worst = max(region["largest_difference"] for region in regions.values())
        counts = [" / ".join(map(str, case["lesions"])), *(str(len(case[k])) for k in _CHANGED)]
        rows.append([case["case"], *dice, f"{worst:.3f}", *counts])
    head = ["case", "Dice ET", "TC", "WT", "largest Δμ", "lesions fast / reference"]
    return table([*head, *_CHANGED], rows)


_CHANGED = ("gained", "lost")


def warm_worker(found: Found) -> str:
    rows = [
        ["first case, imports and model included", f"{found['first_seconds']:.2f} s"],
        ["later cases, median", f"{found['later_seconds']:.2f} s"],
        ["against network and files", f"{found['later_against_network_and_files']:.2f} ×"],
        ["prepared ahead, median", f"{found['later_prepared_ahead_seconds']:.2f} s"],
    ]
    return table(["what", "measured"], rows)


def start_up(found: Found) -> str:
    rows = [[name, *spread_cells(row, 3)] for name, row in found["rows"].items()]
    loaded = f"Opening the panel loads of torch and MONAI: {found['panel_loads']}."
    return table(["what", "median s", "quartiles s"], rows) + "\n\n" + loaded


def roofline(found: Found) -> str:
    rows = [
        [
            row["described"],
            *spread_cells(row, 4),
            f"{row['flops_per_second'] / 1e9:.0f}",
            f"{row['of_matrix_rate']:.0%}",
            f"{row['least_seconds']:.4f}",
            f"{row['of_roofline']:.0%}",
        ]
        for row in found["rows"].values()
    ]
    head = ["backend", "median s", "quartiles s", "Gflop/s", "of the matrix rate", "least s"]
    rates = ", ".join(f"{k} {v / 1e9:.0f}" for k, v in found["matrix_flops_per_second"].items())
    facts = (
        f"One window: {found['operations'] / 1e9:.1f} Gflop, {found['values'] / 1e6:.0f} million "
        f"values read and written. Matrix products: {rates} Gflop/s. "
        f"Copying: {found['copy_bytes_per_second'] / 1e9:.1f} GB/s."
    )
    return facts + "\n\n" + table([*head, "of the roofline"], rows)


def ddp(found: Found) -> str:
    rows = [[count, *spread_cells(row, 3)] for count, row in found["rows"].items()]
    told = (
        f"Throughput × {found['throughput']:.2f}; the losses of {found['steps']} steps differ by "
        f"at most {found['largest_loss_difference']:.1e} of themselves."
    )
    return table(["processes", "median s a step", "quartiles s"], rows) + "\n\n" + told


def growth(found: Found) -> str:
    rows = [
        ["volume", f"{row['side']}³", "files to files", *spread_cells(row, 2)]
        for row in found["volume"]["rows"]
    ]
    for name in ("labels", "measuring"):
        rows += [
            ["lesions", str(row["lesions"]), name, *spread_cells(row, 2)]
            for row in found["lesions"][name]
        ]
    grown = found["cases"]["grown_mb"]
    memory = "not measured" if grown is None else f"{grown:.1f} MB"
    told = (
        f"Seconds grow with the voxels to the power {found['volume']['slope']:.2f}; a lesion adds "
        f"{found['lesions']['labels_seconds_a_lesion'] * 1000:.0f} ms to the labels and "
        f"{found['lesions']['measuring_seconds_a_lesion'] * 1000:.0f} ms to the measuring; over "
        f"{len(found['cases']['seconds'])} cases resident memory grew, from the second third to "
        f"the last, by {memory}."
    )
    pictures = "\n".join(
        f"![Growth with {name}](pictures/growth_{name}.png)"
        for name in ("volume", "lesions", "cases")
    )
    head = ["grows with", "size", "what", "median s", "quartiles s"]
    return table(head, rows) + "\n\n" + told + "\n\n" + pictures


def alpha_slider(found: Found) -> str:
    rows = [
        [lesions, name, *spread_cells(row, 2), f"{row['longest']:.2f}"]
        for lesions, ways in found["lesions"].items()
        for name, row in ways.items()
    ]
    return table(["lesions", "what", "median ms", "quartiles ms", "longest ms"], rows)


def nnunet_predictor(found: Found) -> str:
    rows = [[case["case"], *spread_cells(case["faster"], 1)] for case in found["cases"]]
    return table(["case", "times faster, median", "quartiles"], rows)


BLOCKS: dict[str, Callable[[Found], str]] = {
    block.__name__: block
    for block in (
        whole_case,
        nnunet_predictor,
        agreement,
        warm_worker,
        alpha_slider,
        step_time,
        step_profile,
        fuzzy_labels,
        roofline,
        growth,
        ddp,
        start_up,
    )
}


def block(name: str, results: Results) -> str:
    """What belongs between the markers of a name.

    Raises:
        ValueError: there is no such block.
    """
    if name == "targets":
        return target_table(results)
    if name == "machines":
        return machines(results) or NOT_MEASURED
    # A name with _gpu behind it is the same table of the JSON that a GPU gave.
    make = BLOCKS.get(name.removesuffix("_gpu"))
    if make is None:
        raise ValueError(f"the page asks for {name}, which no script measures")
    return make(results[name]) if name in results else f"*{NOT_MEASURED}*"


def filled(page: str, results: Results) -> str:
    """The page with its blocks made anew.

    Raises:
        ValueError: a marker has no end, or an unknown name.
    """
    begun = re.findall(r"<!-- begin (\w+) -->", page)
    pattern = re.compile(r"<!-- begin (\w+) -->\n.*?<!-- end \1 -->", re.DOTALL)
    if begun != [match[1] for match in pattern.finditer(page)]:
        raise ValueError("a block of the page does not end as it begins")

    def replaced(match: re.Match[str]) -> str:
        name = match[1]
        return f"<!-- begin {name} -->\n{block(name, results)}\n<!-- end {name} -->"

    return pattern.sub(replaced, page)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args()
    page = options.page.read_text(encoding="utf-8")
    with whole_file(options.page) as file:
        file.write_text(filled(page, read_results(options.results)), encoding="utf-8")


if __name__ == "__main__":
    main()
