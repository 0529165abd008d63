"""Write the default model's card from what was measured: numbers come from JSON, none by hand.

    python benchmarks/default_model/card.py --model MODEL --scores DIR

DIR holds what score.py and real_patients.py wrote: main.json, other-sets.json, whole-heads.json,
thick-slices.json, tumour-free.json, real.json (those that are there are told). The card goes to
``MODEL/MODEL_CARD.md`` and ``docs/model-card.md``, the calibration plot to ``docs/pictures``.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from ParetoSegLib.core.project import DISCLAIMER
from ParetoSegLib.model.folder import CARD, read_description

ROOT = Path(__file__).resolve().parents[2]
PROSE = Path(__file__).parent / "card"
"""Paragraphs that people wrote: learnt-from, use, failures."""

PLOT = "pictures/calibration.png"
FULL = {"t1n+t1c+t2w+t2f": "all four", "t1c": "T1c", "t1c+t2f": "T1c + FLAIR", "t2f": "FLAIR"}
SETS = {
    "whole-heads": "Whole heads",
    "thick-slices": "5 mm slices",
    "other-sets": "The other sets of sequences",
}


def shown(sequences: str) -> str:
    """A set of sequences in words."""
    names = {"t1n": "T1", "t1c": "T1c", "t2w": "T2", "t2f": "FLAIR"}
    return FULL.get(sequences) or " + ".join(names[s] for s in sequences.split("+"))


def number(value: float | None, digits: int = 2) -> str:
    """A number as tables show it; n/a for none."""
    return "n/a" if value is None else f"{value:.{digits}f}"


def quality(rows: list[dict[str, Any]]) -> list[str]:
    """Dice, false positives, calibration and coverage: one line a set of sequences."""
    lines = [
        "| sequences | Dice ET | TC | WT | false TC lesions a scan | ECE in the band TC | WT | "
        "interval coverage | s a case |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        regions = row["regions"]
        dice = [number(regions.get(r, {}).get("dice")) for r in ("et", "tc", "wt")]
        home = regions.get("tc") or regions["wt"]
        band = [number(regions.get(r, {}).get("band_ece"), 3) for r in ("tc", "wt")]
        covered = home["interval_coverage"]
        lines.append(
            f"| {shown(row['sequences'])} | {' | '.join(dice)} | "
            f"{number(home['false_positives_per_scan'], 1)} | {' | '.join(band)} | "
            f"{number(covered['coverage'])} ({covered['checks']}) | "
            f"{number(row['seconds_a_case'], 1)} |"
        )
    return lines


def sizes(rows: list[dict[str, Any]]) -> list[str]:
    """Lesions found by size of the reference lesion: one line a set of sequences."""
    bins = list(next(iter(rows[0]["regions"].values()))["sensitivity_by_size"])
    lines = [f"| TC lesions found | {' | '.join(bins)} |", "|---" * (len(bins) + 1) + "|"]
    for row in rows:
        regions = row["regions"]
        found = (regions.get("tc") or regions["wt"])["sensitivity_by_size"]
        cells = [
            f"{found[b]['found']}/{found[b]['lesions']}"
            + (f" ({found[b]['sensitivity']:.2f})" if found[b]["lesions"] else "")
            for b in bins
        ]
        lines.append(f"| {shown(row['sequences'])} | {' | '.join(cells)} |")
    return lines


def real(rows: list[dict[str, Any]]) -> list[str]:
    """Agreement on real patients, and false lesions where there is no tumour."""
    lines = ["| patient | sequences | agreement ET | TC | WT |", "|---|---|---|---|---|"]
    for row in rows:
        if "agreement" in row:
            cells = [number(row["agreement"].get(r)) for r in ("et", "tc", "wt")]
            lines.append(f"| {row['patient']} | {shown(row['sequences'])} | {' | '.join(cells)} |")
    lines += ["", "| tumour-free patient | sequences | false lesions | candidates |"]
    lines += ["|---|---|---|---|"]
    for row in rows:
        if "false_lesions" in row:
            lines.append(
                f"| {row['patient']} | {shown(row['sequences'])} | {row['false_lesions']} | "
                f"{row['candidates']} |"
            )
    return lines


def draw_calibration(rows: list[dict[str, Any]], path: Path) -> None:
    """Share of tumour against membership near the boundary, for the main sets of sequences."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(8, 4), sharey=True, constrained_layout=True)
    for axis, region in zip(axes, ("tc", "wt"), strict=True):
        axis.plot([0, 1], [0, 1], color="0.6", linewidth=1, linestyle="--")
        for row in rows:
            band = row["regions"].get(region, {}).get("band")
            if band:
                pairs = zip(band["mean_membership"], band["share_of_tumour"], strict=True)
                points = [(x, y) for x, y in pairs if x is not None and y is not None]
                label = f"{shown(row['sequences'])} (ECE {band['ece']:.3f})"
                axis.plot(*zip(*points, strict=True), marker="o", markersize=4, label=label)
        axis.set(title=region.upper(), xlabel="membership", xlim=(0, 1), ylim=(0, 1))
        axis.legend(fontsize=8)
    axes[0].set_ylabel("share of voxels that are tumour")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def read(folder: Path, name: str) -> list[dict[str, Any]]:
    """The rows of one measurement; none where it was not made."""
    file = folder / f"{name}.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []


