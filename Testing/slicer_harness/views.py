"""Offscreen slice and 3-D views: Slicer's slice logic and displayable managers, drawn to an array.

What Slicer's `qMRMLSliceView` and `qMRMLThreeDView` add to these in C++ is a Qt widget around the
render window; the picture inside is made by the same classes as here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

SLICE_MANAGERS = (
    "vtkMRMLVolumeGlyphSliceDisplayableManager",
    "vtkMRMLModelSliceDisplayableManager",
    "vtkMRMLCrosshairDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager2D",
    "vtkMRMLColorLegendDisplayableManager",
    "vtkMRMLMarkupsDisplayableManager",
)
THREE_D_MANAGERS = (
    "vtkMRMLCameraDisplayableManager",
    "vtkMRMLViewDisplayableManager",
    "vtkMRMLModelDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager3D",
    "vtkMRMLColorLegendDisplayableManager",
)


class SliceView:
    """A slice viewer (Red, Yellow, Green): `render` returns what it shows."""

    def __init__(self, scene: Any, application_logic: Any, name: str, orientation: str) -> None:
        self.name = name
        self.orientation = orientation
        self.renderer, self.window, self.interactor = _offscreen_window()
        self.logic = slicer.vtkMRMLSliceLogic()
        self.logic.SetMRMLApplicationLogic(application_logic)
        application_logic.GetSliceLogics().AddItem(self.logic)
        self.logic.SetMRMLScene(scene)
        self.node = self.logic.AddSliceNode(name)
        self.composite = self.logic.GetSliceCompositeNode()
        self.managers = _managers(
            slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance(),
            SLICE_MANAGERS,
            application_logic,
            self.renderer,
        )
        self.managers.SetMRMLDisplayableNode(self.node)
        self.renderer.AddViewProp(self._image_actor())
        self.reset()

    def reset(self) -> None:
        """Puts the view back as it is in a fresh scene."""
        self.node.SetOrientation(self.orientation)
        self._resize((400, 400))

    def render(self, size: tuple[int, int] = (400, 400)) -> np.ndarray:
        """The view as a uint8 RGB array (height, width, 3), first row on top."""
        self._resize(size)
        return _picture(self.window)

    def close(self) -> None:
        """Drops every reference between the view, the scene and the graphics context."""
        self.managers.SetMRMLDisplayableNode(None)
        self.renderer.RemoveAllViewProps()
        self.logic.SetMRMLScene(None)
        self.logic.SetMRMLApplicationLogic(None)
        self.window.Finalize()

    def _resize(self, size: tuple[int, int]) -> None:
        if tuple(self.window.GetSize()) == size:
            return
        self.window.SetSize(*size)
        self.logic.ResizeSliceNode(*size)

    def _image_actor(self) -> Any:
        # 255 and 127.5 leave the blended image as the slice logic made it.
        mapper = vtk.vtkImageMapper()
        mapper.SetColorWindow(255)
        mapper.SetColorLevel(127.5)
        mapper.SetInputConnection(self.logic.GetImageDataConnection())
        actor = vtk.vtkActor2D()
        actor.SetMapper(mapper)
        actor.GetProperty().SetDisplayLocationToBackground()
        self.logic.AddObserver(
            vtk.vtkCommand.ModifiedEvent,
            lambda *_: mapper.SetInputConnection(self.logic.GetImageDataConnection()),
        )
        return actor


class ThreeDView:
    """The 3-D view "1": `render` returns what it shows."""

    def __init__(self, scene: Any, application_logic: Any) -> None:
        self.renderer, self.window, self.interactor = _offscreen_window()
        self.logic = slicer.vtkMRMLViewLogic()
        self.logic.SetMRMLApplicationLogic(application_logic)
        application_logic.GetViewLogics().AddItem(self.logic)
        self.logic.SetMRMLScene(scene)
        self.node = self.logic.AddViewNode("1")
        self.managers = _managers(
            slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance(),
            THREE_D_MANAGERS,
            application_logic,
            self.renderer,
        )
        self.managers.SetMRMLDisplayableNode(self.node)

    def render(self, size: tuple[int, int] = (400, 400)) -> np.ndarray:
        """The view as a uint8 RGB array (height, width, 3), first row on top."""
        self.window.SetSize(*size)
        return _picture(self.window)

    def reset_focal_point(self) -> None:
        """Moves the camera so that everything visible fits in the view."""
        self.renderer.ResetCamera()

    def close(self) -> None:
        """Drops every reference between the view, the scene and the graphics context."""
        self.managers.SetMRMLDisplayableNode(None)
        self.renderer.RemoveAllViewProps()
        self.logic.SetMRMLScene(None)
        self.logic.SetMRMLApplicationLogic(None)
        self.window.Finalize()


def _offscreen_window() -> tuple[Any, Any, Any]:
    renderer = vtk.vtkRenderer()
    window = vtk.vtkRenderWindow()
    window.SetOffScreenRendering(1)
    window.SetMultiSamples(0)
    window.AddRenderer(renderer)
    interactor = vtk.vtkGenericRenderWindowInteractor()
    interactor.SetRenderWindow(window)
    return renderer, window, interactor


def _managers(factory: Any, names: tuple[str, ...], application_logic: Any, renderer: Any) -> Any:
    factory.SetMRMLApplicationLogic(application_logic)
    for name in names:
        if not factory.IsDisplayableManagerRegistered(name):
            factory.RegisterDisplayableManager(name)
    group = slicer.vtkMRMLDisplayableManagerGroup()
    group.Initialize(factory, renderer)
    return group


def _picture(window: Any) -> np.ndarray:
    window.Render()
    grab = vtk.vtkWindowToImageFilter()
    grab.SetInput(window)
    grab.ReadFrontBufferOff()
    grab.Update()
    image = grab.GetOutput()
    width, height, _ = image.GetDimensions()
    pixels = vtk_to_numpy(image.GetPointData().GetScalars())
    return pixels.reshape(height, width, -1)[::-1, :, :3].copy()
