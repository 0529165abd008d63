"""One picture of a result for a reader: the largest lesions, the busiest slice, how certain."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ParetoSegLib.core.geometry import bounding_box, components
from ParetoSegLib.core.outputs import whole_file
from ParetoSegLib.core.project import DISCLAIMER
from ParetoSegLib.data.registration import rigid_transform
from ParetoSegLib.data.resampling import resample
from ParetoSegLib.measure.confidence import alpha_cut
from ParetoSegLib.measure.lesions import Lesion, cut_lesions
from ParetoSegLib.measure.territories import REACH
from ParetoSegLib.review import panels
from ParetoSegLib.review.colours import COLOURS
from ParetoSegLib.review.panels import Window
from ParetoSegLib.review.result import Result
from ParetoSegLib.review.table import counted, diameters_text, volume_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_LESIONS = 4
"""Rows for single lesions; the busiest slice follows."""

MOST_NUMBERS = 12
"""Lesions that are named above the busiest slice."""

PANEL, GAP, HEAD, TITLE, FOOT, EDGE, BAR = 2.6, 0.07, 0.74, 0.74, 1.0, 0.2, 0.8
"""Inches: a panel, between panels, a row's two lines, the title, legend, edges, colour bar."""

DOTS_PER_INCH = 110

PNG_LEVEL = 3
"""Pillow's own, 6, takes twice the time."""

SEQUENCES = {"t1n": "T1", "t1c": "T1c", "t2w": "T2", "t2f": "FLAIR"}


@dataclass(frozen=True)
class _Row:
    """One row: what is said above it, where it looks, and the window of the WT panel."""

    title: str
    details: str
    window: Window
    wide: Window
    whole: Window
    lesion: bool


def draw_overview(result: Result, path: Path) -> None:
    """Draw the overview as PNG.

    A row each for up to four largest lesions and one for the slice with most lesions: the image
    alone, each assessable region's ½ contour between its certain and possible contour, and the
    boundary confidence on a scale fixed from 0 to 1. Axial slices, patient's right on the left.

    Args:
        result: with or without lesions.
        path: of the picture.

    Raises:
        OutputError: the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = {
        m: _on_reference(result, m)
        for m in ("t2f", result.case.reference)
        if m in result.case.images
    }
    rows = _rows(result)
    columns = 2 + len(result.regions)
    width = 2 * EDGE + columns * (PANEL + GAP) + BAR
    height = TITLE + FOOT + len(rows) * (PANEL + HEAD)
    figure = Figure(figsize=(width, height), facecolor=panels.BACKGROUND)
    FigureCanvasAgg(figure)
    _title(figure, result)
    for number, row in enumerate(rows):
        _draw_row(figure, result, shown, row, TITLE + number * (PANEL + HEAD))
    _legend(figure, result)
    with warnings.catch_warnings():
        # A case's name may be in letters that the font lacks: they show as boxes.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        with whole_file(path) as partial:
            figure.savefig(
                partial,
                dpi=DOTS_PER_INCH,
                format="png",
                facecolor=panels.BACKGROUND,
                pil_kwargs={"compress_level": PNG_LEVEL},
            )


def _rows(result: Result) -> list[_Row]:
    whole = _whole_window(result)
    rows = [_lesion_row(result, lesion, whole) for lesion in result.lesions.found[:MOST_LESIONS]]
    busiest = _busiest_slice(result)
    window = Window(busiest, whole[0], whole[1], result.case.grid.spacing_mm[1:])
    here = [
        str(lesion.number)
        for lesion in result.lesions.found
        if (_slice_of(result, lesion, busiest)).any()
    ]
    title = f"Slice {busiest + 1} of {result.case.grid.shape[0]}"
    if not result.lesions.found:
        details = f"{result.lesions.region.upper()} reaches membership ½ nowhere"
    elif len(here) == 1:
        details = f"the slice with most lesion area: lesion {here[0]}"
    else:
        more = f" and {len(here) - MOST_NUMBERS} more" if len(here) > MOST_NUMBERS else ""
        details = f"the slice with most lesions: {', '.join(here[:MOST_NUMBERS])}{more}"
    return [*rows, _Row(title, details, window, window, window, lesion=False)]


def _lesion_row(result: Result, lesion: Lesion, whole: tuple[slice, slice]) -> _Row:
    grid = result.case.grid
    field = result.membership[lesion.region]
    own = result.lesions.territories[lesion.box] == lesion.number
    cut = own & alpha_cut(field[lesion.box])
    depth = int(cut.sum(axis=(1, 2)).argmax())
    axial = depth + lesion.box[0].start
    offset = [s.start for s in lesion.box]
    pixels = np.argwhere(cut[depth]) + offset[1:]
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    middle = (float(low[0] + high[0]) / 2, float(low[1] + high[1]) / 2)
    reach = float(((high - low + 1) * np.asarray(grid.spacing_mm[1:])).max()) / 2
    half = max(18.0, reach + 10.0)
    window = Window.around(axial, middle, half, grid.shape, grid.spacing_mm)
    wide = window
    if "wt" in result.regions and lesion.region != "wt":
        wide = _wide_window(result, axial, pixels, middle, half)
    numbers = [f"{lesion.region.upper()} {volume_text(lesion)} cc"]
    numbers += [
        f"{r.upper()} {volume:.2f} cc"
        for r in result.regions
        if r != lesion.region and (volume := lesion.volumes_cc[r]) is not None
    ]
    details = [
        f"{diameters_text(lesion)} mm" + (" (RANO-BM measurable)" if lesion.measurable else ""),
        _margin_words(lesion),
        f"boundary confidence {lesion.confidence:.2f}",
        f"slice {axial + 1} of {grid.shape[0]}",
    ]
    return _Row(
        f"Lesion {lesion.number}   ·   " + "   ·   ".join(numbers),
        "   ·   ".join(details),
        window,
        wide,
        Window(axial, whole[0], whole[1], (grid.spacing_mm[1], grid.spacing_mm[2])),
        lesion=True,
    )


def _margin_words(lesion: Lesion) -> str:
    if lesion.margin_mm is not None:
        return f"margin {lesion.margin_mm:.1f} mm"
    words = "margin not in view" if lesion.certain_core else "no certain core"
    if lesion.one_sided_margin_mm is not None:
        words += f", possible surface {lesion.one_sided_margin_mm:.1f} mm outside"
    return words


def _wide_window(
    result: Result, axial: int, pixels: np.ndarray, middle: tuple[float, float], half: float
) -> Window:
    """A window that also holds the lesion's edema in this slice, if it stays readable."""
    grid = result.case.grid
    labelled, _ = components(alpha_cut(result.membership["wt"][axial])[None])
    numbers = np.unique(labelled[0][tuple(pixels.T)])
    edema = np.argwhere(np.isin(labelled[0], numbers[numbers > 0]))
    if edema.size:
        away = np.abs(edema - np.asarray(middle)) * np.asarray(grid.spacing_mm[1:])
        half = min(max(half, float(away.max()) + 8.0), 60.0)
    return Window.around(axial, middle, half, grid.shape, grid.spacing_mm)


