"""Forty lesions, sorted with the mouse: what stands in a row is what a click on that row means."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import qt
from ParetoSegPanel.lesion_table import NUMBER, columns
from ParetoSegPanel.scenario_steps import read_table, rows_mean_what_they_say
from PySide6.QtTest import QTest

from ParetoSegLib.review.result import Result
from Testing.measure.memberships import Ball
from Testing.panel.models import write_model
from Testing.panel.painted_scene import MANY, FakeClient, add_images
from Testing.review.cases import painted

UNLIKE = tuple(
    Ball((4 + 6 * d, 4 + 6 * h, 4 + 5 * w), 1.5 + 0.5 * ((7 * n) % 40) / 40, 0.2 + 0.1 * (n % 4))
    for n, (d, h, w) in enumerate(np.ndindex(2, 4, 5))
)
"""Forty lesions side by side, no two of one size, of four softnesses."""


class Sorted:
    """The panel with forty lesions, the mouse over its table."""

    def __init__(self, harness, folder: Path, result: Result) -> None:
        self.harness = harness
        self.widget = widget = harness.load_widget()
        self.panel, self.ui = widget.panel, widget.ui
        widget.logic._client = client = FakeClient()
        self.panel.parameters.modelFolder = str(write_model(folder / "model"))
        add_images(native=MANY)
        self.settle()
        self.ui.segmentButton.click()
        assert harness.process_events(5, until=lambda: bool(client.pendings))
        client.answer(result)
        self.settle()
        assert len(self.panel.case.found) == 40
        self.view = self.ui.lesionTable
        self.view.setFixedSize(420, 300)
        self.settle()

    def settle(self) -> None:
        self.harness.process_events(0.03)

    def press_heading(self, column: int) -> None:
        header = self.view.horizontalHeader()
        left = header.sectionViewportPosition(column)
        middle = qt.QPoint(left + header.sectionSize(column) // 2, header.height // 2)
        QTest.mouseClick(header.viewport(), qt.Qt.LeftButton, pos=middle)
        self.settle()

    def press_row(self, row: int, tick: bool = False) -> None:
        """Click a row, on its volume or on its tick."""
        index = self.view.model().index(row, NUMBER if tick else NUMBER + 1)
        self.view.scrollTo(index)
        place = self.view.visualRect(index)
        at = place.center()
        if tick:
            option = qt.QStyleOptionViewItem()
            option.initFrom(self.view)
            option.rect = place
            option.features |= qt.QStyleOptionViewItem.HasCheckIndicator
            box = self.view.style().subElementRect(
                qt.QStyle.SE_ItemViewItemCheckIndicator, option, self.view
            )
            at = box.center()
        QTest.mouseClick(self.view.viewport(), qt.Qt.LeftButton, pos=at)
        self.settle()

    def press_tick(self, row: int) -> None:
        self.press_row(row, tick=True)

    def rows(self) -> list[list[str]]:
        return read_table(self.view)

    def wanted(self) -> list[list[str]]:
        return [[c.text(lesion) for c in columns()] for lesion in self.panel.table.shown]

    def number_in(self, row: int) -> int:
        """What the user reads."""
        return int(self.rows()[row][NUMBER])


@pytest.fixture(scope="module")
def forty() -> Result:
    return painted(UNLIKE, native=MANY)


@pytest.fixture
def table(scene, harness, tmp_path: Path, forty: Result) -> Iterator[Sorted]:
    yield Sorted(harness, tmp_path, forty)
    harness.drop_widget()


@pytest.mark.parametrize("column", range(len(columns())))
def test_each_heading_sorts_both_ways(table, column: int) -> None:
    key = columns()[column].key
    orders = []
    for _press in range(2):
        table.press_heading(column)
        assert table.rows() == table.wanted()
        orders.append([key(lesion) for lesion in table.panel.table.shown])
    assert sorted(orders) == sorted([sorted(orders[0]), sorted(orders[0], reverse=True)])
    assert orders[0] != orders[1]
    header = table.view.horizontalHeader()
    assert header.isSortIndicatorShown()
    assert header.sortIndicatorSection() == column


@pytest.mark.parametrize("column", range(len(columns())))
def test_a_click_with_the_mouse_means_the_lesion_that_is_read_there(table, column: int) -> None:
    rows_mean_what_they_say(table.widget, table, [column])


def test_the_steps_that_slicer_runs_do_the_same(table) -> None:
    rows_mean_what_they_say(table.widget)
    assert table.panel.case.record.get("current", None) == table.panel.table.selected.number


def test_headings_pressed_one_after_the_other_never_mix_rows_up(table) -> None:
    for column in (1, 0, 0, 4, 1, 1, 1, 3, 2, 0):
        table.press_heading(column)
        assert table.rows() == table.wanted(), column


def test_qt_is_never_left_to_sort_by_itself(table) -> None:
    assert not table.view.isSortingEnabled()
    table.view.horizontalHeader().setSortIndicator(1, qt.Qt.AscendingOrder)
    assert table.rows() == table.wanted()


def test_order_and_selected_lesion_are_saved(table, tmp_path: Path) -> None:
    table.press_heading(2)
    table.press_heading(2)
    table.press_row(5)
    listed, number = table.rows(), table.number_in(5)
    assert number != 6
    table.harness.save_scene(tmp_path / "study.mrb")
    table.harness.close_scene()
    table.press_heading(0)
    table.harness.load_scene(tmp_path / "study.mrb")
    table.harness.process_events(0.3)
    assert table.rows() == listed
    assert table.panel.table.selected.number == number
    # The next one is that of the row below.
    table.ui.nextButton.click()
    assert table.panel.table.selected.number == table.number_in(6)


def test_the_selection_of_a_result_comes_back_with_the_result(table) -> None:
    table.press_row(3)
    result = table.panel.parameters.result
    for node in (None, result):
        table.panel.parameters.result = node
        table.settle()
    assert table.panel.table.selected.number == table.number_in(3)


def test_an_order_of_another_version_is_that_of_the_numbers(table) -> None:
    table.panel.parameters.sortedBy = "colour"
    table.settle()
    assert [row[NUMBER] for row in table.rows()] == [str(n + 1) for n in range(40)]
