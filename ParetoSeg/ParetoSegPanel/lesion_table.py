"""The lesions as a table: sorted by any column, candidates apart, ticked where they count."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import qt
from slicer.i18n import tr as _

from ParetoSegLib.measure.lesions import Lesion
from ParetoSegLib.review.table import NOTHING, margin_text, volume_text

CANDIDATE_MARK = "{number} ?"
"""How a candidate's number is shown: short, since the column is narrow."""

NUMBER, VOLUME, DIAMETER, CONFIDENCE, MARGIN = range(5)

ORDERS = ("number", "volume", "diameter", "confidence", "margin")
"""What the columns are called in a saved scene, in the order of ``NUMBER`` … ``MARGIN``."""


def _nobody(*_arguments: object) -> None:
    return None


@dataclass(frozen=True)
class Column:
    """Args:
    title: the heading.
    help: its tool tip.
    text: what a cell shows.
    key: what a column is sorted by; ``None`` sorts last.
    falls: whether the first click on the heading sorts from large to small.
    """

    title: str
    help: str
    text: Callable[[Lesion], str]
    key: Callable[[Lesion], float | None]
    falls: bool = True


def columns() -> list[Column]:
    """The columns in the order of ``NUMBER`` … ``MARGIN``."""
    return [
        Column(
            _("No."),
            _("1 is the largest; candidates (?) follow. Ticked: part of the segmentation."),
            lambda lesion: str(lesion.number),
            lambda lesion: lesion.number,
            falls=False,
        ),
        Column(
            _("Volume cc"),
            _("Volume at 0.50 and, in brackets, of the certain and of the possible part."),
            volume_text,
            lambda lesion: lesion.volume_cc or lesion.volume_high_cc,
        ),
        Column(
            _("Longest mm"),
            _("Longest axial diameter."),
            lambda lesion: f"{lesion.longest_diameter_mm:.1f}",
            lambda lesion: lesion.longest_diameter_mm,
        ),
        Column(
            _("Confidence"),
            _("Of the boundary, within 2 mm of it: 1 is certain, 0 is undecided."),
            lambda lesion: f"{lesion.confidence:.2f}",
            lambda lesion: lesion.confidence,
            falls=False,
        ),
        Column(
            _("Margin mm"),
            _("Mean distance between the possible and the certain surface."),
            _short_margin,
            lambda lesion: (
                lesion.margin_mm if lesion.margin_mm is not None else lesion.one_sided_margin_mm
            ),
        ),
    ]


def sorted_lesions(
    lesions: Sequence[Lesion],
    key: Callable[[Lesion], float | None],
    falling: bool,
    candidates: bool,
) -> list[Lesion]:
    """Lesions in the wished order, those without a value last, candidates (if wished) below all."""

    def place(lesion: Lesion) -> tuple[bool, bool, float, int]:
        value = key(lesion)
        signed = 0.0 if value is None else (-value if falling else value)
        return lesion.kind != "lesion", value is None, signed, lesion.number

    shown = [lesion for lesion in lesions if candidates or lesion.kind == "lesion"]
    return sorted(shown, key=place)


