"""The panel: its sections, what they share, and the order in which things happen.

One rule keeps it simple: whatever the user does changes a parameter in the scene, and whatever the
panel shows follows from the parameters. ``refresh`` runs once for any number of changes.
"""

from __future__ import annotations

from typing import Any, Protocol

import qt
import slicer
import vtk
from slicer.i18n import tr as _

from ParetoSegLib.core.errors import ParetoSegError
from ParetoSegLib.core.project import HOMEPAGE
from ParetoSegPanel.choices import Choice, segment_choices
from ParetoSegPanel.device_choice import DeviceChoice
from ParetoSegPanel.inputs import (
    Inputs,
    InputState,
    chosen_volumes,
    fill_by_name,
    fill_if_empty,
    fill_new,
    judge,
)
from ParetoSegPanel.keyboard import NEXT_KEY, PREVIOUS_KEY, Keys
from ParetoSegPanel.lesion_table import LesionTable
from ParetoSegPanel.model_choice import ModelChoice, model_folder
from ParetoSegPanel.result_section import ResultSection
from ParetoSegPanel.run_control import RunControl
from ParetoSegPanel.segmentation_run import RunEvents
from ParetoSegPanel.setup_section import SetupSection
from ParetoSegPanel.watch_box import WatchBox
from ParetoSegPanel.wording import counted

TUTORIAL = f"{HOMEPAGE}/blob/main/docs/slicer.md"

PACKAGES_MISSING = "packages"
"""The worker's error code for a package that cannot be imported."""


KEPT = (
    *("modelFolder", "device", "segments", "confidenceView", "opacity", "candidates"),
    *("sortedBy", "sortedDown"),
)
"""What the user's next patient starts with when a scene is closed."""


class Logic(Protocol):
    """What the panel needs of ``ParetoSegLogic``."""

    @property
    def client(self) -> Any:
        """The ``WorkerClient``."""

    def getParameterNode(self) -> Any:
        """The parameters of this scene."""

    def segment(self, volumes: Any, model: Any, device: str, **options: Any) -> Any:
        """Start or do a segmentation."""

    def shutdown(self) -> None:
        """End the worker."""


