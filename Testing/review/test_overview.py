from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imread

from ParetoSegLib.core.errors import OutputError
from ParetoSegLib.core.geometry import Grid
from ParetoSegLib.data.case import Image
from ParetoSegLib.review import panels
from ParetoSegLib.review.colours import COLOURS
from ParetoSegLib.review.overview import draw_overview
from ParetoSegLib.review.panels import Window
from Testing.measure.memberships import Ball
from Testing.review.cases import CANDIDATE, NATIVE, ONE, THREE, painted

LARGE = Grid((80, 20, 90), (1.0, 5.0, 1.0), NATIVE.origin, NATIVE.direction)
MANY = tuple(
    Ball((3.0 + 8 * (n % 2), 8.0 + 9 * (n // 10), 6.0 + 8 * (n % 10)), 3.0) for n in range(40)
)


def drawn(path: Path) -> np.ndarray:
    return imread(path)[..., :3]


def near(picture: np.ndarray, colour: str) -> int:
    """How many pixels have about a colour, by its hexadecimal name."""
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return int((np.abs(picture - wanted).max(axis=2) < 0.08).sum())


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """Pictures of results with no, one, three and forty lesions."""
    results = {"none": painted(()), "one": painted(ONE), "three": painted(THREE)}
    results["forty"] = painted(MANY, native=LARGE)
    assert [len(r.lesions.found) for r in results.values()] == [0, 1, 3, 40]
    folder = tmp_path_factory.mktemp("gallery")
    for name, result in results.items():
        draw_overview(result, folder / f"{name}.png")
    return {name: drawn(folder / f"{name}.png") for name in results}


def test_every_region_is_drawn_in_its_colour(gallery) -> None:
    for colour in COLOURS.values():
        # The panels' captions have the region's colour too.
        assert near(gallery["three"], colour) > near(gallery["none"], colour) + 200


def test_a_row_a_lesion_up_to_four_and_the_busiest_slice(gallery) -> None:
    none, one, three, forty = (picture.shape[0] for picture in gallery.values())
    assert three - none == pytest.approx(3 * (one - none), abs=3)
    assert forty - none == pytest.approx(4 * (one - none), abs=3)


@pytest.mark.parametrize(
    ("assessable", "modalities"),
    [(("tc", "wt"), ("t1n",)), (("wt",), ("t2f",)), (("tc",), ("t1c",))],
)
def test_any_regions_and_sequences_will_do(assessable, modalities, tmp_path: Path) -> None:
    result = painted((*ONE, CANDIDATE), assessable, modalities)
    draw_overview(result, tmp_path / "overview.png")
    picture = drawn(tmp_path / "overview.png")
    for region, colour in COLOURS.items():
        assert (near(picture, colour) > 50) == (region in assessable)


def test_names_in_any_letters_and_with_dollars(tmp_path: Path) -> None:
    name = "Ärztin $x_1$ 患者 " + "lang" * 40
    draw_overview(painted(name=name), tmp_path / "Übersicht 1.png")
    assert (tmp_path / "Übersicht 1.png").stat().st_size > 10_000


def test_an_image_on_another_grid_is_brought_to_the_reference(tmp_path: Path) -> None:
    result = painted()
    flair = result.case.images["t2f"]
    coarse = Image(np.ascontiguousarray(flair.array[::2]), replace_spacing(flair.grid))
    images = {**result.case.images, "t2f": coarse}
    other = replace(
        result,
        case=replace(result.case, images=images),
        facts={**result.facts, "transforms": {"t2f": [0, 0, 0, 0, 0, 0]}},
    )
    draw_overview(result, tmp_path / "same.png")
    draw_overview(other, tmp_path / "other.png")
    same, moved = drawn(tmp_path / "same.png"), drawn(tmp_path / "other.png")
    assert same.shape == moved.shape
    assert np.abs(same - moved).mean() < 0.02


def replace_spacing(grid: Grid) -> Grid:
    depth, height, width = grid.shape
    spacing = (grid.spacing_mm[0] * 2, *grid.spacing_mm[1:])
    return Grid(((depth + 1) // 2, height, width), spacing, grid.origin, grid.direction)


def test_a_picture_is_whole_or_not_there(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file, not a folder")
    with pytest.raises(OutputError):
        draw_overview(painted(), tmp_path / "taken" / "overview.png")
    assert [p.name for p in tmp_path.iterdir()] == ["taken"]


def test_results_and_library_state_are_left_alone(tmp_path: Path) -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    result = painted()
    copies = {r: m.copy() for r, m in result.membership.items()}
    draw_overview(result, tmp_path / "overview.png")
    assert dict(matplotlib.rcParams) == before
    assert all(np.array_equal(copies[r], m) for r, m in result.membership.items())


# Panels


def panel() -> tuple[Figure, object]:
    figure = Figure(figsize=(2, 2), dpi=100)
    FigureCanvasAgg(figure)
    return figure, figure.add_axes((0, 0, 1, 1))


def pixels(figure: Figure) -> np.ndarray:
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3] / 255


def test_the_patients_right_is_on_the_left_and_front_is_up() -> None:
    # In LPS the first column is the patient's rightmost and the first row the foremost.
    image = np.zeros((1, 20, 20), np.float32)
    image[0, :8, :8] = 1
    figure, axes = panel()
    panels.show_image(axes, image, Window(0, slice(0, 20), slice(0, 20), (1.0, 1.0)), (0.0, 1.0))
    picture = pixels(figure)
    assert picture[40, 40].min() > 0.9
    assert picture[40, 150].max() < 0.1
    assert picture[130, 40].max() < 0.1


def test_a_contour_lies_on_its_level() -> None:
    columns = np.arange(40)
    membership = np.repeat(np.clip((columns - 5) / 30, 0, 1)[None, None], 40, axis=1)
    membership = membership.astype(np.float32)
    window = Window(0, slice(0, 40), slice(0, 40), (1.0, 1.0))
    figure, axes = panel()
    panels.show_image(axes, np.zeros_like(membership), window, (0.0, 1.0))
    panels.show_contours(axes, membership, window, "#ff0000", (0.9, 0.1))
    found = pixels(figure)[:90, :, 0].max(axis=0) > 0.5  # above the letters and the scale bar
    middles = [round((5 + 30 * a + 0.5) * 200 / 40) for a in (0.1, 0.5, 0.9)]
    for middle in middles:
        assert found[middle - 1 : middle + 2].any()
    between = np.ones(200, bool)
    for middle in middles:
        between[middle - 3 : middle + 4] = False
    assert not found[between].any()


@pytest.mark.parametrize("value", [0.0, 0.3, 0.5, 1.0])
def test_the_scale_of_confidence_is_fixed(value: float) -> None:
    window = Window(0, slice(0, 5), slice(0, 5), (1.0, 1.0))
    _, axes = panel()
    scale = panels.show_confidence(axes, np.full((1, 5, 5), value, np.float32), window)
    assert (scale.norm.vmin, scale.norm.vmax) == (0.0, 1.0)


def test_a_window_stays_inside_the_image() -> None:
    window = Window.around(3, (0.0, 18.0), 10.0, (5, 20, 20), (5.0, 1.0, 2.0))
    assert window.rows == slice(0, 11)
    assert window.columns == slice(13, 20)
    assert window.of(np.zeros((5, 20, 20))).shape == (11, 7)