class LesionTable:
    """The table with its next and previous.

    Args:
        ui: the widgets of the panel.
        chosen: called with the lesion to look at.
        ticked: called with a lesion and whether it shall be part of the segmentation.
        ordered: called with one of ``ORDERS``, and whether from large to small, when the user
            presses a heading.
    """

    def __init__(
        self,
        ui: Any,
        chosen: Callable[[Lesion], None],
        ticked: Callable[[Lesion, bool], None],
        ordered: Callable[[str, bool], None] = _nobody,
    ) -> None:
        self._table = ui.lesionTable
        self._buttons = (ui.previousButton, ui.nextButton)
        self._chosen = chosen
        self._ticked = ticked
        self._ordered = ordered
        self._filling = False
        self._columns = columns()
        self._lesions: Sequence[Lesion] = ()
        self._candidates = False
        self._hidden: frozenset[int] = frozenset()
        self._sorted_by, self._falling = NUMBER, False
        self._shown: list[Lesion] = []
        self._model = qt.QStandardItemModel(0, len(self._columns), self._table)
        for index, column in enumerate(self._columns):
            self._model.setHeaderData(index, qt.Qt.Horizontal, column.title)
            self._model.setHeaderData(index, qt.Qt.Horizontal, column.help, qt.Qt.ToolTipRole)
        self._table.setModel(self._model)
        # Qt must never sort by itself: it would sort the cells as text, behind the back of _shown,
        # and a click on a row would mean another lesion than the one that is read there.
        self._table.setSortingEnabled(False)
        header = self._table.horizontalHeader()
        header.setSectionsClickable(True)
        header.setHighlightSections(False)
        header.setSortIndicatorShown(True)
        header.setStretchLastSection(True)
        header.connect("sectionClicked(int)", self.press_heading)
        self._table.verticalHeader().hide()
        self._table.connect("clicked(QModelIndex)", self._on_click)
        self._table.connect("activated(QModelIndex)", self._on_click)
        self._model.connect("itemChanged(QStandardItem*)", self._on_item)
        self._buttons[0].connect("clicked()", self.previous)
        self._buttons[1].connect("clicked()", self.next)
        self._fill()

    @property
    def shown(self) -> list[Lesion]:
        """The lesions in the order of the rows."""
        return list(self._shown)

    @property
    def selected(self) -> Lesion | None:
        """The lesion whose row is selected."""
        row = self._row()
        return self._shown[row] if 0 <= row < len(self._shown) else None

    def show(
        self, lesions: Sequence[Lesion], candidates: bool, hidden: Collection[int] = ()
    ) -> None:
        """Show these lesions; the selection stays with a lesion that is still listed.

        Args:
            lesions: lesions, then candidates.
            candidates: whether to list candidates.
            hidden: numbers of those that are not part of the segmentation.
        """
        same = lesions is self._lesions and candidates == self._candidates
        if same and frozenset(hidden) == self._hidden:
            return
        self._hidden = frozenset(hidden)
        if lesions is not self._lesions:
            self._table.clearSelection()
            self._table.setCurrentIndex(qt.QModelIndex())
        self._lesions, self._candidates = lesions, candidates
        self._fill()

    def next(self) -> None:
        """Go to the lesion in the next row; after the last comes the first."""
        self._step(1)

    def previous(self) -> None:
        """Go to the lesion in the previous row; before the first comes the last."""
        self._step(-1)

    def sort(self, column: int, falling: bool) -> None:
        """Sort by a column."""
        if (column, falling) != (self._sorted_by, self._falling):
            self._sorted_by, self._falling = column, falling
            self._fill()

    def sort_by(self, order: str, falling: bool) -> None:
        """Sort by one of ``ORDERS``; by number where a scene names an order that is unknown."""
        self.sort(ORDERS.index(order) if order in ORDERS else NUMBER, falling)

    def press_heading(self, column: int) -> None:
        """Do what a click on a heading does: sort by it, or the other way round if it was."""
        again = column == self._sorted_by
        self.sort(column, not self._falling if again else self._columns[column].falls)
        self._ordered(ORDERS[column], self._falling)

    def press_row(self, row: int) -> None:
        """Do what a click on a row does: select it, and go to its lesion."""
        self._select(row)
        self._chosen(self._shown[row])

    def press_tick(self, row: int) -> None:
        """Do what a click on the box in a row does: change whether the lesion is part."""
        item = self._model.item(row, NUMBER)
        on = item.checkState() == qt.Qt.Checked
        item.setCheckState(qt.Qt.Unchecked if on else qt.Qt.Checked)

    def cells_of(self, lesion: Lesion) -> list[str]:
        """What the row of a lesion shows."""
        return [self._cell(lesion, number, c) for number, c in enumerate(self._columns)]

    def select(self, number: int | None) -> None:
        """Select the row of a lesion, if it is listed, without going there."""
        for row, lesion in enumerate(self._shown):
            if lesion.number == number:
                self._select(row)

    def _step(self, by: int) -> None:
        if not self._shown:
            return
        row = self._row()
        if row < 0:
            row = -1 if by > 0 else 0
        self.press_row((row + by) % len(self._shown))

    def _on_click(self, index: Any) -> None:
        if 0 <= index.row() < len(self._shown):
            self._chosen(self._shown[index.row()])

    def _on_item(self, item: Any) -> None:
        if self._filling or item.column() != NUMBER or item.row() >= len(self._shown):
            return
        self._ticked(self._shown[item.row()], item.checkState() == qt.Qt.Checked)

    def _fill(self) -> None:
        self._filling = True
        try:
            self._write()
        finally:
            self._filling = False

    def _write(self) -> None:
        selected = self.selected
        self._shown = sorted_lesions(
            self._lesions, self._columns[self._sorted_by].key, self._falling, self._candidates
        )
        self._model.setRowCount(len(self._shown))
        for row, lesion in enumerate(self._shown):
            for number, text in enumerate(self.cells_of(lesion)):
                index = self._model.index(row, number)
                self._model.setData(index, text, qt.Qt.DisplayRole)
                self._model.setData(
                    index, qt.Qt.AlignRight | qt.Qt.AlignVCenter, qt.Qt.TextAlignmentRole
                )
                self._model.setData(index, _words(lesion), qt.Qt.ToolTipRole)
            tick = self._model.item(row, NUMBER)
            tick.setCheckable(True)
            on = lesion.number not in self._hidden
            tick.setCheckState(qt.Qt.Checked if on else qt.Qt.Unchecked)
        order = qt.Qt.DescendingOrder if self._falling else qt.Qt.AscendingOrder
        self._table.horizontalHeader().setSortIndicator(self._sorted_by, order)
        self._table.resizeColumnsToContents()
        self._table.resizeRowsToContents()
        for button in self._buttons:
            button.enabled = bool(self._shown)
        if selected in self._shown:
            self._select(self._shown.index(selected))
        else:
            self._table.clearSelection()

    def _cell(self, lesion: Lesion, number: int, column: Column) -> str:
        if number == NUMBER and lesion.kind != "lesion":
            return CANDIDATE_MARK.format(number=lesion.number)
        return column.text(lesion)

    def _select(self, row: int) -> None:
        self._table.selectRow(row)
        self._table.scrollTo(self._model.index(row, 0))

    def _row(self) -> int:
        rows = self._table.selectionModel().selectedRows()
        return int(rows[0].row()) if rows else -1


def _short_margin(lesion: Lesion) -> str:
    """The margin; one-sided, in brackets, where no voxel is certain."""
    if lesion.margin_mm is None and lesion.one_sided_margin_mm is not None:
        return f"({lesion.one_sided_margin_mm:.1f})"
    return margin_text(lesion) if lesion.margin_mm is not None else NOTHING


def _words(lesion: Lesion) -> str:
    """A row's tool tip: what the table has no column for."""
    words = [
        _("Perpendicular diameter {mm} mm.").format(mm=f"{lesion.perpendicular_diameter_mm:.1f}"),
        _("Peak membership {peak}.").format(peak=f"{lesion.peak:.2f}"),
    ]
    if lesion.kind != "lesion":
        words.append(_("A candidate: suspected, not segmented."))
    elif lesion.measurable:
        words.append(_("Measurable by RANO-BM."))
    if lesion.kind == "lesion" and not lesion.certain_core:
        words.append(_("No voxel is certain; the margin is from the possible surface inwards."))
    return " ".join(words)
