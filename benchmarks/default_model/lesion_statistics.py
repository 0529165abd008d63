"""What synthetic lesions are like, beside published figures: a table, a plot, a JSON.

    python -m ParetoSegLib.synthesize --config Resources/Recipes/patients.yaml … --output DIR
    python benchmarks/default_model/lesion_statistics.py --cases DIR --output statistics.png

Reads the ``synthesis.json`` of every case below the folders. Beside the picture lies a JSON with
the same name. Training data are not meant to be an average clinic: large and hard lesions are
commoner in them than in life, so that each is met often enough.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import matplotlib as mpl
import numpy as np
from rich.console import Console
from rich.table import Table

from ParetoSegLib.core.outputs import whole_file

SHOWN_MM = (2, 3, 6, 10, 20, 50)
SIZE_BINS_MM = (0.0, 3.0, 6.0, 10.0, 20.0, np.inf)
SIZE_NAMES = ("< 3 mm", "3–6 mm", "6–10 mm", "10–20 mm", "≥ 20 mm")
FAINT = 0.1
"""Of white matter's brightness; what stands out by less is hard to see."""

SMALL_MM = 10.0


@dataclass(frozen=True)
class Published:
    """One figure of the literature: what it says, of whom, and where it stands."""

    figure: str
    source: str


PUBLISHED = {
    "lesions a patient, mean": Published(
        "8.2 (1416 in 173 patients); 9.0 (3313 in 369)",
        "Schneider 2017, doi:10.1371/journal.pone.0177217; "
        "Schroeder 2020, doi:10.1007/s11060-020-03419-6",
    ),
    "patients with 1 / 2–4 / 5 and more": Published(
        "49 % / 40 % / 11 % (on CT, which misses small ones)",
        "Delattre 1988, Arch Neurol 45:741",
    ),
    "diameter, mean ± SD": Published(
        "4.3 ± 3.7 mm (shorter diameter, 92 small lesions)", "AJNR 2009, doi:10.3174/ajnr.A1506"
    ),
    "diameter, median": Published(
        "7 mm (100 chosen lesions, 1–30 mm)", "Jeon 2014, doi:10.3348/kjr.2014.15.1.145"
    ),
    "lesions below 3 mm": Published(
        "22 % (210 of 960, external test set)",
        "A data-centric approach to deep learning for brain metastasis analysis at MRI, 2025",
    ),
    "above white matter on T1c, lesions below 10 mm, mean ± SD": Published(
        "38 ± 41 % (MPRAGE), 57 ± 47 % (SPACE), 92 lesions of 4.3 ± 3.7 mm",
        "AJNR 2009, doi:10.3174/ajnr.A1506",
    ),
    "edema larger than the core, cores above 10 mm": Published(
        "57 % (12 of 21 solitary ones, by area)", "Chen 2012, doi:10.3174/ajnr.A3106"
    ),
    "edema: smallest diameter that has it as a rule": Published(
        "9.4 mm", "Schneider 2017, doi:10.1371/journal.pone.0177217"
    ),
}


def records(folders: list[Path]) -> list[dict[str, Any]]:
    """The record of every case below the folders, sorted by path."""
    files = sorted(file for folder in folders for file in folder.rglob("synthesis.json"))
    return [json.loads(file.read_text(encoding="utf-8")) for file in files]


def diameter_mm(volume_cc: np.ndarray) -> np.ndarray:
    """Diameter of the sphere of that volume."""
    return np.asarray((6 * volume_cc * 1000 / np.pi) ** (1 / 3))


def threshold_mm(diameter: np.ndarray, has_edema: np.ndarray) -> float:
    """Diameter that tells lesions with edema from those without best (largest Youden index)."""
    if has_edema.all() or not has_edema.any():
        return float("nan")
    cuts = np.unique(diameter)
    above = diameter[None, :] >= cuts[:, None]
    youden = above[:, has_edema].mean(axis=1) - above[:, ~has_edema].mean(axis=1)
    return float(cuts[int(np.argmax(youden))])


def measured(cases: list[dict[str, Any]]) -> dict[str, Any]:
    """Every figure of the table and the samples behind the plot."""
    lesions = [lesion for case in cases for lesion in case["lesions"]]
    counts = np.array([len(case["lesions"]) for case in cases])
    with_tumour = counts[counts > 0]
    volumes = {r: np.array([x["volumes_cc"][r] for x in lesions]) for r in ("et", "tc", "wt")}
    diameter = diameter_mm(volumes["tc"])
    contrast = np.array([lesion["contrast_rate"] for lesion in lesions])
    ratio = (volumes["wt"] - volumes["tc"]) / np.maximum(volumes["tc"], 1e-6)
    has_edema = ratio > 0.1
    large = diameter > 10
    largest = [
        max((float(d) for d in diameter_mm(_core_volumes(case))), default=0.0) for case in cases
    ]
    kinds = sorted({lesion["kind"] for lesion in lesions})
    return {
        "patients": len(cases),
        "lesions": len(lesions),
        "free_of_tumour": float(np.mean(counts == 0)),
        "with_a_lesion_of_10_mm": float(np.mean(np.array(largest) >= 10)),
        "whole_heads": float(
            np.mean([case["background"]["skull"] == "whole head" for case in cases])
        ),
        "counts": counts.tolist(),
        "count_mean": float(with_tumour.mean()),
        "count_shares": [
            float(np.mean(share))
            for share in (with_tumour == 1, (with_tumour > 1) & (with_tumour < 5), with_tumour >= 5)
        ],
        "diameter_mm": diameter.round(2).tolist(),
        "size_shares": (np.histogram(diameter, SIZE_BINS_MM)[0] / len(lesions)).tolist(),
        "contrast_rate": contrast.round(3).tolist(),
        "faint_share": float(np.mean(contrast[diameter < SMALL_MM] < FAINT)),
        "edema_over_core": ratio.round(3).tolist(),
        "edema_share": float(np.mean(has_edema)),
        "edema_larger_share": float(np.mean(ratio[large] > 1)),
        "edema_threshold_mm": threshold_mm(diameter, has_edema),
        "enhancing_share_of_core": (volumes["et"] / np.maximum(volumes["tc"], 1e-6)).tolist(),
        "kinds": {k: float(np.mean([x["kind"] == k for x in lesions])) for k in kinds},
    }


