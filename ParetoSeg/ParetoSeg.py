"""ParetoSeg in Slicer: segments brain metastases in MRI and shows where each boundary is certain.

The names that Slicer looks for, and nothing more: the panel is in ``ParetoSegPanel``, the computing
in ``ParetoSegLib``, which runs in a process of its own. From the Python console::

    from ParetoSeg import ParetoSegLogic
    case = ParetoSegLogic().segment({"t1c": getNode("T1c"), "t2f": getNode("FLAIR")})

For research use; not a medical device.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

OURS = ("ParetoSegPanel", "ParetoSegLib")


class ParetoSeg(ScriptedLoadableModule):
    """What Slicer shows of the module before it is opened."""

    def __init__(self, parent: Any) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        make_importable()
        from ParetoSegLib.core.project import CONTRIBUTORS, DISCLAIMER, HOMEPAGE
        from ParetoSegLib.core.resources import RESOURCES

        parent.title = "ParetoSeg"
        parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        parent.dependencies = []
        parent.contributors = [CONTRIBUTORS]
        parent.helpText = _(
            "Segments brain metastases in MRI and shows where each boundary is certain. "
            '{disclaimer} <p>See the <a href="{home}/blob/main/docs/slicer.md">tutorial</a>.</p>'
        ).format(disclaimer=DISCLAIMER, home=HOMEPAGE)
        parent.acknowledgementText = _(
            "Implements, in its own formulation, ideas of J. Zhang et al., Pareto-Guided "
            "Optimization for Uncertainty-Aware Medical Image Segmentation, arXiv:2601.19365."
        )
        # In the source tree the resources are not where Slicer looks for the icon.
        parent.icon = qt.QIcon(str(RESOURCES / "Icons" / "ParetoSeg.png"))
        slicer.app.connect("startupCompleted()", offer_sample_data)


class ParetoSegWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel's frame: loads it, and tells it when it is opened, left, and reloaded."""

    def __init__(self, parent: Any = None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)

    def setup(self) -> None:
        """Load the panel."""
        ScriptedLoadableModuleWidget.setup(self)
        make_importable()
        from ParetoSegPanel.panel import Panel

        from ParetoSegLib.core.resources import RESOURCES

        widget = slicer.util.loadUI(str(RESOURCES / "UI" / "ParetoSeg.ui"))
        self.layout.addWidget(widget)
        self.ui = slicer.util.childWidgetVariables(widget)
        widget.setMRMLScene(slicer.mrmlScene)
        self.logic = ParetoSegLogic()
        self.panel = Panel(self.ui, self.logic)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneEndImport)
        self.addObserver(scene, scene.NodeAddedEvent, self.onNodeAdded)

    def enter(self) -> None:
        """The user opens the module."""
        self.panel.enter()

    def exit(self) -> None:
        """The user leaves the module; work goes on."""
        self.panel.exit()

    def cleanup(self) -> None:
        """Slicer ends or the module is reloaded."""
        self.removeObservers()
        self.panel.remove()
        self.logic.shutdown()

    def onReload(self) -> None:
        """Developer mode: load all of our own code again, not this file alone."""
        for name in list(sys.modules):
            if name.partition(".")[0] in OURS:
                del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)

    def onSceneStartClose(self, caller: Any, event: Any) -> None:
        """The scene is about to be closed: its request is cancelled, the worker stays."""
        self.panel.leave_scene()

    def onSceneEndClose(self, caller: Any, event: Any) -> None:
        """The scene is empty."""
        self.panel.meet_scene(empty=True)

    def onSceneEndImport(self, caller: Any, event: Any) -> None:
        """A scene was loaded, or something was loaded into this one."""
        self.panel.meet_scene()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def onNodeAdded(self, caller: Any, event: Any, node: Any) -> None:
        """Something was added to the scene, perhaps an image."""
        self.panel.scene_grew(node)


class ParetoSegLogic(ScriptedLoadableModuleLogic):
    """Segments without the panel; needs no window."""

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        make_importable()
        self._client: Any = None
        self._parameters: Any = None

    def getParameterNode(self) -> Any:
        """What the panel remembers in this scene."""
        from ParetoSegPanel.parameters import ParetoSegParameters

        node = ScriptedLoadableModuleLogic.getParameterNode(self)
        if self._parameters is None or self._parameters.parameterNode is not node:
            wrapped: Any = ParetoSegParameters  # the decorator gives it its constructor
            self._parameters = wrapped(node)
        return self._parameters

    @property
    def client(self) -> Any:
        """The ``WorkerClient``; the worker itself starts with the first request."""
        if self._client is None:
            from ParetoSegPanel.other_python import make_client

            self._client = make_client()
        return self._client

    def segment(
        self,
        volumes: Mapping[str, Any],
        model: str | Path | None = None,
        device: str = "auto",
        waitForFinished: bool = True,
        segments: str = "regions",
        events: Any = None,
    ) -> Any:
        """Segment one patient.

        Args:
            volumes: scalar volume nodes by sequence: any of ``t1c``, ``t1n``, ``t2w``, ``t2f``.
            model: a model folder; the shipped model if none is named.
            device: ``auto``, ``cpu``, ``cuda:N`` or ``mps``.
            waitForFinished: return when the result is in the scene; Slicer stays alive meanwhile.
            segments: ``regions`` (ET, TC, WT) or ``parts`` (NETC, SNFH, ET).
            events: ``RunEvents`` that are told while the work goes on.

        Returns:
            The ``CaseNodes`` of the result, or at once the ``SegmentationRun``.

        Raises:
            ParetoSegError: one sentence that says what went wrong.
        """
        from ParetoSegPanel.model_choice import SHIPPED, model_folder
        from ParetoSegPanel.segmentation_run import RunEvents, SegmentationRun

        run = SegmentationRun(
            self.client,
            volumes,
            model_folder(SHIPPED if model is None else str(model)),
            device,
            segments,
            events or RunEvents(),
        )
        return run.wait() if waitForFinished else run

    def shutdown(self) -> None:
        """End the worker, if there is one."""
        if self._client is not None:
            self._client.shutdown()
            self._client = None


class ParetoSegTest(ScriptedLoadableModuleTest):
    """The panel's scenario inside Slicer: sample patient, segment, look, save, reload."""

    def setUp(self) -> None:
        """Start from an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        """Run the scenario."""
        self.setUp()
        make_importable()
        from ParetoSegPanel.scenario import run_or_skip

        run_or_skip(self.delayDisplay)


def make_importable() -> None:
    """Let ``import ParetoSegPanel`` and ``import ParetoSegLib`` work, installed or in the sources.

    Installed, both lie beside this file. In the source tree ParetoSegLib lies one folder higher.
    """
    here = Path(__file__).resolve().parent
    for package in OURS:
        for folder in (here, here.parent):
            if (folder / package / "__init__.py").is_file():
                if str(folder) not in sys.path:
                    sys.path.append(str(folder))
                break


def offer_sample_data() -> None:
    """Put the sample patient into the Sample Data module, once Slicer has started.

    Whatever is missing for that, Slicer's start must not be disturbed.
    """
    try:
        from ParetoSegPanel.sample_data import register_sample_data

        register_sample_data()
    except Exception:
        logging.exception("ParetoSeg's sample patient is not offered.")
