"""What a run writes down at every step: CSV for people and plots, TensorBoard for watching."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

STEP_COLUMNS = (
    "step",
    "loss_interior",
    "loss_boundary",
    "w_interior",
    "w_boundary",
    "cosine",
    "grad_norm_interior",
    "grad_norm_boundary",
    "grad_norm",
    "residual",
    "relative_residual",
    "violation_rate",
    "theta",
    "u_boundary",
    "learning_rate",
    "seconds",
)


class RunLog:
    """Appends to ``<folder>/<name>.csv`` and, when it is installed, to TensorBoard.

    Rows later than ``resume_step`` are dropped first: a killed run may have written steps that
    its checkpoint does not know.
    """

    def __init__(self, folder: Path, name: str, columns: tuple[str, ...], resume_step: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{name}.csv"
        self._columns = columns
        self._name = name
        kept = [r for r in read_log(self._path) if int(float(r["step"])) <= resume_step]
        partial = self._path.with_suffix(".partial")
        with partial.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, columns, restval="", extrasaction="ignore")
            writer.writeheader()
            writer.writerows(kept)
        os.replace(partial, self._path)
        self._stream = self._path.open("a", newline="", encoding="utf-8")
        self._writer = csv.DictWriter(self._stream, columns, restval="")
        self._board = _board(folder / "tensorboard" / name, resume_step)

    def write(self, row: Mapping[str, Any]) -> None:
        """Add one row; values that are ``None`` stay empty."""
        self._writer.writerow({k: _text(row.get(k)) for k in self._columns})
        self._stream.flush()
        if self._board is not None:
            for key, value in row.items():
                if key != "step" and isinstance(value, (int, float)):
                    self._board.add_scalar(f"{self._name}/{key}", value, row["step"])

    def close(self) -> None:
        """Write what is left and let go of the files."""
        self._stream.close()
        if self._board is not None:
            self._board.close()


def read_log(path: Path) -> list[dict[str, str]]:
    """The rows of a log; the last line of a killed run, if it is cut short, is left out."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    return [r for r in rows if all(v is not None for v in r.values()) and _number(r["step"])]


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.8g}" if isinstance(value, float) else str(value)


def _board(folder: Path, resume_step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=resume_step + 1 if resume_step else None)