def _core_volumes(case: dict[str, Any]) -> np.ndarray:
    return np.array([lesion["volumes_cc"]["tc"] for lesion in case["lesions"]])


def rows(m: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """What, here, published, source."""
    diameter = np.array(m["diameter_mm"])
    contrast = np.array(m["contrast_rate"])[diameter < SMALL_MM]
    here = {
        "lesions a patient, mean": f"{m['count_mean']:.1f}",
        "patients with 1 / 2–4 / 5 and more": " / ".join(f"{x:.0%}" for x in m["count_shares"]),
        "diameter, mean ± SD": f"{diameter.mean():.1f} ± {diameter.std():.1f} mm",
        "diameter, median": f"{np.median(diameter):.1f} mm",
        "lesions below 3 mm": f"{m['size_shares'][0]:.0%}",
        "above white matter on T1c, lesions below 10 mm, mean ± SD": f"{contrast.mean():.0%} "
        f"± {contrast.std():.0%} (median {np.median(contrast):.0%}, below {FAINT:.0%}: "
        f"{m['faint_share']:.0%})",
        "edema larger than the core, cores above 10 mm": f"{m['edema_larger_share']:.0%}",
        "edema: smallest diameter that has it as a rule": f"{m['edema_threshold_mm']:.1f} mm",
    }
    table = [(what, here[what], p.figure, p.source) for what, p in PUBLISHED.items()]
    sizes = ", ".join(
        f"{name} {share:.0%}" for name, share in zip(SIZE_NAMES, m["size_shares"], strict=True)
    )
    table.append(("sizes", sizes, "", ""))
    table.append(("kinds", ", ".join(f"{k} {v:.0%}" for k, v in m["kinds"].items()), "", ""))
    table.append(("patients with a lesion of 10 mm", f"{m['with_a_lesion_of_10_mm']:.0%}", "", ""))
    table.append(("patients without tumour", f"{m['free_of_tumour']:.0%}", "", ""))
    table.append(("whole heads", f"{m['whole_heads']:.0%}", "", ""))
    return table


def draw(m: dict[str, Any], file: Path) -> None:
    """Four histograms."""
    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 4, figsize=(13, 3), layout="constrained")
    diameter, ratio = np.array(m["diameter_mm"]), np.array(m["edema_over_core"])
    contrast = np.array(m["contrast_rate"])
    axes[0].hist(diameter, np.geomspace(1.5, 60, 28), color="0.5")
    for edge in SIZE_BINS_MM[1:-1]:
        axes[0].axvline(edge, color="tab:red", lw=0.7)
    axes[0].set(xscale="log", xlabel="diameter of the core (mm)", ylabel="lesions")
    axes[1].hist(m["counts"], np.arange(-0.5, 42), color="0.5")
    axes[1].set(xlabel="lesions a patient", ylabel="patients")
    axes[2].hist(100 * np.clip(contrast, -0.5, 1.5), np.arange(-50, 155, 5), color="0.5")
    axes[2].axvline(100 * FAINT, color="tab:red", lw=0.7)
    axes[2].set(xlabel="brighter than around on T1c (% of white matter)", ylabel="lesions")
    axes[3].scatter(diameter, np.clip(ratio, 0.01, 300), s=5, color="0.3", lw=0)
    axes[3].set(
        xscale="log", yscale="log", xlabel="diameter of the core (mm)", ylabel="edema / core volume"
    )
    for axis in (axes[0], axes[3]):
        axis.set_xticks(SHOWN_MM, [str(mm) for mm in SHOWN_MM])
        axis.xaxis.set_minor_locator(mpl.ticker.NullLocator())
    with whole_file(file) as partial:
        figure.savefig(partial, format="png", dpi=110)
    pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=Path, nargs="+", required=True, metavar="DIR")
    parser.add_argument("--output", type=Path, required=True, metavar="PNG")
    options = parser.parse_args()
    cases = records(options.cases)
    if not any(case["lesions"] for case in cases):
        sys.exit("No synthetic lesion is recorded below these folders.")
    figures = measured(cases)
    table = Table(title=f"{figures['lesions']} lesions of {figures['patients']} patients")
    for heading in ("", "here", "published", "source"):
        table.add_column(heading)
    for row in rows(figures):
        table.add_row(*row)
    Console(width=150).print(table)
    draw(figures, options.output)
    summary = {**figures, "table": [list(row) for row in rows(figures)]}
    with whole_file(options.output.with_suffix(".json")) as file:
        file.write_text(json.dumps(summary, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