def _draw_row(
    figure: Figure, result: Result, shown: Mapping[str, np.ndarray], row: _Row, top: float
) -> None:
    """Draw one row whose upper edge is ``top`` inches below the figure's."""
    width, height = figure.get_size_inches()

    def place(column: int) -> Axes:
        left = EDGE + column * (PANEL + GAP)
        bottom = height - top - HEAD - PANEL
        box = (left / width, bottom / height, PANEL / width, PANEL / height)
        return figure.add_axes(box)

    def write(line: float, text: str, **style: Any) -> None:
        y = 1 - (top + line) / height
        figure.text(EDGE / width, y, text, va="center", parse_math=False, **style)

    write(0.26, row.title, color=panels.TEXT, fontsize=11, weight="bold")
    write(0.52, row.details, color=panels.QUIET, fontsize=9.5)

    reference = result.case.reference
    thickness = 1.0 if row.lesion else 0.6
    core = shown[reference]
    axes = place(0)
    panels.show_image(axes, core, row.whole, _greys(core))
    if row.lesion:
        panels.show_frame(axes, row.window)
    _label(axes, SEQUENCES[reference])
    for column, region in enumerate(result.regions, start=1):
        modality = "t2f" if region == "wt" and "t2f" in shown else reference
        window = row.wide if region == "wt" else row.window
        image = shown[modality]
        axes = place(column)
        panels.show_image(axes, image, window, _greys(image))
        colour = COLOURS[region]
        levels = result.levels_of(region)
        panels.show_contours(axes, result.membership[region], window, colour, levels, thickness)
        _label(axes, f"{region.upper()} on {SEQUENCES[modality]}", colour)
    region = result.lesions.region
    column = 1 + len(result.regions)
    axes = place(column)
    panels.show_image(axes, core, row.window, _greys(core))
    scale = panels.show_confidence(axes, result.membership[region], row.window, thickness)
    _label(axes, f"{region.upper()} boundary confidence")
    _colour_bar(figure, axes, scale)


def _on_reference(result: Result, modality: str) -> np.ndarray:
    """An image on the reference grid, moved as preprocessing aligned it."""
    image = result.case.images[modality]
    if image.grid == result.case.grid:
        return image.array
    found = result.facts.get("transforms")
    moved = found.get(modality) if isinstance(found, Mapping) else None
    transform = None if moved is None else rigid_transform(tuple(moved))
    outside = float(image.array.min())
    return resample(image.array, image.grid, result.case.grid, transform, outside=outside)


def _greys(image: np.ndarray) -> tuple[float, float]:
    """Black and white of the display: percentiles of what is not air."""
    coarse = image[::2, ::3, ::3]
    tissue = coarse[coarse > coarse.min()]
    if tissue.size == 0:
        return float(coarse.min()), float(coarse.min()) + 1.0
    low, high = np.percentile(tissue, (0.5, 99.7))
    return float(low), float(max(high, low + 1e-6))