class Panel:
    """Everything between the widgets and the logic.

    Args:
        ui: the named widgets of ``ParetoSeg.ui``.
        logic: starts runs and knows the parameters.
    """

    def __init__(self, ui: Any, logic: Logic) -> None:
        self._ui = ui
        self._logic = logic
        self._parameters: Any = None
        self._connection: Any = None
        self._observation: int | None = None
        self._run: Any = None
        self._state: InputState | None = None
        self._entered = False
        self._asked_for_devices = False
        self._new: set[str] = set()
        self._kept: dict[str, Any] = {}
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(0)
        self._timer.connect("timeout()", self.refresh)

        ui.helpLabel.text = f'<a href="{TUTORIAL}">{_("Help")}</a>'
        self._watch_box = WatchBox(ui.watchBoxPlace)
        self._inputs = Inputs(ui)
        self._model = ModelChoice(ui, lambda value: self._change("modelFolder", value))
        self._device = DeviceChoice(ui, lambda value: self._change("device", value))
        self._segments = Choice(ui.segmentsSelector, lambda value: self._change("segments", value))
        self._control = RunControl(ui, self.start, self.cancel)
        self._results = ResultSection(ui, self._change, self._control.say)
        self._setup = SetupSection(ui, self._setup_changed, self._control.say)
        self._keys = Keys(
            {NEXT_KEY: self._results.table.next, PREVIOUS_KEY: self._results.table.previous}
        )
        ui.fillButton.connect("clicked()", self._on_fill)
        self._meet_parameters()

    @property
    def parameters(self) -> Any:
        """What the scene remembers; ``None`` while there is no scene."""
        return self._parameters

    @property
    def running(self) -> bool:
        """Whether a request is under way."""
        return self._control.running

    @property
    def state(self) -> InputState | None:
        """The inputs as they were last judged."""
        return self._state

    @property
    def case(self) -> Any:
        """The nodes of the result that is shown."""
        return self._results.case

    @property
    def table(self) -> LesionTable:
        """The lesions as they are listed."""
        return self._results.table

    # What Slicer tells.

    def enter(self) -> None:
        """The module is opened."""
        self._entered = True
        self._setup.look_again()
        self._keys.listen(True)
        self._meet_parameters()
        fill_if_empty(self._parameters)
        self.refresh()

    def exit(self) -> None:
        """The module is left; a run goes on and its result will be there on return."""
        self._entered = False
        self._keys.listen(False)

    def leave_scene(self) -> None:
        """The scene is about to be closed."""
        self._stop()
        if self._control.running:
            self._control.ended(_("Cancelled: the scene was closed."))
        self._results.leave()
        if self._parameters is not None:
            self._kept = {name: getattr(self._parameters, name) for name in KEPT}
        self._leave_parameters()

    def meet_scene(self, empty: bool = False) -> None:
        """Another scene is there.

        Args:
            empty: nothing was loaded: what the user chose for the last patient stays.
        """
        self._results.leave()
        self._leave_parameters()
        self._meet_parameters()
        if empty:
            for name, value in self._kept.items():
                setattr(self._parameters, name, value)
        if self._entered:
            fill_if_empty(self._parameters)
        self.later()

    def scene_grew(self, node: Any) -> None:
        """A node was added; an image of the chosen study is filled in soon, once it has a name."""
        if node is not None and node.IsA("vtkMRMLScalarVolumeNode"):
            self._new.add(node.GetID())
            self.later()

    def remove(self) -> None:
        """The panel goes away for good."""
        self._stop()
        self._timer.stop()
        self._keys.remove()
        self._results.leave()
        self._leave_parameters()

    # What the user does.

    def start(self) -> None:
        """Segment the chosen images."""
        self.refresh()
        state = self._state
        if self._control.running or state is None or not state.ready or not self._setup.complete:
            return
        self._control.started()
        events = RunEvents(
            self._control.progress, self._on_finished, self._on_failed, self._control.log
        )
        try:
            self._run = self._logic.segment(
                state.volumes,
                self._parameters.modelFolder or None,
                self._parameters.device,
                waitForFinished=False,
                segments=self._parameters.segments,
                events=events,
            )
        except ParetoSegError as error:
            self._control.ended(str(error), failed=True)

    def cancel(self) -> None:
        """Stop the run; the scene stays as it was."""
        if self._run is not None:
            self._control.stopping()
            self._stop()
        self._control.ended(_("Cancelled; nothing was changed."))

    # How things follow from the parameters.

    def later(self) -> None:
        """Refresh once, when Slicer has finished what it is doing."""
        if not self._timer.active:
            self._timer.start()

    def refresh(self) -> None:
        """Show what the parameters say."""
        parameters = self._parameters
        if parameters is None or slicer.mrmlScene.IsClosing() or slicer.mrmlScene.IsImporting():
            return
        if self._new:
            new, self._new = self._new, set()
            if self._entered:
                fill_new(parameters, new)
        self._setup.show()
        self._model.show(parameters.modelFolder)
        self._device.show(parameters.device)
        self._segments.offer(segment_choices(), parameters.segments)
        state = judge(chosen_volumes(parameters), self._model.summary)
        if self._model.problem and state.volumes:
            state = InputState(
                state.volumes, False, self._model.problem, state.geometry, state.fits
            )
        self._state = state
        self._inputs.show(state)
        self._watch_box.show(state.reference)
        complete = self._setup.complete
        why_not = state.expectation if state.fits else state.geometry
        if not complete:
            why_not = _("Install what is missing first; see the top of this panel.")
        self._control.ready(state.ready and complete, why_not or state.expectation)
        self._results.show(parameters)
        if state.ready and complete and self._entered and not self._asked_for_devices:
            # Images are chosen: a run is near, and the worker needs seconds to load PyTorch.
            self._asked_for_devices = True
            self._warm_up(parameters.modelFolder)

    # Inside.

    def _warm_up(self, folder: str) -> None:
        try:
            client = self._logic.client
            client.ask_devices(self._device.found)
            client.load(model_folder(folder))
        except ParetoSegError as error:
            self._control.say(str(error), True)

    def _meet_parameters(self) -> None:
        node = self._logic.getParameterNode()
        if self._parameters is not None:
            if self._parameters.parameterNode is node.parameterNode:
                return
            self._leave_parameters()
        self._parameters = node
        # Not connectGui: in Slicer 5.10 it does not say what disconnectGui needs to know.
        self._connection = node.connectParametersToGui(_named_widgets(self._ui))
        self._observation = node.AddObserver(
            vtk.vtkCommand.ModifiedEvent, lambda caller, event: self.later()
        )
        self.later()

    def _leave_parameters(self) -> None:
        if self._parameters is None:
            return
        self._parameters.disconnectGui(self._connection)
        self._parameters.RemoveObserver(self._observation)
        self._parameters = self._connection = self._observation = None

    def _change(self, name: str, value: Any) -> None:
        if self._parameters is not None:
            setattr(self._parameters, name, value)

    def _on_fill(self) -> None:
        if self._parameters is not None and not fill_by_name(self._parameters):
            self._control.say(_("No image's name says which sequence it is."), False)

    def _setup_changed(self) -> None:
        self._stop()
        if self._control.running:
            self._control.ended(_("Cancelled."))
        self._logic.shutdown()
        self._asked_for_devices = False
        self.later()

    def _stop(self) -> None:
        run, self._run = self._run, None
        if run is not None:
            run.cancel()

    def _on_finished(self, case: Any) -> None:
        self._run = None
        self._control.ended(
            _("Done: {count}. Check every contour.").format(
                count=counted(len(case.found), len(case.candidates))
            )
        )
        if self._parameters is None:
            return
        self._parameters.result = case.segmentation
        self.refresh()

    def _on_failed(self, code: str, sentence: str) -> None:
        self._run = None
        if code == PACKAGES_MISSING:
            self._setup.look_again()
        self._control.ended(sentence, failed=True)
        self.later()


def _named_widgets(ui: Any) -> dict[str, Any]:
    """The widgets that show one parameter each, by its name."""
    named = {w.property("SlicerParameterName"): w for w in vars(ui).values()}
    return {name: widget for name, widget in named.items() if name}
