"""`slicer.parameterNodeWrapper`: typed attributes over a real `vtkMRMLScriptedModuleNode`."""

from __future__ import annotations

import types
import typing
import weakref
from collections.abc import Callable
from typing import Any

import slicer
import vtk
from PySide6 import QtWidgets

from . import parameter_values
from .parameter_values import Parameter
from .parameter_widgets import Connector

PROPERTY = "SlicerParameterName"
RESERVED = (
    "allParameters",
    "default",
    "isCached",
    "dataType",
    "getValue",
    "setValue",
    "connectGui",
    "connectParametersToGui",
    "disconnectGui",
    "StartModify",
    "EndModify",
    "AddObserver",
    "RemoveObserver",
    "Modified",
)


def parameterNodeWrapper(classtype: type | None = None) -> Any:
    """Class decorator: each annotated attribute becomes an entry of the parameter node."""
    return _wrap if classtype is None else _wrap(classtype)


def isParameterNodeWrapper(classOrObj: Any) -> bool:
    """Whether this is such a class, or an object of one."""
    return getattr(classOrObj, "_is_parameter_node_wrapper", False)


def findChildWidgetForParameter(widget: Any, parameter: str) -> Any:
    """The widget below `widget` that shows `parameter`, or None."""
    for child in widget.findChildren(QtWidgets.QWidget):
        if child.property(PROPERTY) == parameter:
            return child
    return None


def _wrap(cls: type) -> type:
    parameters = {
        name: Parameter(name, declared, getattr(cls, name, None))
        for name, declared in typing.get_type_hints(cls, include_extras=True).items()
    }
    for name in RESERVED:
        if hasattr(cls, name):
            raise ValueError(f"Cannot use reserved name '{name}' in a parameterNodeWrapper")
    members = {name: value for name, value in vars(Wrapped).items() if not name.startswith("__")}
    for name, value in members.items():
        setattr(cls, name, value)
    cls.allParameters = parameters
    cls._is_parameter_node_wrapper = True
    cls.__init__ = _init
    for name in parameters:
        setattr(cls, name, _entry(name))
    return cls


def _entry(name: str) -> property:
    return property(
        lambda self: self.getValue(name), lambda self, value: self.setValue(name, value)
    )


def _init(self: Any, parameterNode: Any, prefix: str | None = None) -> None:
    self.parameterNode = parameterNode
    self._guis = {}
    self._observers = {}
    self._next_tag = 0
    self._updating_gui = False
    self._names = {name: f"{prefix or ''}{name}" for name in self.allParameters}
    for parameter in self.allParameters.values():
        if not parameter.is_in(parameterNode):
            parameter.write(parameterNode, parameter.default)


class Wrapped:
    """What every wrapped class has; copied onto it, as Slicer does."""

    def getValue(self, name: str) -> Any:
        return self._parameter(name).read(self.parameterNode)

    def setValue(self, name: str, value: Any) -> None:
        with slicer.util.NodeModify(self.parameterNode):
            self._parameter(name).write(self.parameterNode, value)

    def default(self, name: str) -> Any:
        return parameter_values.Default(self._parameter(name).default)

    def isCached(self, name: str) -> bool:
        self._parameter(name)
        return True

    def dataType(self, name: str) -> Any:
        return self._parameter(name).declared

    def connectGui(self, gui: Any) -> None:
        """Ties every widget that has a SlicerParameterName; like Slicer's, it returns nothing."""
        if isinstance(gui, QtWidgets.QWidget):
            widgets = gui.findChildren(QtWidgets.QWidget)
        else:
            widgets = [w for w in vars(gui).values() if isinstance(w, QtWidgets.QWidget)]
        named = {w.property(PROPERTY): w for w in widgets if w.property(PROPERTY)}
        self.connectParametersToGui(named)

    def connectParametersToGui(self, mapping: dict[str, Any]) -> int:
        connectors = {
            name: Connector(widget, self.dataType(name)) for name, widget in mapping.items()
        }
        tag = self._next_tag
        self._next_tag += 1
        self._guis[tag] = connectors
        for name, connector in connectors.items():
            connector.write(self.getValue(name))
            connector.on_changed(self._from_gui(name, connector))
        known = weakref.ref(self)
        node = self.parameterNode
        observer = node.AddObserver(
            vtk.vtkCommand.ModifiedEvent, lambda *_: known() and known()._update_gui()
        )
        # Slicer leaves the observer behind for good. A function that only the node's Python object
        # knows is emptied together with it by the garbage collector, while the node lives on in
        # the scene and VTK goes on calling it: the process dies. So it goes before that, and
        # until then the node's Python object is held.
        self._observers[tag] = weakref.finalize(self, node.RemoveObserver, observer)
        self._observers[tag].atexit = False
        return tag

    def disconnectGui(self, guiTag: int) -> None:
        for connector in self._guis.pop(guiTag, {}).values():
            connector.on_changed(None)
        if guiTag in self._observers:
            self._observers.pop(guiTag)()

    def StartModify(self) -> Any:
        return self.parameterNode.StartModify()

    def EndModify(self, wasModified: Any) -> Any:
        return self.parameterNode.EndModify(wasModified)

    def AddObserver(self, event: Any, callback: Any, priority: float = 0.0) -> int:
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag: int) -> None:
        self.parameterNode.RemoveObserver(tag)

    def Modified(self) -> None:
        self.parameterNode.Modified()

    def _parameter(self, name: str) -> Parameter:
        if name not in self.allParameters:
            raise ValueError(f"Cannot find a param with the given name: {name}")
        return self.allParameters[name]

    def _from_gui(self, name: str, connector: Connector) -> Callable[[], None]:
        def changed() -> None:
            if not self._updating_gui:
                self.setValue(name, connector.read())

        return changed

    def _update_gui(self) -> None:
        if self._updating_gui:
            return
        self._updating_gui = True
        try:
            for connectors in self._guis.values():
                for name, connector in connectors.items():
                    connector.write(self.getValue(name))
        finally:
            self._updating_gui = False


def make_module() -> types.ModuleType:
    """Returns `slicer.parameterNodeWrapper` with the names that modules import from it."""
    module = types.ModuleType("slicer.parameterNodeWrapper", __doc__)
    module.parameterNodeWrapper = parameterNodeWrapper
    module.isParameterNodeWrapper = isParameterNodeWrapper
    module.findChildWidgetForParameter = findChildWidgetForParameter
    module.SlicerParameterNamePropertyName = PROPERTY
    for name in (
        "WithinRange",
        "Minimum",
        "Maximum",
        "Choice",
        "Default",
        "Decimals",
        "SingleStep",
    ):
        setattr(module, name, getattr(parameter_values, name))
    return module
