"""What of a case's lesions is printed."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

from ParetoSegLib.core.geometry import Grid
from ParetoSegLib.measure.lesions import find_lesions
from ParetoSegLib.review.screen import ROWS, show_lesions


def _printed(count: int) -> str:
    """The screen for ``count`` lesions of two voxels each."""
    membership = np.zeros((3, 4 * count + 3, 3), np.float32)
    for number in range(count):
        membership[1, 4 * number + 1 : 4 * number + 3, 1] = 1.0
    grid = Grid(membership.shape, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    console = Console(file=io.StringIO(), width=100)
    lesions = find_lesions({"tc": membership, "wt": membership}, grid, ("tc", "wt"))
    show_lesions(lesions, console, "[P-1]", "2.0 s")
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_no_lesion_is_one_line() -> None:
    assert _printed(0) == "[P-1]: No lesion found, 2.0 s\n"


@pytest.mark.parametrize("count", [1, ROWS, ROWS + 3])
def test_every_lesion_is_a_row_up_to_a_limit(count: int) -> None:
    printed = _printed(count)
    assert printed.startswith(f"[P-1]: {count} lesion")
    assert printed.count("1.0 × 0") + printed.count("2.0 × ") == min(count, ROWS)
    assert ("lesions.csv" in printed) == (count > ROWS)
