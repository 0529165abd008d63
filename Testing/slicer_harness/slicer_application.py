"""`slicer.app`, `slicer.modules` and the layout manager: small, and closed as in Slicer."""

from __future__ import annotations

import platform
import sys
from typing import Any

from PySide6 import QtCore, QtWidgets

from .core import SlicerCore
from .file_io import qSlicerIOManager
from .surface import surface


class qSlicerModuleManager(surface("qSlicerModuleManager")):
    """Knows the modules that `slicer.modules` has."""

    def __init__(self, modules: Modules) -> None:
        super().__init__()
        self._modules = modules

    def module(self, name: str) -> Any:
        return vars(self._modules).get(name.lower())

    def modulesNames(self) -> list[str]:
        return [module.name for module in vars(self._modules).values() if hasattr(module, "name")]


class qSlicerCoreModule(surface("qSlicerAbstractCoreModule")):
    """A loadable module of the application: its name and its logic."""

    def __init__(self, name: str, logic: Any) -> None:
        super().__init__()
        self._values = {"name": name, "title": name}
        self._logic = logic

    def logic(self) -> Any:
        return self._logic


class Modules:
    """`slicer.modules`: one attribute a module, in lower case; `ParetoSegWidget` joins later."""

    def __init__(self, core: SlicerCore) -> None:
        for name, logic in core.logics.items():
            setattr(self, name.lower(), qSlicerCoreModule(name, logic))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"slicer.modules has no module '{name}'.")


class qSlicerExtensionsManagerModel(surface("qSlicerExtensionsManagerModel")):
    """An installation without extensions; tests put names into `_installed`."""

    def __init__(self) -> None:
        super().__init__()
        self._installed: set[str] = set()
        self._asked: list[str] = []
        self._server_has: set[str] = set()

    def isExtensionInstalled(self, extensionName: str) -> bool:
        return extensionName in self._installed

    def updateExtensionsMetadataFromServer(self, *_: bool) -> bool:
        return True

    def downloadAndInstallExtensionByName(self, extensionName: str, *_: bool) -> bool:
        return self._install(extensionName)

    def installExtensionFromServer(self, extensionName: str, *_: bool) -> bool:
        return self._install(extensionName)

    def _install(self, name: str) -> bool:
        self._asked.append(name)
        if name in self._server_has:
            self._installed.add(name)
        return name in self._server_has


class qMRMLSliceView(surface("qMRMLSliceView")):
    """A slice viewer's picture; the drawing is `views.SliceView`."""

    def __init__(self, view: Any) -> None:
        super().__init__()
        self._view = view

    def mrmlSliceNode(self) -> Any:
        return self._view.node

    def renderWindow(self) -> Any:
        return self._view.window

    def forceRender(self) -> None:
        self._view.window.Render()

    def scheduleRender(self) -> None:
        self._view.window.Render()


class qMRMLSliceWidget(surface("qMRMLSliceWidget")):
    """A slice viewer with its logic and nodes."""

    def __init__(self, view: Any) -> None:
        super().__init__()
        self._view = view
        self._slice_view = qMRMLSliceView(view)

    def sliceLogic(self) -> Any:
        return self._view.logic

    def mrmlSliceNode(self) -> Any:
        return self._view.node

    def mrmlSliceCompositeNode(self) -> Any:
        return self._view.composite

    def sliceView(self) -> Any:
        return self._slice_view

    def fitSliceToBackground(self) -> None:
        self._view.logic.FitSliceToBackground()


class qMRMLThreeDView(surface("qMRMLThreeDView")):
    """The 3-D picture; the drawing is `views.ThreeDView`."""

    def __init__(self, view: Any) -> None:
        super().__init__()
        self._view = view

    def mrmlViewNode(self) -> Any:
        return self._view.node

    def renderWindow(self) -> Any:
        return self._view.window

    def resetFocalPoint(self) -> None:
        self._view.reset_focal_point()

    def resetCamera(self, *_: bool) -> None:
        self._view.reset_focal_point()

    def forceRender(self) -> None:
        self._view.window.Render()

    def scheduleRender(self) -> None:
        self._view.window.Render()


class qMRMLThreeDWidget(surface("qMRMLThreeDWidget")):
    """The 3-D view with its logic and node."""

    def __init__(self, view: Any) -> None:
        super().__init__()
        self._view = view
        self._three_d_view = qMRMLThreeDView(view)

    def threeDView(self) -> Any:
        return self._three_d_view

    def mrmlViewNode(self) -> Any:
        return self._view.node

    def viewLogic(self) -> Any:
        return self._view.logic


