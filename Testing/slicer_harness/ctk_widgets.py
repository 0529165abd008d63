"""The CTK widgets that the panel uses, as small PySide6 widgets; all others as bare surfaces."""

from __future__ import annotations

import types
from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from .surface import API, surface

HEADER_HEIGHT = 26
UNBOUNDED = (1 << 24) - 1  # Qt's QWIDGETSIZE_MAX


class ctkCollapsibleButton(surface("ctkCollapsibleButton")):
    """A header that shows and hides what is below it; checked means expanded."""

    def __init__(self, *arguments: Any) -> None:
        text = next((a for a in arguments if isinstance(a, str)), "")
        super().__init__(next((a for a in arguments if isinstance(a, QtWidgets.QWidget)), None))
        self._hidden_by_collapse: list[Any] = []
        self.setText(text)
        self.setCheckable(True)
        self.setChecked(True)
        self.setContentsMargins(2, HEADER_HEIGHT, 2, 2)
        self.setSizePolicy(QtWidgets.QSizePolicy.Minimum, QtWidgets.QSizePolicy.Preferred)
        self.toggled.connect(self._show_contents)

    def _get_collapsed(self) -> bool:
        return not self.isChecked()

    def _set_collapsed(self, value: bool) -> None:
        self.setChecked(not value)

    def _show_contents(self, expanded: bool) -> None:
        if expanded:
            for child in self._hidden_by_collapse:
                child.setVisible(True)
            self._hidden_by_collapse = []
            self.setMaximumHeight(UNBOUNDED)
        else:
            widgets = [c for c in self.children() if isinstance(c, QtWidgets.QWidget)]
            self._hidden_by_collapse = [c for c in widgets if not c.isHidden()]
            for child in self._hidden_by_collapse:
                child.setVisible(False)
            self.setMaximumHeight(HEADER_HEIGHT + 2)
        self.updateGeometry()
        self.contentsCollapsed.emit(not expanded)

    def sizeHint(self) -> QtCore.QSize:
        return self._hint("totalSizeHint")

    def minimumSizeHint(self) -> QtCore.QSize:
        return self._hint("totalMinimumSize")

    def _hint(self, name: str) -> QtCore.QSize:
        layout = self.layout()
        if layout is None or not self.isChecked():
            return QtCore.QSize(120, HEADER_HEIGHT + 2)
        return getattr(layout, name)().expandedTo(QtCore.QSize(120, HEADER_HEIGHT + 2))

    def hitButton(self, position: QtCore.QPoint) -> bool:
        return position.y() < HEADER_HEIGHT

    def paintEvent(self, _event: Any) -> None:
        painter = QtGui.QPainter(self)
        palette = QtWidgets.QApplication.palette()
        header = QtCore.QRect(0, 0, self.width, HEADER_HEIGHT - 2)
        painter.fillRect(header, palette.button())
        painter.setPen(palette.mid().color())
        painter.drawRect(header.adjusted(0, 0, -1, 0))
        if self.isChecked():
            painter.drawRect(self.rect.adjusted(0, 0, -1, -1))
        painter.setPen(palette.buttonText().color())
        painter.setBrush(palette.buttonText())
        middle = header.center().y()
        tip = [(-4, -2), (4, -2), (0, 3)] if self.isChecked() else [(-2, -4), (-2, 4), (3, 0)]
        painter.drawPolygon(QtGui.QPolygon([QtCore.QPoint(14 + x, middle + y) for x, y in tip]))
        painter.drawText(header.adjusted(26, 0, -4, 0), QtCore.Qt.AlignVCenter, self.text)


