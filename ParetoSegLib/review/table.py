"""Lesions in words: a table for the screen, and the phrases that pictures share with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ParetoSegLib.measure.lesions import Lesion, LesionMap

if TYPE_CHECKING:
    from rich.table import Table

NOTHING = "–"


def lesion_table(lesions: LesionMap, candidates: bool = False) -> Table:
    """The lesions of a case as a rich table, one row each.

    Args:
        lesions: from ``find_lesions``.
        candidates: whether candidates get rows too, after the lesions; else they are counted
            below the table.
    """
    from rich.table import Table

    table = Table(
        title=counted(lesions),
        caption=_caption(lesions, candidates),
        title_justify="left",
        caption_justify="left",
    )
    table.add_column("lesion", justify="right", no_wrap=True)
    table.add_column(f"{lesions.region.upper()} cc (interval)", justify="right", no_wrap=True)
    table.add_column("mm × mm", justify="right", no_wrap=True)
    table.add_column("RANO-BM", no_wrap=True)
    table.add_column("confidence", justify="right", no_wrap=True)
    # The one column that may wrap, so that the others stay whole on 80 columns.
    table.add_column("margin mm", justify="right", min_width=9)
    for lesion in lesions.lesions if candidates else lesions.found:
        first = lesion.kind == "candidate" and lesion.number == len(lesions.found) + 1
        if first and lesions.found:
            table.add_section()
        name = str(lesion.number) if lesion.kind == "lesion" else f"candidate {lesion.number}"
        table.add_row(
            name,
            volume_text(lesion),
            diameters_text(lesion),
            "yes" if lesion.measurable else "no",
            f"{lesion.confidence:.2f}",
            margin_text(lesion),
        )
    return table


def counted(lesions: LesionMap) -> str:
    """How many lesions and candidates there are, as a phrase."""
    found, maybe = len(lesions.found), len(lesions.candidates)
    words = {0: "No lesion found", 1: "1 lesion"}.get(found, f"{found} lesions")
    if maybe:
        words += f", {maybe} candidate{'s' if maybe > 1 else ''}"
    return words


def volume_text(lesion: Lesion) -> str:
    """Volume in cc with its interval, e.g. ``"1.23 (1.01–1.48)"``."""
    low, high = _cc(lesion.volume_low_cc), _cc(lesion.volume_high_cc)
    return f"{_cc(lesion.volume_cc)} ({low}–{high})"


def diameters_text(lesion: Lesion) -> str:
    """Longest axial diameter × the perpendicular one in mm, e.g. ``"14.2 × 9.8"``."""
    return f"{lesion.longest_diameter_mm:.1f} × {lesion.perpendicular_diameter_mm:.1f}"


def margin_text(lesion: Lesion) -> str:
    """The margin in mm; without a certain core says so, the one-sided margin in brackets."""
    if lesion.margin_mm is not None:
        return f"{lesion.margin_mm:.1f}"
    if lesion.certain_core or lesion.kind == "candidate":
        return NOTHING
    if lesion.one_sided_margin_mm is None:
        return "no certain core"
    return f"no certain core ({lesion.one_sided_margin_mm:.1f})"


def _cc(volume_cc: float) -> str:
    """Two decimals, and as many more as a lesion of a few voxels needs."""
    return f"{volume_cc:.2f}" if volume_cc >= 0.1 or volume_cc == 0 else f"{volume_cc:.3f}"


def _caption(lesions: LesionMap, candidates: bool) -> str:
    words = (
        "interval and margin: between the possible and the certain surface (in brackets: from the "
        "possible surface to the segmentation's); confidence: near the boundary, 1 is certain"
    )
    if lesions.candidates and not candidates:
        words += "; candidates peak below ½ and are not listed"
    return words
