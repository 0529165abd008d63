"""The application core as Slicer starts it: one real scene, its logics, its slice and 3-D views.

Everything here is slicer-core's own code; this file only puts the pieces together in the order
in which `qSlicerCoreApplication` does.
"""

from __future__ import annotations

import tempfile
from typing import Any

import slicer
import vtk

from .views import SliceView, ThreeDView

SLICE_VIEWS = {"Red": "Axial", "Yellow": "Sagittal", "Green": "Coronal"}


class SlicerCore:
    """The scene with every logic that the panel may ask for; `close` takes it all down in order."""

    def __init__(self) -> None:
        self.home = tempfile.TemporaryDirectory(prefix="slicer_home_", ignore_cleanup_errors=True)
        self.scene = slicer.vtkMRMLScene()
        self.application_logic = slicer.vtkSlicerApplicationLogic()
        self.application_logic.SetMRMLScene(self.scene)
        self.application_logic.SetTemporaryPath(self.home.name)
        self.scene.SetRootDirectory(self.home.name)
        self._start_file_cache()
        self.logics: dict[str, Any] = {}
        self._start_logics()
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(self.scene)
        self.application_logic.SetSliceLogics(vtk.vtkCollection())
        self.application_logic.SetViewLogics(vtk.vtkCollection())
        self._add_crosshair()
        self.slice_views = {
            name: SliceView(self.scene, self.application_logic, name, orientation)
            for name, orientation in SLICE_VIEWS.items()
        }
        self.three_d_view = ThreeDView(self.scene, self.application_logic)

    def close_scene(self) -> None:
        """What "File, Close scene" does: everything goes but the singletons (views, selection)."""
        self.scene.Clear(False)
        for view in self.slice_views.values():
            view.reset()

    def close(self) -> None:
        """Takes views, logics and scene down so that the interpreter can end."""
        for view in self.slice_views.values():
            view.close()
        self.three_d_view.close()
        self.application_logic.GetSliceLogics().RemoveAllItems()
        self.application_logic.GetViewLogics().RemoveAllItems()
        with _quiet():  # they are looked for once more
            for logic in reversed(self.logics.values()):
                logic.SetMRMLScene(None)
                logic.SetMRMLApplicationLogic(None)
        self.logics.clear()
        self.scene.Clear(True)
        self.application_logic.SetMRMLScene(None)
        self.home.cleanup()

    def _start_file_cache(self) -> None:
        cache = slicer.vtkCacheManager()
        cache.SetRemoteCacheDirectory(self.home.name)
        files = slicer.vtkDataIOManager()
        files.SetCacheManager(cache)
        self.scene.SetDataIOManager(files)
        self.scene.SetCacheManager(cache)

    def _start_logics(self) -> None:
        with _quiet():  # the wheel has neither the colour files nor the terminologies of Slicer
            self._start("Colors", slicer.vtkSlicerColorLogic())
            self._start("Terminologies", slicer.vtkSlicerTerminologiesModuleLogic())
        self.application_logic.SetColorLogic(self.logics["Colors"])
        self._start("SubjectHierarchy", slicer.vtkSlicerSubjectHierarchyModuleLogic())
        self._start("Units", slicer.vtkSlicerUnitsLogic())
        self._start("Volumes", slicer.vtkSlicerVolumesLogic())
        self._start("Segmentations", slicer.vtkSlicerSegmentationsModuleLogic())
        self._start("Models", slicer.vtkSlicerModelsLogic())
        self._start("Cameras", slicer.vtkSlicerCamerasModuleLogic())
        self._start("Markups", slicer.vtkSlicerMarkupsLogic())
        self._start("Tables", slicer.vtkSlicerTablesLogic())
        self._start("Texts", slicer.vtkSlicerTextsLogic())
        self._start("Transforms", slicer.vtkSlicerTransformLogic())

    def _start(self, name: str, logic: Any) -> None:
        logic.SetMRMLApplicationLogic(self.application_logic)
        self.application_logic.SetModuleLogic(name, logic)
        self.logics[name] = logic
        logic.SetMRMLScene(self.scene)

    def _add_crosshair(self) -> None:
        crosshair = slicer.vtkMRMLCrosshairNode()
        crosshair.SetCrosshairName("default")
        self.scene.AddNode(crosshair)


class _quiet:
    """Silences VTK's own log while something starts that is known to miss files."""

    def __enter__(self) -> None:
        vtk.vtkObject.GlobalWarningDisplayOff()

    def __exit__(self, *_: object) -> None:
        vtk.vtkObject.GlobalWarningDisplayOn()
