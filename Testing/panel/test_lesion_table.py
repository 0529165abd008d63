from __future__ import annotations

from types import SimpleNamespace

import pytest
import qt
from hypothesis import given
from hypothesis import strategies as st
from ParetoSegPanel.lesion_table import (
    CONFIDENCE,
    DIAMETER,
    MARGIN,
    NUMBER,
    VOLUME,
    LesionTable,
    columns,
    sorted_lesions,
)

from ParetoSegLib.measure.lesions import Lesion
from Testing.review.cases import CANDIDATE, THREE, painted

LESIONS = painted((*THREE, CANDIDATE)).lesions.lesions


def _lesion(number: int, kind: str, volume: float, margin: float | None) -> Lesion:
    box = (slice(0, 1),) * 3
    return Lesion(
        number, kind, "tc", (0.0, 0.0, 0.0), box, 0.9, {"tc": volume}, volume / 2, volume * 2,
        volume, volume / 2, False, 0.5, margin, margin is not None, None,
    )  # fmt: skip


lists = st.lists(
    st.tuples(
        st.sampled_from(["lesion", "candidate"]),
        st.floats(0.001, 100.0),
        st.none() | st.floats(0.0, 20.0),
    ),
    max_size=12,
).map(lambda rows: [_lesion(n + 1, *row) for n, row in enumerate(rows)])


@given(lists, st.integers(NUMBER, MARGIN), st.booleans())
def test_candidates_stay_apart_and_everything_is_in_order(lesions, column, falling) -> None:
    key = columns()[column].key
    rows = sorted_lesions(lesions, key, falling, candidates=True)
    assert sorted(lesion.number for lesion in rows) == [lesion.number for lesion in lesions]
    kinds = [lesion.kind for lesion in rows]
    assert kinds == sorted(kinds, reverse=True)  # "lesion" before "candidate"
    for kind in ("lesion", "candidate"):
        values = [key(lesion) for lesion in rows if lesion.kind == kind]
        known = [v for v in values if v is not None]
        assert values == known + [None] * (len(values) - len(known))
        assert known == sorted(known, reverse=falling)


@given(lists)
def test_candidates_are_left_out_unless_asked_for(lesions) -> None:
    rows = sorted_lesions(lesions, columns()[NUMBER].key, False, candidates=False)
    assert [lesion for lesion in lesions if lesion.kind == "lesion"] == rows


class Table:
    """A table on real Qt widgets, and what it reports."""

    def __init__(self) -> None:
        self.ui = SimpleNamespace(
            lesionTable=qt.QTableView(),
            previousButton=qt.QPushButton(),
            nextButton=qt.QPushButton(),
        )
        self.chosen: list[int] = []
        self.ticked: list[tuple[int, bool]] = []
        self.table = LesionTable(
            self.ui,
            lambda lesion: self.chosen.append(lesion.number),
            lambda lesion, on: self.ticked.append((lesion.number, on)),
        )
        self.model = self.ui.lesionTable.model()

    def cells(self, column: int) -> list[str]:
        rows = range(self.model.rowCount())
        return [str(self.model.data(self.model.index(row, column))) for row in rows]

    def click(self, row: int) -> None:
        self.ui.lesionTable.selectRow(row)
        self.ui.lesionTable.clicked.emit(self.model.index(row, 0))

    def heading(self, column: int) -> None:
        self.ui.lesionTable.horizontalHeader().sectionClicked.emit(column)


@pytest.fixture
def shown(app) -> Table:
    table = Table()
    table.table.show(LESIONS, candidates=False)
    return table


def test_a_row_for_each_lesion(shown: Table) -> None:
    assert shown.cells(NUMBER) == ["1", "2", "3"]
    assert all("(" in cell and "–" in cell for cell in shown.cells(VOLUME))
    assert [float(cell) for cell in shown.cells(DIAMETER)]
    assert all(0 <= float(cell) <= 1 for cell in shown.cells(CONFIDENCE))


def test_candidates_are_marked_and_below(shown: Table) -> None:
    shown.table.show(LESIONS, candidates=True, hidden={4})
    assert shown.cells(NUMBER) == ["1", "2", "3", "4 ?"]
    shown.table.sort(VOLUME, falling=False)
    assert shown.cells(NUMBER)[-1] == "4 ?"


def test_numbers_sort_as_numbers(shown: Table) -> None:
    shown.heading(DIAMETER)
    values = [float(cell) for cell in shown.cells(DIAMETER)]
    assert values == sorted(values, reverse=True)
    shown.heading(DIAMETER)
    assert [float(cell) for cell in shown.cells(DIAMETER)] == values[::-1]


def test_a_click_looks_at_the_lesion_of_that_row(shown: Table) -> None:
    shown.heading(NUMBER)
    shown.heading(NUMBER)
    row = shown.cells(NUMBER).index("1")
    shown.click(row)
    assert shown.chosen == [1]


def test_next_and_previous_go_round(shown: Table) -> None:
    for _step in range(4):
        shown.ui.nextButton.click()
    assert shown.chosen == [1, 2, 3, 1]
    shown.ui.previousButton.click()
    shown.ui.previousButton.click()
    assert shown.chosen[-2:] == [3, 2]


def test_previous_begins_at_the_end(shown: Table) -> None:
    shown.table.previous()
    assert shown.chosen == [3]


def test_sorting_keeps_the_selection(shown: Table) -> None:
    shown.click(0)
    assert shown.table.selected.number == 1
    shown.heading(CONFIDENCE)
    assert shown.table.selected.number == 1


def test_a_tick_is_reported_once_and_filling_reports_nothing(shown: Table) -> None:
    shown.table.show(LESIONS, candidates=True, hidden={4})
    assert shown.ticked == []
    shown.model.item(1, NUMBER).setCheckState(qt.Qt.Unchecked)
    shown.model.item(3, NUMBER).setCheckState(qt.Qt.Checked)
    assert shown.ticked == [(2, False), (4, True)]


def test_ticks_say_what_is_part_of_the_segmentation(shown: Table) -> None:
    shown.table.show(LESIONS, candidates=True, hidden={2, 4})
    states = [shown.model.item(row, NUMBER).checkState() == qt.Qt.Checked for row in range(4)]
    assert states == [True, False, True, False]


def test_no_lesion_is_an_empty_table(shown: Table) -> None:
    shown.table.show((), candidates=True)
    assert shown.model.rowCount() == 0
    assert not shown.ui.nextButton.enabled
    shown.table.next()
    assert shown.chosen == []
