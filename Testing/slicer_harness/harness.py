"""Puts a working `slicer` into this process and lets a test act on it as a user would.

`install()` once, before the panel is imported; then `process_events`, `render_slice`,
`load_widget`, `save_scene` and the others.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
import tempfile
import time
from collections.abc import Callable
from ctypes.util import find_library
from pathlib import Path
from typing import Any

import numpy as np

REPOSITORY = Path(__file__).parents[2]

_running: dict[str, Any] = {}


def missing() -> str | None:
    """Why the harness cannot run here, or None."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    try:
        from PySide6 import QtWidgets  # noqa: F401
    except ImportError as error:  # not installed, or a system library (libEGL, libGL) is not there
        return f"PySide6 does not load here ({error})."
    try:
        import slicer_core  # noqa: F401
    except ImportError as error:
        return f"slicer-core does not load here ({error})."
    return _missing_graphics()


def _missing_graphics() -> str | None:
    """Why nothing can be drawn here; VTK would end the process when it tries."""
    import vtk

    window = vtk.vtkRenderWindow()
    window.SetOffScreenRendering(1)
    if type(window).__name__ == "vtkOSOpenGLRenderWindow" and find_library("OSMesa") is None:
        return "VTK finds neither an EGL driver nor OSMesa here (Debian: libegl-mesa0)."
    if sys.platform == "win32" and not window.SupportsOpenGL():
        return "This Windows has no OpenGL 3.2."
    return None


def install() -> None:
    """Starts the scene, Qt and the stand-ins, and registers them as `slicer`, `qt` and `ctk`."""
    if _running:
        return
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    os.environ.setdefault("MPLBACKEND", "Agg")  # a Qt in the process must not draw others to it
    sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "ParetoSeg")]

    from . import pythonqt

    qt = pythonqt.make_qt_module()
    sys.modules["qt"] = qt
    settings = tempfile.mkdtemp(prefix="slicer_settings_")
    qt.QSettings.setDefaultFormat(qt.QSettings.IniFormat)
    for scope in (qt.QSettings.UserScope, qt.QSettings.SystemScope):
        qt.QSettings.setPath(qt.QSettings.IniFormat, scope, settings)
    qt.QCoreApplication.setOrganizationName("NA-MIC")
    qt.QCoreApplication.setApplicationName("Slicer")

    import slicer
    import slicer.util

    from .core import SlicerCore
    from .dialogs import record_dialogs
    from .slicer_application import qSlicerApplication

    core = SlicerCore()
    application = qSlicerApplication(core)
    slicer.mrmlScene = core.scene
    slicer.app = application
    slicer.modules = application._modules
    _register(slicer)
    window = qt.QMainWindow()
    window.setObjectName("qSlicerMainWindow")
    failures: list[BaseException] = []
    _running.update(
        core=core,
        application=application,
        window=window,
        dialogs=record_dialogs(),
        failures=failures,
        restore=pythonqt.report_slot_failures(failures),
        settings=settings,
    )
    atexit.register(close)


def _register(slicer: Any) -> None:
    from . import ctk_widgets, mrml_widgets

    sys.modules["ctk"] = ctk_widgets.make_ctk_module()
    mrml_widgets.add_widgets(slicer)
    from . import parameter_node, sample_data, scripted_module, translation, ui_loader

    slicer.qSlicerScriptedLoadableModule = scripted_module.qSlicerScriptedLoadableModule
    slicer.qSlicerScriptedLoadableModuleWidget = scripted_module.qSlicerScriptedLoadableModuleWidget
    made = {
        "ScriptedLoadableModule": scripted_module.make_module(),
        "parameterNodeWrapper": parameter_node.make_module(),
        "i18n": translation.make_module(),
    }
    for name, module in made.items():
        sys.modules[f"slicer.{name}"] = module
        setattr(slicer, name, module)
    sys.modules["SampleData"] = sample_data.make_module()
    # The loader of .ui files learns the classes that Qt Designer would bring as plugins.
    sys.modules["qt"].QUiLoader = ui_loader.make_loader(sys.modules["ctk"], slicer)


def application() -> Any:
    """`slicer.app`, which is also the Qt application."""
    return _running["application"]


def core() -> Any:
    """The scene with its logics and views."""
    return _running["core"]


def dialogs() -> Any:
    """What was shown to the user and what the user is going to answer."""
    return _running["dialogs"]


def slot_failures() -> list[BaseException]:
    """What Qt slots raised since the last `fresh_scene`; Qt itself only prints it."""
    return _running["failures"]


def fresh_scene() -> Any:
    """Leaves the panel, closes the scene and returns it empty, with nothing left from before."""
    import qt

    drop_widget()
    qt.QSettings().clear()
    core().close_scene()
    dialogs().clear()
    slot_failures().clear()
    return core().scene


def close_scene() -> None:
    """Closes the scene as "File, Close scene" does; the panel stays open."""
    core().close_scene()
    process_events()


def process_events(seconds: float = 0.0, until: Callable[[], bool] | None = None) -> bool:
    """Lets Qt work for `seconds`, or until `until()` holds; returns whether it held."""
    from PySide6 import QtCore

    end = time.monotonic() + seconds
    while True:
        application().processEvents(QtCore.QEventLoop.ProcessEventsFlag.AllEvents, 20)
        application().sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete)
        if until is not None and until():
            return True
        if time.monotonic() >= end:
            return until is None
        time.sleep(0.002)


def render_slice(view: str = "Red", size: tuple[int, int] = (400, 400)) -> np.ndarray:
    """What a slice viewer shows: uint8 RGB (height, width, 3)."""
    return core().slice_views[view].render(size)


def render_3d(size: tuple[int, int] = (400, 400)) -> np.ndarray:
    """What the 3-D view shows: uint8 RGB (height, width, 3)."""
    return core().three_d_view.render(size)


def load_widget() -> Any:
    """Builds the panel as Slicer does and enters it; returns the `ParetoSegWidget`."""
    import slicer

    from .scripted_module import start_module

    drop_widget()
    parent = start_module(REPOSITORY / "ParetoSeg" / "ParetoSeg.py")
    _running["widget"] = parent
    parent.resize(420, 1100)
    parent.show()
    parent.enter()
    process_events()
    return slicer.modules.ParetoSegWidget


def drop_widget() -> None:
    """Leaves the panel and unloads its module, as Slicer does when it closes."""
    parent = _running.pop("widget", None)
    if parent is None:
        return
    parent.exit()
    application().moduleManager().moduleAboutToBeUnloaded.emit("ParetoSeg")
    parent.close()
    parent.deleteLater()
    process_events()


def save_scene(path: Path) -> None:
    """Saves the scene with all its data, as "File, Save" does (.mrb)."""
    import slicer

    if not slicer.util.saveScene(str(path), {}):
        raise OSError(f"{path.name} could not be written.")


def load_scene(path: Path) -> None:
    """Closes the scene and loads the one in `path`, as a user would."""
    core().close_scene()
    process_events()
    if not application().coreIOManager().loadScene(str(path), True):
        raise OSError(f"{path.name} could not be read.")


def close() -> None:
    """Takes everything down in the order in which Slicer does, so that the interpreter can end."""
    if not _running:
        return
    import shutil

    import slicer

    drop_widget()
    process_events()
    slicer.mrmlScene = None
    _running["restore"]()
    running = dict(_running)
    _running.clear()
    running["window"].close()
    gc.collect()
    running["core"].close()
    shutil.rmtree(running["settings"], ignore_errors=True)
