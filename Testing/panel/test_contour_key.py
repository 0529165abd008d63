"""The key names the three outlines, with the levels that they run at, while they are shown."""

from __future__ import annotations

import re

import pytest
import qt
import slicer
from ParetoSegPanel.contour_key import NO_BREAK, level_text
from ParetoSegPanel.contour_pair import ROLE, line_colour

from ParetoSegLib.review.colours import COLOURS, rgb
from Testing.panel.result_scene import loaded

LEVELS = {"et": (0.8, 0.2), "tc": (0.875, 0.125), "wt": (0.95, 0.05)}


class Reader:
    """Somebody who reads the panel."""

    def __init__(self, harness, case) -> None:
        self.harness = harness
        self.case = case
        self.widget = harness.load_widget()
        self.ui = self.widget.ui
        self.read(case)

    def settle(self) -> None:
        self.harness.process_events(0.03)

    def read(self, case) -> None:
        node = case.segmentation if case is not None else None
        self.widget.panel.parameters.result = node
        self.settle()

    def choose(self, selector, words: str) -> None:
        selector.setCurrentIndex(
            next(i for i in range(selector.count) if selector.itemText(i).startswith(words))
        )
        self.settle()

    @property
    def there(self) -> bool:
        assert self.ui.keyTitleLabel.isVisible() == self.ui.keyLabel.isVisible()
        return self.ui.keyLabel.isVisible()

    @property
    def words(self) -> list[str]:
        """What stands there, line by line, as Qt shows it; without the swatches."""
        document = qt.QTextDocument()
        document.setHtml(self.ui.keyLabel.text)
        shown = document.toPlainText().replace(NO_BREAK, " ")
        return [line.lstrip(" —") for line in shown.splitlines()]

    @property
    def colours(self) -> list[str]:
        """Of the swatches, in their order."""
        return re.findall(r"[ ;\"]color:(#[0-9a-f]{6})", self.ui.keyLabel.text)


@pytest.fixture
def reader(scene, harness):
    case, _ = loaded(levels=LEVELS)
    yield Reader(harness, case)
    harness.drop_widget()


def test_each_outline_is_named_with_its_level(reader):
    assert reader.there
    assert reader.words == [
        "possible (membership ≥ 0.125)",
        "segmentation (≥ 0.50)",
        "certain (≥ 0.875)",
    ]


def test_the_key_follows_the_region(reader):
    for region, words in (("et", "Enhancing"), ("wt", "Whole"), ("tc", "Tumour core")):
        reader.choose(reader.ui.regionSelector, words)
        certain, possible = (level_text(level) for level in LEVELS[region])
        assert f"possible (membership ≥ {possible})" in reader.words
        assert f"certain (≥ {certain})" in reader.words
        assert reader.colours[1] == COLOURS[region]


def test_the_key_follows_the_cut(reader):
    for alpha, words in ((0.31, "0.31"), (0.95, "0.95"), (0.5, "0.50")):
        reader.ui.alphaSlider.value = alpha
        reader.settle()
        assert f"segmentation (≥ {words})" in reader.words
        assert "certain (≥ 0.875)" in reader.words


def test_each_result_has_its_own_key(reader):
    other, _ = loaded(name="Other")
    reader.ui.alphaSlider.value = 0.3
    reader.settle()
    reader.read(other)
    assert reader.words == [
        "possible (membership ≥ 0.10)",
        "segmentation (≥ 0.50)",
        "certain (≥ 0.90)",
    ]
    reader.read(reader.case)
    assert "segmentation (≥ 0.30)" in reader.words


def test_the_swatches_have_the_colours_of_the_lines(reader):
    display = reader.case.record.helper(ROLE).GetSegmentation()
    own = reader.case.segmentation.GetSegmentation().GetSegment("TC")
    drawn = [display.GetSegment("possible"), own, display.GetSegment("certain")]
    for swatch, segment in zip(reader.colours, drawn, strict=True):
        assert rgb(swatch) == pytest.approx(segment.GetColor(), abs=0.5 / 255 + 1e-9)
    own.SetColor(0.0, 1.0, 0.0)  # as the user may
    reader.choose(reader.ui.viewSelector, "Off")
    reader.choose(reader.ui.viewSelector, "Contours")
    assert reader.colours[1] == "#00ff00"
    assert rgb(reader.colours[0]) == pytest.approx(line_colour("tc", "possible"), abs=0.003)


def test_there_is_no_key_where_there_are_no_outlines(reader):
    for words in ("Off", "Heat map", "3-D surface"):
        reader.choose(reader.ui.viewSelector, words)
        assert not reader.there
        reader.choose(reader.ui.viewSelector, "Contours")
        assert reader.there
    reader.read(None)
    assert not reader.there
    reader.read(reader.case)
    assert reader.there
    slicer.mrmlScene.RemoveNode(reader.case.segmentation)
    reader.settle()
    assert not reader.there


def test_a_closed_scene_has_no_key(reader):
    reader.harness.close_scene()
    reader.settle()
    assert not reader.there


def test_words_are_enough(reader):
    """Read aloud, there are no swatches."""
    assert reader.ui.keyLabel.accessibleName == ", ".join(reader.words)


@pytest.mark.parametrize(
    ("level", "text"), [(0.1, "0.10"), (0.5, "0.50"), (0.505, "0.505"), (0.875, "0.875")]
)
def test_levels_have_the_decimals_they_need(level, text):
    assert level_text(level) == text
