"""Which widget can show which parameter, and how, exactly as narrow as in Slicer.

Slicer compares types with `==`: a `qMRMLSliderWidget` is not a `ctkSliderWidget` here either, a
`ctkPathLineEdit` takes a path and not a string, and a combo box needs the list of choices.
"""

from __future__ import annotations

import enum
import pathlib
from collections.abc import Callable
from typing import Any

import slicer
from PySide6 import QtWidgets

from .ctk_widgets import ctkDirectoryButton, ctkPathLineEdit, ctkSliderWidget
from .mrml_widgets import qMRMLNodeComboBox
from .parameter_values import Choice, Decimals, Maximum, Minimum, SingleStep, WithinRange, split


class Connector:
    """Ties one widget to one parameter: `read`, `write`, and a signal that says it changed."""

    def __init__(self, widget: Any, declared: Any) -> None:
        self.widget = widget
        kind, annotations = split(declared)
        self.read, self.write, self.signal = _ties(widget, kind, annotations)
        self._callback: Callable[[], None] | None = None

    def on_changed(self, callback: Callable[[], None] | None) -> None:
        if callback is None:
            self.signal.disconnect(self._changed)
        else:
            self.signal.connect(self._changed)
        self._callback = callback

    def _changed(self, *_: Any) -> None:
        if self._callback is not None:
            self._callback()


def _ties(widget: Any, kind: Any, annotations: tuple[Any, ...]) -> tuple[Any, Any, Any]:
    paths = (pathlib.Path, pathlib.PurePath)
    cls = type(widget)
    if kind is bool and cls is QtWidgets.QCheckBox:
        return _attribute(widget, "checked", widget.stateChanged)
    if kind is bool and cls is QtWidgets.QPushButton:
        widget.checkable = True
        return _attribute(widget, "checked", widget.toggled)
    if kind is int and cls in (QtWidgets.QSlider, QtWidgets.QSpinBox):
        _bound(widget, annotations, needed=cls is QtWidgets.QSlider, ends=(-(2**31), 2**31 - 1))
        return _attribute(widget, "value", widget.valueChanged)
    if kind is float and cls in (QtWidgets.QDoubleSpinBox, ctkSliderWidget):
        ends = (float("-inf"), float("inf"))
        _bound(widget, annotations, needed=cls is ctkSliderWidget, ends=ends)
        return _attribute(widget, "value", widget.valueChanged)
    if cls is QtWidgets.QComboBox and kind in (int, float, str, bool):
        choice = next((a for a in annotations if isinstance(a, Choice)), None)
        if choice is None:
            raise RuntimeError("A combo box needs the Choice annotation.")
        return _choices(widget, [(str(c), c) for c in choice.choices])
    if cls is QtWidgets.QComboBox and issubclass(kind, enum.Enum):
        label = getattr(kind, "label", lambda member: member.name)
        return _choices(widget, [(label(member), member) for member in kind])
    if cls is QtWidgets.QLineEdit and kind is str:
        return _attribute(widget, "text", widget.textChanged)
    if cls is QtWidgets.QTextEdit and kind is str:
        return widget.toPlainText, widget.setPlainText, widget.textChanged
    if cls is ctkPathLineEdit and kind in paths:
        read, write, signal = _attribute(widget, "currentPath", widget.currentPathChanged)
        return lambda: kind(read()), lambda value: write(str(value)), signal
    if cls is ctkDirectoryButton and kind in paths:
        read, write, signal = _attribute(widget, "directory", widget.directoryChanged)
        return lambda: kind(read()), lambda value: write(str(value)), signal
    if cls is qMRMLNodeComboBox and issubclass(kind, slicer.vtkMRMLNode):
        widget.nodeTypes = [kind.__name__]
        return widget.currentNode, widget.setCurrentNode, widget.currentNodeChanged
    raise RuntimeError(
        f"Unable to create GUI connector from datatype '{kind}' to widget type '{cls}'"
    )


def _attribute(widget: Any, name: str, signal: Any) -> tuple[Any, Any, Any]:
    return lambda: getattr(widget, name), lambda value: setattr(widget, name, value), signal


def _choices(widget: Any, options: list[tuple[str, Any]]) -> tuple[Any, Any, Any]:
    widget.clear()
    for label, _ in options:
        widget.addItem(label)
    values = [value for _, value in options]

    def write(value: Any) -> None:
        widget.currentIndex = values.index(value)

    return lambda: values[widget.currentIndex], write, widget.currentIndexChanged


def _bound(
    widget: Any, annotations: tuple[Any, ...], needed: bool, ends: tuple[float, float]
) -> None:
    low, high = None, None
    for annotation in annotations:
        if isinstance(annotation, Decimals):
            widget.decimals = annotation.value
        elif isinstance(annotation, SingleStep):
            widget.singleStep = annotation.value
        elif isinstance(annotation, WithinRange):
            low, high = annotation.minimum, annotation.maximum
        elif isinstance(annotation, Minimum):
            low = annotation.minimum
        elif isinstance(annotation, Maximum):
            high = annotation.maximum
    if needed and (low is None or high is None):
        raise RuntimeError(f"{type(widget).__name__} needs a range (WithinRange).")
    widget.minimum = ends[0] if low is None else low
    widget.maximum = ends[1] if high is None else high
