"""`slicer.ScriptedLoadableModule`: the four base classes of a scripted module, same signatures."""

from __future__ import annotations

import importlib
import logging
import sys
import types
import unittest
from pathlib import Path
from typing import Any

import qt
import slicer
from PySide6 import QtCore

from .mrml_widgets import qMRMLWidget
from .surface import surface


class ScriptedLoadableModule:
    """Describes the module to Slicer through its parent."""

    def __init__(self, parent: Any) -> None:
        super().__init__()
        self.parent = parent
        self.moduleName = type(self).__name__
        parent.title = ""
        parent.categories = []
        parent.dependencies = []
        parent.contributors = []
        parent.helpText = ""
        parent.acknowledgementText = ""
        for suffix in (".svg", ".png"):
            icon = Path(parent.path).parent / "Resources" / "Icons" / (self.moduleName + suffix)
            if icon.is_file():
                parent.icon = qt.QIcon(str(icon))
                break
        if not hasattr(slicer, "selfTests"):
            slicer.selfTests = {}
        slicer.selfTests[self.moduleName] = self.runTest

    def resourcePath(self, filename: str) -> str:
        return str(Path(self.parent.path).parent / "Resources" / filename)

    def getDefaultModuleDocumentationLink(self, docPage: str | None = None) -> str:
        base = slicer.app.documentationBaseUrl
        url = base + docPage if docPage else slicer.app.moduleDocumentationUrl(self.moduleName)
        return f'<p>For more information see the <a href="{url}">online documentation</a>.</p>'

    def runTest(self, msec: int = 100, **kwargs: Any) -> None:
        module = importlib.import_module(self.__module__)
        case = getattr(module, f"{self.moduleName}Test")()
        case.messageDelay = msec
        case.runTest(**kwargs)


class ScriptedLoadableModuleWidget:
    """The panel: `setup`, `enter`, `exit` and `cleanup` are called by Slicer."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.developerMode = slicer.util.settingsValue(
            "Developer/DeveloperMode", False, converter=slicer.util.toBool
        )
        if parent is None:
            self.parent = qMRMLWidget()
            self.parent.setLayout(qt.QVBoxLayout())
            self.parent.setMRMLScene(slicer.mrmlScene)
        else:
            self.parent = parent
        self.layout = self.parent.layout()
        if parent is None:
            self.setup()
            self.parent.show()
        slicer.app.moduleManager().connect(
            "moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded
        )

    def resourcePath(self, filename: str) -> str:
        folder = Path(slicer.util.modulePath(self.moduleName)).parent
        return str(folder / "Resources" / filename)

    def cleanup(self) -> None:
        """Overridden by modules that have something to put away."""

    def setup(self) -> None:
        """Overridden by modules; here stands the developer's Reload section."""

    def onReload(self) -> None:
        slicer.util.reloadScriptedModule(self.moduleName)

    def _onModuleAboutToBeUnloaded(self, moduleName: str) -> None:
        if moduleName == self.moduleName:
            self.cleanup()
            slicer.app.moduleManager().disconnect(
                "moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded
            )


class ScriptedLoadableModuleLogic:
    """Computation without a GUI, and the parameter node of the module."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Logic")
        self.isSingletonParameterNode = True

    def getParameterNode(self) -> Any:
        if self.isSingletonParameterNode:
            node = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
            if node:
                # Closing the scene empties the node; its name has to be given back.
                if node.GetAttribute("ModuleName") != self.moduleName:
                    node.SetAttribute("ModuleName", self.moduleName)
                return node
        else:
            found = self.getAllParameterNodes()
            if found:
                return found[0]
        return slicer.mrmlScene.AddNode(self.createParameterNode())

    def getAllParameterNodes(self) -> list[Any]:
        nodes = slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode")
        return [node for node in nodes if node.GetAttribute("ModuleName") == self.moduleName]

    def createParameterNode(self) -> Any:
        if slicer.mrmlScene is None:
            return None
        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
        node.UnRegister(None)
        if self.isSingletonParameterNode:
            node.SetSingletonTag(self.moduleName)
        node.SetAttribute("ModuleName", self.moduleName)
        node.SetName(slicer.mrmlScene.GenerateUniqueName(self.moduleName))
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    """The module's own test inside Slicer."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.enableScreenshots = False
        self.screenshotScaleFactor = 1.0

    def delayDisplay(
        self, message: str, requestedDelay: int | None = None, msec: int | None = None
    ) -> None:
        wait = getattr(self, "messageDelay", msec if msec is not None else requestedDelay)
        slicer.util.delayDisplay(message, 100 if wait is None else wait)

    def takeScreenshot(self, name: str, description: str, type: int = -1) -> None:
        self.delayDisplay(description)

    def runTest(self) -> None:
        logging.warning("No test is defined in %s", self.__class__.__name__)


