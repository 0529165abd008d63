"""`QUiLoader` for .ui files that name CTK, qMRML and qSlicer classes.

Qt Designer's plugins bring these classes in Slicer. Here Python makes them, so what a .ui file says
with C++ types (connections that pass a scene, flags of CTK's own) is read by Python too.
"""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from PySide6 import QtCore, QtUiTools, QtWidgets

from .surface import API


def make_loader(ctk: Any, slicer: Any) -> type:
    """Returns a `QUiLoader` that knows the stand-ins in `ctk` and `slicer`."""
    classes = [getattr(ctk if name.startswith("ctk") else slicer, name) for name in API]
    widgets = [cls for cls in classes if issubclass(cls, QtWidgets.QWidget)]

    class Loader(QtUiTools.QUiLoader):
        """Makes a stand-in wherever the .ui file names a class of Slicer."""

        def __init__(self, parent: Any = None) -> None:
            super().__init__(parent)
            for cls in widgets:
                self.registerCustomWidget(cls)

        def load(self, device: Any, parent: Any = None) -> Any:
            root = ElementTree.fromstring(device.readAll().data())
            connections = _take_connections(root)
            _drop_foreign_flags(root)
            buffer = QtCore.QBuffer()
            buffer.setData(ElementTree.tostring(root))
            buffer.open(QtCore.QIODevice.ReadOnly)
            widget = super().load(buffer, parent)
            if widget is not None:
                _connect(widget, connections)
            return widget

    return Loader


def _take_connections(root: Any) -> list[tuple[str, str, str, str]]:
    section = root.find("connections")
    if section is None:
        return []
    root.remove(section)
    parts = ("sender", "signal", "receiver", "slot")
    return [tuple(c.findtext(part, "") for part in parts) for c in section]


def _drop_foreign_flags(root: Any) -> None:
    for owner in root.iter("widget"):
        for described in list(owner.findall("property")):
            flags = described.findtext("set") or described.findtext("enum") or ""
            if flags.startswith(("ctk", "qMRML", "qSlicer")):
                owner.remove(described)


def _connect(widget: Any, connections: list[tuple[str, str, str, str]]) -> None:
    named = {child.objectName: child for child in widget.findChildren(QtCore.QObject)}
    named[widget.objectName] = widget
    for sender, signal, receiver, slot in connections:
        named[sender].connect(signal, getattr(named[receiver], slot.partition("(")[0]))
