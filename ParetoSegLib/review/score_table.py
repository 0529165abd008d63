"""An evaluation on the screen: statistics by region, pooled counts, and the rule of each number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ParetoSegLib.core.labels import REGIONS
from ParetoSegLib.measure.detection import SIZE_BINS_MM
from ParetoSegLib.measure.scorecard import METRICS, PLACES
from ParetoSegLib.measure.statistics import Summary
from ParetoSegLib.review.evaluation import Evaluation
from ParetoSegLib.review.scores import NOT_AVAILABLE, RULES, pooled

if TYPE_CHECKING:
    from rich.table import Table

TITLES = {"et": "ET (enhancing tumour)", "tc": "TC (tumour core)", "wt": "WT (whole tumour)"}


def region_table(region: str, row: Mapping[str, Summary]) -> Table:
    """Mean, median, 95 % interval of the mean and number of cases of every metric of a region."""
    from rich.table import Table

    table = Table(title=TITLES[region], title_justify="left")
    table.add_column("metric")
    for heading in ("mean", "median", "95 % interval", "cases"):
        table.add_column(heading, justify="right")
    for name, metric in METRICS.items():
        one = row[name]
        interval = NOT_AVAILABLE if one.low is None else f"{_number(one.low)} – {_number(one.high)}"
        table.add_row(metric.title, _number(one.mean), _number(one.median), interval, str(one.n))
    return table


def pooled_table(evaluation: Evaluation) -> Table:
    """Detection by size, false positives, FROC, calibration and coverage over all cases."""
    from rich.table import Table

    table = Table(title="Over all cases together", title_justify="left")
    table.add_column("")
    for region in REGIONS:
        table.add_column(region.upper(), justify="right")
    columns = [_pooled_cells(pooled(evaluation, region)) for region in REGIONS]
    for name in columns[0]:
        table.add_row(name, *(column[name] for column in columns))
    return table


def rule_table() -> Table:
    """What each number means, one row a rule."""
    from rich.table import Table

    table = Table(title="Rules", title_justify="left", show_header=False, box=None, padding=(0, 1))
    table.add_column(style="bold", max_width=30)
    table.add_column(ratio=1)
    titles: dict[str, list[str]] = {}
    for name, rule in RULES.items():
        titles.setdefault(rule, []).append(METRICS[name].title if name in METRICS else name)
    for rule, names in titles.items():
        table.add_row(", ".join(names), rule)
    return table


def _pooled_cells(facts: Mapping[str, object]) -> dict[str, str]:
    sizes: Mapping[str, Mapping[str, float | None]] = facts["sensitivity_by_size"]  # type: ignore[assignment]
    cells = {}
    for name in (*(one[0] for one in SIZE_BINS_MM), "all"):
        one = sizes[name]
        counts = f" ({one['found']}/{one['lesions']})" if one["lesions"] else ""
        cells[f"sensitivity, {name}"] = _number(one["sensitivity"]) + counts
    curve: Mapping[str, float] = facts["froc"] or {}  # type: ignore[assignment]
    covered: Mapping[str, float | None] = facts["interval_coverage"]  # type: ignore[assignment]
    calibrated: Mapping[str, Mapping[str, float]] = facts["calibration"]  # type: ignore[assignment]
    cells["false positives per scan"] = _number(facts["false_positives_per_scan"])  # type: ignore[arg-type]
    cells["FROC score"] = _number(curve.get("score"))
    for kind in ("ece", "brier"):
        for where in PLACES:
            title = METRICS[f"{kind}_{where}"].title
            cells[title] = _number(calibrated.get(where, {}).get(kind))
    counts = f" (of {covered['checks']})" if covered["checks"] else ""
    cells["volume interval coverage"] = _number(covered["coverage"]) + counts
    return cells


def _number(value: float | None) -> str:
    if value is None:
        return NOT_AVAILABLE
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