def card(model: Path, scores: Path) -> str:
    """The whole card as Markdown; the picture's place is relative to ``docs``."""
    description = read_description(model)
    training = description.training
    counts = training["cases"]
    main_rows = read(scores, "main")
    lines = [f"# Model card: {description.name}", "", f"**{DISCLAIMER}**", ""]
    lines += [(PROSE / "learnt-from.md").read_text(encoding="utf-8").strip(), ""]
    lines += [
        f"Network: {description.network}; the last stage took {training['steps']} steps in "
        f"{training['minutes']:.0f} minutes on {training['device']} ({training['precision']}), "
        f"loss `{training['loss']}`, balance `{training['balance']}`; {counts['train']} cases to "
        f"train on, {counts['validation']} to watch it, {counts['calibration']} to "
        "calibrate. Recipe: `Resources/Recipes`.",
        "",
        (PROSE / "use.md").read_text(encoding="utf-8").strip(),
        "",
        "## How good it is on synthetic patients it never saw",
        f"{main_rows[0]['cases'] if main_rows else 0} cases on backgrounds that no training case "
        "used; settings and seeds were fixed before training (`benchmarks/default_model/"
        "holdout.yaml`). Reference: the true ½-cut; interval coverage: simulated raters' volumes, "
        "fitted for .80, with the number of checks. Synthetic numbers say how well the network "
        "learnt its task, not how well it does in your clinic. The seconds were taken beside other "
        "work: `docs/benchmarks.md` has the ones that count.",
        "",
    ]
    if main_rows:
        lines += [*quality(main_rows), "", *sizes(main_rows), ""]
        lines += ["![Calibration near the boundary](pictures/calibration.png)", ""]
    for name, title in SETS.items():
        rows = read(scores, name)
        if rows:
            lines += [f"### {title} ({rows[0]['cases']} cases)", *quality(rows), ""]
    free = read(scores, "tumour-free")
    if free:
        lines += ["### Synthetic heads without tumour", "| sequences | false lesions a scan |"]
        lines += ["|---|---|"]
        for row in free:
            home = row["regions"].get("tc") or row["regions"]["wt"]
            false = number(home["false_positives_per_scan"], 1)
            lines.append(f"| {shown(row['sequences'])} | {false} |")
        lines.append("")
    rows = read(scores, "real")
    if rows:
        lines += [
            "## Real patients",
            "The masks of `brats-met-00110` and `brats-gli-00001` come from other programs: these "
            "numbers are agreement with them, not accuracy.",
            "",
            *real(rows),
            "",
        ]
    lines += [(PROSE / "failures.md").read_text(encoding="utf-8").strip(), ""]
    return "\n".join(lines)


def main() -> int:
    """Parse, write the card twice and the plot once."""
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    p.add_argument("--model", type=Path, required=True)
    p.add_argument("--scores", type=Path, required=True)
    given = p.parse_args()
    text = card(given.model, given.scores)
    rows = read(given.scores, "main")
    if rows:
        draw_calibration(rows, ROOT / "docs" / PLOT)
    (ROOT / "docs" / "model-card.md").write_text(text, encoding="utf-8", newline="\n")
    # The panel shows the card as plain text, and a model folder holds no pictures.
    plain = "\n".join(line for line in text.splitlines() if not line.startswith("![")) + "\n"
    (given.model / CARD).write_text(plain, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
