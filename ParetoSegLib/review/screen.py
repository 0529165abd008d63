"""A case's lesions on the screen: a count, and the table of as many as one cares to read."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ParetoSegLib.measure.lesions import LesionMap
from ParetoSegLib.review.table import counted, lesion_table

if TYPE_CHECKING:
    from rich.console import Console

ROWS = 40
"""More lesions than this are a count on the screen and rows in ``lesions.csv``."""


def show_lesions(
    lesions: LesionMap, console: Console, name: str, note: str = "", rows: int = ROWS
) -> None:
    """Print how many lesions a case has, and a table of the largest.

    Args:
        lesions: from ``find_lesions``.
        console: to print on.
        name: of the case.
        note: a few words after the count.
        rows: at most so many in the table.
    """
    words = ", ".join(part for part in (counted(lesions), note) if part)
    console.print(f"{name}: {words}", markup=False)
    if not lesions.found:
        return
    table = lesion_table(replace(lesions, lesions=lesions.found[:rows]))
    table.title = None
    console.print(table)
    more = len(lesions.found) - rows
    if more > 0:
        console.print(f"The other {more} are in lesions.csv.")
