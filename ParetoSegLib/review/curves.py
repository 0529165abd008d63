"""How a training run went, as one picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ParetoSegLib.core.labels import REGIONS
from ParetoSegLib.core.outputs import whole_file

Rows = Sequence[Mapping[str, str]]


def draw_curves(steps: Rows, validation: Rows, path: Path) -> None:
    """Draw losses, validation Dice, the balance and the gradients over the steps, as PNG.

    Args:
        steps: rows of ``steps.csv``; columns that are empty are left out.
        validation: rows of ``validation.csv``.
        path: of the picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 7.5), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(2, 3).ravel()

    loss, dice, pace, weights, stationarity, norms = panels
    loss.set(title="Region losses (running mean)", ylabel="loss")
    _lines(loss, steps, {"loss_interior": "interior", "loss_boundary": "boundary"}, smooth=True)
    dice.set(title="Validation (averaged weights)", ylabel="Dice", ylim=(0, 1))
    regions = {f"dice_{r}": r.upper() for r in REGIONS}
    _lines(dice, validation, regions, marker="o")
    pace.set(title="Curriculum", ylim=(-0.02, 1.02))
    _lines(pace, steps, {"theta": "θ", "u_boundary": "u$_B$", "violation_rate": "violation rate"})
    weights.set(title="Pareto weights (running mean)")
    _lines(weights, steps, {"w_interior": "w$_I$", "w_boundary": "w$_B$"}, smooth=True)
    stationarity.set(title="Stationarity and conflict (running mean)")
    columns = {"relative_residual": "√((1+cos)/2)", "cosine": "cosine"}
    _lines(stationarity, steps, columns, smooth=True)
    stationarity.axhline(0, color="0.7", linewidth=0.8)
    norms.set(title="Gradient norms and residual (running mean)", yscale="log")
    columns = {
        "grad_norm_interior": "‖g$_I$‖",
        "grad_norm_boundary": "‖g$_B$‖",
        "residual": "residual",
    }
    _lines(norms, steps, columns, smooth=True)
    for panel in panels:
        panel.set_xlabel("step")
        panel.grid(alpha=0.25)
        if panel.get_legend_handles_labels()[0]:
            panel.legend(frameon=False)
        else:
            panel.text(0.5, 0.5, "nothing logged", transform=panel.transAxes, ha="center")
    with whole_file(path) as partial:
        figure.savefig(partial, dpi=110)


def _lines(
    panel: object,
    rows: Rows,
    columns: Mapping[str, str],
    smooth: bool = False,
    marker: str | None = None,
) -> None:
    for column, label in columns.items():
        points = [(float(r["step"]), float(r[column])) for r in rows if r.get(column)]
        if not points:
            continue
        x, y = np.array(points).T
        if smooth and len(y) > 20:
            width = max(5, len(y) // 40)
            y = np.convolve(
                np.pad(y, (width // 2, width - 1 - width // 2), mode="edge"),
                np.ones(width) / width,
                mode="valid",
            )
        panel.plot(x, y, label=label, marker=marker, linewidth=1.5)  # type: ignore[attr-defined]