class ctkSliderWidget(surface("ctkSliderWidget")):
    """A slider with a number box beside it."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._slider = QtWidgets.QSlider(QtCore.Qt.Horizontal, self)
        self._box = QtWidgets.QDoubleSpinBox(self)
        self._values = {
            "minimum": 0.0,
            "maximum": 99.0,
            "singleStep": 1.0,
            "pageStep": 10.0,
            "value": 0.0,
            "decimals": 2,
            "tracking": True,
            "spinBoxVisible": True,
        }
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider, 1)
        layout.addWidget(self._box)
        self._refresh()
        self._slider.valueChanged.connect(self._moved)
        self._box.valueChanged.connect(self._typed)

    def _moved(self, step: int) -> None:
        self._set_value(self._values["minimum"] + step * self._values["singleStep"])

    def _typed(self, value: float) -> None:
        self._set_value(value)

    def _set_value(self, value: float) -> None:
        values = self._values
        kept = min(max(value, values["minimum"]), values["maximum"])
        kept = round(kept, values["decimals"])
        if kept == values["value"]:
            return
        values["value"] = kept
        self._refresh()
        self.valueIsChanging.emit(kept)
        self.valueChanged.emit(kept)

    def _set_minimum(self, value: float) -> None:
        self._bound("minimum", value)

    def _set_maximum(self, value: float) -> None:
        self._bound("maximum", value)

    def _set_singleStep(self, value: float) -> None:
        self._bound("singleStep", value)

    def _set_decimals(self, value: int) -> None:
        self._bound("decimals", value)

    def _set_suffix(self, value: str) -> None:
        self._bound("suffix", value)

    def _set_spinBoxVisible(self, value: bool) -> None:
        self._values["spinBoxVisible"] = value
        self._box.setVisible(value)

    def _bound(self, key: str, value: Any) -> None:
        self._values[key] = value
        self._set_value(self._values["value"])
        self._refresh()

    def _refresh(self) -> None:
        values = self._values
        for widget in (self._slider, self._box):
            widget.blockSignals(True)
        low, high, step = values["minimum"], values["maximum"], values["singleStep"] or 1.0
        finite = abs(low) < 1e9 and abs(high) < 1e9
        self._slider.setRange(0, round((high - low) / step) if finite else 0)
        self._slider.setValue(round((values["value"] - low) / step) if finite else 0)
        self._box.setDecimals(values["decimals"])
        self._box.setRange(low, high)
        self._box.setSingleStep(step)
        self._box.setSuffix(values.get("suffix", ""))
        self._box.setValue(values["value"])
        for widget in (self._slider, self._box):
            widget.blockSignals(False)


class ctkRangeWidget(surface("ctkRangeWidget")):
    """Two numbers, low ≤ high, with a box at each end."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._boxes = (QtWidgets.QDoubleSpinBox(self), QtWidgets.QDoubleSpinBox(self))
        self._bar = QtWidgets.QProgressBar(self)
        self._bar.setTextVisible(False)
        self._bar.setMaximumHeight(8)
        self._values = {
            "minimum": 0.0,
            "maximum": 99.0,
            "minimumValue": 0.0,
            "maximumValue": 99.0,
            "singleStep": 1.0,
            "decimals": 2,
            "tracking": True,
        }
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._boxes[0])
        layout.addWidget(self._bar, 1)
        layout.addWidget(self._boxes[1])
        self._refresh()
        self._boxes[0].valueChanged.connect(self._set_minimumValue)
        self._boxes[1].valueChanged.connect(self._set_maximumValue)

    def setValues(self, minValue: float, maxValue: float) -> None:
        values = self._values
        low = min(max(min(minValue, maxValue), values["minimum"]), values["maximum"])
        high = min(max(max(minValue, maxValue), values["minimum"]), values["maximum"])
        before = values["minimumValue"], values["maximumValue"]
        values["minimumValue"], values["maximumValue"] = low, high
        self._refresh()
        if low != before[0]:
            self.minimumValueChanged.emit(low)
        if high != before[1]:
            self.maximumValueChanged.emit(high)
        if (low, high) != before:
            self.valuesChanged.emit(low, high)

    def setRange(self, min: float, max: float) -> None:
        self._values["minimum"], self._values["maximum"] = min, max
        self.setValues(self._values["minimumValue"], self._values["maximumValue"])
        self.rangeChanged.emit(min, max)

    def _set_minimumValue(self, value: float) -> None:
        self.setValues(min(value, self._values["maximumValue"]), self._values["maximumValue"])

    def _set_maximumValue(self, value: float) -> None:
        self.setValues(self._values["minimumValue"], max(value, self._values["minimumValue"]))

    def _set_minimum(self, value: float) -> None:
        self.setRange(value, self._values["maximum"])

    def _set_maximum(self, value: float) -> None:
        self.setRange(self._values["minimum"], value)

    def _set_singleStep(self, value: float) -> None:
        self._values["singleStep"] = value
        self._refresh()

    def _set_decimals(self, value: int) -> None:
        self._values["decimals"] = value
        self._refresh()

    def _refresh(self) -> None:
        values = self._values
        for box, key in zip(self._boxes, ("minimumValue", "maximumValue"), strict=True):
            box.blockSignals(True)
            box.setDecimals(values["decimals"])
            box.setRange(values["minimum"], values["maximum"])
            box.setSingleStep(values["singleStep"])
            box.setValue(values[key])
            box.blockSignals(False)


class ctkPathLineEdit(surface("ctkPathLineEdit")):
    """A path to type, and a button to browse for it."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._box = QtWidgets.QComboBox(self)
        self._box.setEditable(True)
        self._browse = QtWidgets.QToolButton(self)
        self._browse.setText("…")
        self._values = {"currentPath": "", "showBrowseButton": True, "showHistoryButton": True}
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._box, 1)
        layout.addWidget(self._browse)
        self._box.editTextChanged.connect(self._typed)
        self._browse.clicked.connect(self.browse)

    def comboBox(self) -> Any:
        return self._box

    def browse(self) -> None:
        path = QtWidgets.QFileDialog.getExistingDirectory(self, "", self._values["currentPath"])
        if path:
            self._set_currentPath(path)

    def addCurrentPathToHistory(self) -> None:
        self._box.addItem(self._values["currentPath"])

    def _set_currentPath(self, value: str) -> None:
        self._box.setEditText(value)

    def _typed(self, value: str) -> None:
        if value != self._values["currentPath"]:
            self._values["currentPath"] = value
            self.currentPathChanged.emit(value)


class ctkDirectoryButton(surface("ctkDirectoryButton")):
    """A button with a folder's path that browses for another."""

    def browse(self) -> None:
        path = QtWidgets.QFileDialog.getExistingDirectory(self, "", self.directory)
        if path:
            self._set_directory(path)
            self.directorySelected.emit(path)

    def _set_directory(self, value: str) -> None:
        if value != self.directory:
            self.__dict__.setdefault("_values", {})["directory"] = value
            self.directoryChanged.emit(value)


class ctkMessageBox(surface("ctkMessageBox")):
    """Qt's message box; `dialogs` sees it like any other."""


def make_ctk_module() -> types.ModuleType:
    """Returns `ctk`: the widgets above, and a bare surface for every other CTK class."""
    module = types.ModuleType("ctk", "CTK's surface over PySide6.")
    for name in API:
        if name.startswith("ctk"):
            setattr(module, name, globals().get(name) or surface(name))
    return module