def _settable(key: str, kind: Any) -> Any:
    def write(self: Any, value: Any) -> None:
        self._values[key] = value

    return QtCore.Property(kind, lambda self: self._values.get(key), write)


class qSlicerScriptedLoadableModule(surface("qSlicerAbstractCoreModule")):
    """What Slicer hands to `ScriptedLoadableModule` as its parent; settable from Python."""

    title = _settable("title", str)
    categories = _settable("categories", "QVariant")
    dependencies = _settable("dependencies", "QVariant")
    contributors = _settable("contributors", "QVariant")
    helpText = _settable("helpText", str)
    acknowledgementText = _settable("acknowledgementText", str)
    associatedNodeTypes = _settable("associatedNodeTypes", "QVariant")
    hidden = _settable("hidden", bool)
    icon = _settable("icon", "QVariant")

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._values = {"path": str(path), "name": path.stem}
        self._representation: Any = None

    def widgetRepresentation(self) -> Any:
        return self._representation


class qSlicerScriptedLoadableModuleWidget(
    surface("qSlicerAbstractModuleWidget", surface("qSlicerWidget"))
):
    """The Qt widget around a scripted panel; `self()` is the Python object."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setLayout(qt.QVBoxLayout())
        self._name = name
        self._panel: Any = None
        self._values = {"isEntered": False}

    def self(self) -> Any:
        return self._panel

    def setMRMLScene(self, scene: Any) -> None:
        self.mrmlSceneChanged.emit(scene)

    def enter(self) -> None:
        self._values["isEntered"] = True
        if hasattr(self._panel, "enter"):
            self._panel.enter()

    def exit(self) -> None:
        self._values["isEntered"] = False
        if hasattr(self._panel, "exit"):
            self._panel.exit()

    def reload(self) -> None:
        """Builds the panel anew from the class that is in `sys.modules` now."""
        panel_class = getattr(sys.modules[self._name], f"{self._name}Widget")
        self._panel = panel_class(self)
        setattr(slicer.modules, f"{self._name}Widget", self._panel)
        self._panel.setup()
        if self._values["isEntered"]:
            self.enter()


def start_module(path: Path) -> Any:
    """Loads a scripted module and its panel as Slicer does at start-up; returns its Qt widget."""
    name = path.stem
    module = importlib.import_module(name)
    described = qSlicerScriptedLoadableModule(path)
    described._python = getattr(module, name)(described)
    setattr(slicer.modules, name.lower(), described)
    slicer.app.startupCompleted.emit()
    widget = qSlicerScriptedLoadableModuleWidget(name)
    widget.setMRMLScene(slicer.mrmlScene)
    described._representation = widget
    widget.reload()
    return widget


def make_module() -> types.ModuleType:
    """Returns `slicer.ScriptedLoadableModule`."""
    module = types.ModuleType("slicer.ScriptedLoadableModule", __doc__)
    names = ["", "Widget", "Logic", "Test"]
    module.__all__ = [f"ScriptedLoadableModule{name}" for name in names]
    for name in module.__all__:
        setattr(module, name, globals()[name])
    return module