def _label(axes: Axes, text: str, colour: str = panels.TEXT) -> None:
    axes.text(
        0.03,
        0.965,
        text,
        color=colour,
        fontsize=9,
        va="top",
        transform=axes.transAxes,
        bbox={"facecolor": "black", "alpha": 0.55, "edgecolor": "none", "pad": 2},
    )


def _colour_bar(figure: Figure, beside: Axes, scale: object) -> None:
    box = beside.get_position()
    width = figure.get_size_inches()[0]
    bar = figure.add_axes(
        (box.x1 + 0.1 / width, box.y0 + 0.04 * box.height, 0.12 / width, 0.92 * box.height)
    )
    figure.colorbar(scale, cax=bar, ticks=[0, 0.5, 1])  # type: ignore[arg-type]
    bar.set_yticklabels(["0", "0.5", "1"])
    bar.tick_params(colors=panels.TEXT, labelsize=8, length=2)
    bar.set_ylabel("uncertain → certain", color=panels.QUIET, fontsize=8, labelpad=3)


def _title(figure: Figure, result: Result) -> None:
    width, height = figure.get_size_inches()
    left = EDGE / width
    figure.text(
        left,
        1 - 0.27 / height,
        _shortened(result.case.name),
        color=panels.TEXT,
        fontsize=15,
        weight="bold",
        va="center",
        parse_math=False,
    )
    present = ", ".join(SEQUENCES[m] for m in SEQUENCES if m in result.case.images)
    words = [counted(result.lesions), f"from {present}", f"model {result.model_name}"]
    missing = [r.upper() for r in COLOURS if r not in result.regions]
    if missing:
        words.append(f"{' and '.join(missing)} not assessable")
    figure.text(
        left,
        1 - 0.58 / height,
        "   ·   ".join(words),
        color=panels.QUIET,
        fontsize=10.5,
        va="center",
        parse_math=False,
    )


def _shortened(name: str, most: int = 60) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"


def _legend(figure: Figure, result: Result) -> None:
    """What the lines mean, with the levels, and the disclaimer."""
    from matplotlib.lines import Line2D

    width, height = figure.get_size_inches()
    names = {
        "certain": f"certain surface ({_levels_text(result, 0)})",
        "half": "segmentation (membership 0.5)",
        "possible": f"possible surface ({_levels_text(result, 1)})",
    }
    handles = [
        Line2D([], [], color=panels.TEXT, ls=panels.LINES[k][0], lw=panels.LINES[k][1], label=v)
        for k, v in names.items()
    ]
    handles.append(
        Line2D([], [], color=panels.TEXT, lw=2.5, label=f"scale bar {panels.SCALE_BAR_MM:.0f} mm")
    )
    figure.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(EDGE / width, 0.34 / height),
        ncol=len(handles) if width > 12.5 else 2,
        frameon=False,
        labelcolor=panels.TEXT,
        fontsize=9,
        handlelength=2.8,
        borderpad=0,
    )
    figure.text(
        EDGE / width,
        0.2 / height,
        f"{DISCLAIMER} Axial slices, patient's right on the left.",
        color=panels.QUIET,
        fontsize=9,
        va="center",
    )


def _levels_text(result: Result, which: int) -> str:
    """The membership of the certain (0) or possible (1) surface; by region where they differ."""
    levels = {r: f"{result.levels_of(r)[which]:.2g}" for r in result.regions}
    if len(set(levels.values())) == 1:
        return f"membership {levels[result.regions[0]]}"
    return "membership " + ", ".join(f"{r.upper()} {level}" for r, level in levels.items())


def _slice_of(result: Result, lesion: Lesion, axial: int) -> np.ndarray:
    """The pixels of a lesion's ½-cut in one slice, within the lesion's box."""
    d, h, w = lesion.box
    if not d.start <= axial < d.stop:
        return np.zeros((0, 0), bool)
    own = result.lesions.territories[axial, h, w] == lesion.number
    return own & alpha_cut(result.membership[lesion.region][axial, h, w])


def _busiest_slice(result: Result) -> int:
    """The axial slice with most lesions, then most lesion; without any, with most membership."""
    region = result.lesions.region
    field = result.membership[region]
    if result.lesions.found:
        cut = cut_lesions(field, result.lesions)
        lesions = np.zeros(cut.shape[0], np.int64)
        for lesion in result.lesions.found:
            depth = lesion.box[0]
            lesions[depth] += (cut[lesion.box] == lesion.number).any(axis=(1, 2))
        area = np.count_nonzero(cut, axis=(1, 2))
        return int((lesions * (area.max() + 1) + area).argmax())
    haze = np.where(alpha_cut(field, REACH), field, 0).sum(axis=(1, 2))
    if haze.any():
        return int(haze.argmax())
    image = result.case.images[result.case.reference].array
    return int(np.count_nonzero(image > _greys(image)[0], axis=(1, 2)).argmax())


def _whole_window(result: Result) -> tuple[slice, slice]:
    """Rows and columns around the head, the same in every row."""
    image = result.case.images[result.case.reference].array
    low, high = _greys(image)
    box = bounding_box(image > low + 0.05 * (high - low))
    if box is None:
        return slice(0, image.shape[1]), slice(0, image.shape[2])
    return box[1], box[2]