class qSlicerLayoutManager(surface("qSlicerLayoutManager", surface("qMRMLLayoutManager"))):
    """The four-up layout: three slice viewers and a 3-D view."""

    def __init__(self, core: SlicerCore) -> None:
        super().__init__()
        self._core = core
        self._slices = {name: qMRMLSliceWidget(view) for name, view in core.slice_views.items()}
        self._three_d = qMRMLThreeDWidget(core.three_d_view)
        self._values = {"threeDViewCount": 1, "enabled": True, "layout": 3}

    def sliceViewNames(self) -> tuple[str, ...]:
        return tuple(self._slices)

    def sliceWidget(self, name: str) -> Any:
        return self._slices.get(name)

    def threeDWidget(self, which: int | str) -> Any:
        return self._three_d if which in (0, "1") else None

    def mrmlSliceLogics(self) -> Any:
        return self._core.application_logic.GetSliceLogics()

    def mrmlViewLogics(self) -> Any:
        return self._core.application_logic.GetViewLogics()

    def mrmlScene(self) -> Any:
        return self._core.scene

    def activeMRMLThreeDViewNode(self) -> Any:
        return self._core.three_d_view.node

    def resetSliceViews(self) -> None:
        for widget in self._slices.values():
            widget.fitSliceToBackground()

    def resetThreeDViews(self) -> None:
        self._core.three_d_view.reset_focal_point()

    def setLayout(self, newLayout: int) -> None:
        self._values["layout"] = newLayout


class qSlicerApplication(surface("qSlicerApplication", surface("qSlicerCoreApplication"))):
    """`slicer.app`: Qt's application with what the panel asks of Slicer's."""

    def __init__(self, core: SlicerCore) -> None:
        super().__init__(["Slicer"])
        self._core = core
        self._modules = Modules(core)
        self._module_manager = qSlicerModuleManager(self._modules)
        self._layout = qSlicerLayoutManager(core)
        self._extensions = qSlicerExtensionsManagerModel()
        self._io = qSlicerIOManager(core)
        self._testing = False
        self._restarts = 0
        self._values = {
            "os": {"win32": "win", "darwin": "macosx"}.get(sys.platform, "linux"),
            "arch": "arm64" if platform.machine() in ("arm64", "aarch64") else "amd64",
            "platform": f"{sys.platform}-{platform.machine()}",
            "majorVersion": 5,
            "minorVersion": 13,
            "mainApplicationName": "Slicer",
            "mainApplicationDisplayName": "3D Slicer",
            "slicerHome": core.home.name,
            "temporaryPath": core.home.name,
            "documentationBaseUrl": "https://slicer.readthedocs.io/en/latest/",
            "isInstalled": True,
        }

    def applicationLogic(self) -> Any:
        return self._core.application_logic

    def mrmlScene(self) -> Any:
        return self._core.scene

    def layoutManager(self) -> Any:
        return self._layout

    def moduleManager(self) -> Any:
        return self._module_manager

    def moduleLogic(self, moduleName: str) -> Any:
        return self._core.logics.get(moduleName)

    def extensionsManagerModel(self) -> Any:
        return self._extensions

    def coreIOManager(self) -> Any:
        return self._io

    def ioManager(self) -> Any:
        return self._io

    def settings(self) -> Any:
        return QtCore.QSettings()

    def userSettings(self) -> Any:
        return QtCore.QSettings()

    def moduleDocumentationUrl(self, moduleName: str) -> str:
        return f"{self.documentationBaseUrl}user_guide/modules/{moduleName.lower()}.html"

    def startupEnvironment(self) -> Any:
        return QtCore.QProcessEnvironment.systemEnvironment()

    def testingEnabled(self) -> bool:
        return self._testing

    def restart(self) -> None:
        self._restarts += 1

    def confirmRestart(self, reason: str = "") -> bool:
        answer = QtWidgets.QMessageBox.question(None, "Restart", reason)
        if answer == QtWidgets.QMessageBox.Yes:
            self.restart()
        return answer == QtWidgets.QMessageBox.Yes

    def setRenderPaused(self, pause: bool) -> None:
        """The views draw when they are asked to; there is nothing to hold back."""

    def pauseRender(self) -> None:
        """See `setRenderPaused`."""

    def resumeRender(self) -> None:
        """See `setRenderPaused`."""
