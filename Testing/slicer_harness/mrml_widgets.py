"""The qMRML and qSlicer widgets that the panel uses; all others as bare surfaces."""

from __future__ import annotations

from typing import Any

import slicer
import vtk
from PySide6 import QtWidgets

from . import slicer_application
from .ctk_widgets import ctkCollapsibleButton, ctkSliderWidget
from .surface import API, surface


class qMRMLWidget(surface("qMRMLWidget")):
    """A widget that knows the scene and tells its children, as the .ui file connects them."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._scene: Any = None

    def mrmlScene(self) -> Any:
        return self._scene

    def setMRMLScene(self, newScene: Any) -> None:
        if newScene is self._scene:
            return
        self._scene = newScene
        self.mrmlSceneChanged.emit(newScene)


class qMRMLCollapsibleButton(surface("qMRMLCollapsibleButton", ctkCollapsibleButton)):
    """A collapsible button that passes the scene on."""

    def setMRMLScene(self, scene: Any) -> None:
        self.mrmlSceneChanged.emit(scene)


class qMRMLSliderWidget(surface("qMRMLSliderWidget", ctkSliderWidget)):
    """A slider whose unit would come from the scene."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._scene: Any = None

    def mrmlScene(self) -> Any:
        return self._scene

    def setMRMLScene(self, scene: Any) -> None:
        self._scene = scene


class qMRMLNodeComboBox(surface("qMRMLNodeComboBox")):
    """Chooses a node of the scene: follows nodes that come, go and are renamed."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._scene: Any = None
        self._observers: list[int] = []
        self._nodes: list[Any] = []
        self._attributes: list[tuple[str, str, Any]] = []
        self._current: str | None = None
        self._values = {
            "nodeTypes": (),
            "noneEnabled": False,
            "noneDisplay": "None",
            "addEnabled": True,
            "removeEnabled": True,
            "renameEnabled": False,
            "editEnabled": False,
            "selectNodeUponCreation": True,
            "showHidden": False,
            "showChildNodeTypes": True,
            "hideChildNodeTypes": (),
        }
        self._box = QtWidgets.QComboBox(self)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._box)
        self._box.activated.connect(self._chosen)
        self.destroyed.connect(lambda: self._observe(None))

    def setMRMLScene(self, scene: Any) -> None:
        self._observe(scene)
        self._refresh()

    def mrmlScene(self) -> Any:
        return self._scene

    def currentNode(self) -> Any:
        return self._scene.GetNodeByID(self._current) if self._scene and self._current else None

    def currentNodeId(self) -> str:
        return self._current or ""

    def setCurrentNode(self, node: Any) -> None:
        if isinstance(node, str):
            node = self._scene.GetNodeByID(node) if self._scene and node else None
        if node is not None and node not in self._nodes:
            self._refresh()
        self._choose(node if node in self._nodes else None)

    def setCurrentNodeID(self, nodeID: str) -> None:
        self.setCurrentNode(nodeID)

    def setCurrentNodeIndex(self, index: int) -> None:
        self._choose(self._nodes[index])

    def nodeCount(self) -> int:
        return len(self._nodes)

    def nodeFromIndex(self, index: int) -> Any:
        return self._nodes[index] if 0 <= index < len(self._nodes) else None

    def addAttribute(self, nodeType: str, attributeName: str, attributeValue: Any = None) -> None:
        self._attributes.append((nodeType, attributeName, attributeValue))
        self._refresh()

    def removeAttribute(self, nodeType: str, attributeName: str) -> None:
        self._attributes = [a for a in self._attributes if a[:2] != (nodeType, attributeName)]
        self._refresh()

    def _get_currentNodeID(self) -> str:
        return self._current or ""

    def _set_currentNodeID(self, value: str) -> None:
        self.setCurrentNode(value)

    def _set_nodeTypes(self, value: Any) -> None:
        self._values["nodeTypes"] = tuple(value)
        self._refresh()

    def _set_noneEnabled(self, value: bool) -> None:
        self._values["noneEnabled"] = value
        self._refresh()

    def _set_noneDisplay(self, value: str) -> None:
        self._values["noneDisplay"] = value
        self._refresh()

    def _set_showHidden(self, value: bool) -> None:
        self._values["showHidden"] = value
        self._refresh()

    def _set_showChildNodeTypes(self, value: bool) -> None:
        self._values["showChildNodeTypes"] = value
        self._refresh()

    def _observe(self, scene: Any) -> None:
        for tag in self._observers:
            self._scene.RemoveObserver(tag)
        self._observers = []
        self._scene = scene
        if scene is None:
            return
        events = slicer.vtkMRMLScene
        for event, callback in (
            (events.NodeAddedEvent, self._node_added),
            (events.NodeRemovedEvent, self._scene_changed),
            (events.EndBatchProcessEvent, self._scene_changed),
        ):
            self._observers.append(scene.AddObserver(event, callback))

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _node_added(self, _caller: Any, _event: str, node: Any) -> None:
        if not self._scene.IsBatchProcessing():
            self._refresh(just_added=node)

    def _scene_changed(self, _caller: Any, _event: str) -> None:
        if not self._scene.IsBatchProcessing():
            self._refresh()

    def _refresh(self, just_added: Any = None) -> None:
        scene = self._scene
        count = scene.GetNumberOfNodes() if scene is not None else 0
        nodes = [scene.GetNthNode(index) for index in range(count)]
        self._nodes = [node for node in nodes if self._offers(node)]
        current = self.currentNode()
        if current not in self._nodes:
            current = None
            if self._nodes and not self._values["noneEnabled"]:
                current = self._nodes[-1 if just_added in self._nodes else 0]
        self._box.blockSignals(True)
        self._box.clear()
        if self._values["noneEnabled"]:
            self._box.addItem(self._values["noneDisplay"])
        for node in self._nodes:
            self._box.addItem(node.GetName() or "", node.GetID())
        self._box.blockSignals(False)
        self._choose(current)

    def _offers(self, node: Any) -> bool:
        types_ = self._values["nodeTypes"]
        if self._values["showChildNodeTypes"]:
            fits = any(node.IsA(kind) for kind in types_)
        else:
            fits = node.GetClassName() in types_
        if not fits or (node.GetHideFromEditors() and not self._values["showHidden"]):
            return False
        for kind, name, value in self._attributes:
            found = node.GetAttribute(name)
            if node.IsA(kind) and (found is None or (value is not None and found != str(value))):
                return False
        return True

    def _choose(self, node: Any) -> None:
        identity = node.GetID() if node is not None else None
        row = self._nodes.index(node) if node is not None else -1
        row += 1 if self._values["noneEnabled"] else 0
        self._box.blockSignals(True)
        self._box.setCurrentIndex(row)
        self._box.blockSignals(False)
        if identity == self._current:
            return
        self._current = identity
        self.currentNodeChanged["PyObject"].emit(node)
        self.currentNodeChanged[bool].emit(node is not None)
        self.currentNodeIDChanged.emit(identity or "")

    def _chosen(self, row: int) -> None:
        row -= 1 if self._values["noneEnabled"] else 0
        self._choose(self._nodes[row] if row >= 0 else None)
        if self.currentNode() is not None:
            self.nodeActivated.emit(self.currentNode())


def add_widgets(target: Any) -> None:
    """Gives `slicer` its Qt classes: the stand-ins, and a bare surface for every other one."""
    for name in API:
        if name.startswith(("qMRML", "qSlicer")):
            made = globals().get(name) or vars(slicer_application).get(name) or surface(name)
            setattr(target, name, made)
