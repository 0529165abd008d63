"""The result that is shown: how certain it is, where it is cut, and its lesions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from ParetoSegLib.core.errors import ParetoSegError
from ParetoSegLib.core.free_memory import collect_and_give_back
from ParetoSegLib.measure.lesions import Lesion
from ParetoSegPanel.choices import (
    CONTOURS,
    CORE,
    HEAT,
    OFF,
    RESULT_ATTRIBUTE,
    Choice,
    region_choices,
    view_choices,
)
from ParetoSegPanel.confidence_view import DEFAULT_OPACITY, ConfidenceView
from ParetoSegPanel.contour_key import Line, lines_of, show_key
from ParetoSegPanel.lesion_export import export_lesions
from ParetoSegPanel.lesion_navigation import LesionNavigator
from ParetoSegPanel.lesion_table import LesionTable
from ParetoSegPanel.result_nodes import CaseNodes
from ParetoSegPanel.wording import counted, region_name

HALF = 0.5

REST_MS = 300
"""Without a move for so long the α slider is at rest, and the 3-D surfaces follow."""


class ResultSection:
    """Result, confidence and lesions.

    Args:
        ui: the widgets of the panel.
        change: sets a parameter by its name.
        say: shows a sentence; the flag says whether something failed.
    """

    def __init__(
        self, ui: Any, change: Callable[[str, Any], None], say: Callable[[str, bool], None]
    ) -> None:
        self._ui = ui
        self._change = change
        self._say = say
        self._case: CaseNodes | None = None
        self._view: ConfidenceView | None = None
        self._refused: str | None = None
        self._lesions: tuple[Lesion, ...] = ()
        self._shown: tuple[Any, ...] | None = None
        self._alpha: float | None = None
        self._view_choice = Choice(ui.viewSelector, self._on_view)
        self._region_choice = Choice(ui.regionSelector, lambda value: change("region", value))
        self.table = LesionTable(ui, self._look_at, self._on_ticked, self._on_order)
        self._rest = qt.QTimer()
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST_MS)
        self._rest.connect("timeout()", self._on_rest)
        ui.resultSelector.addAttribute("vtkMRMLSegmentationNode", RESULT_ATTRIBUTE)
        ui.thresholdRange.connect("valuesChanged(double,double)", self._on_range)
        ui.resetAlphaButton.connect("clicked()", lambda: change("alpha", HALF))
        ui.removeResultButton.connect("clicked()", self._on_remove)
        ui.exportButton.connect("clicked()", self._on_export)
        ui.releaseButton.connect("clicked()", self._on_release)
        ui.lesionTable.selectionModel().connect(
            "selectionChanged(QItemSelection,QItemSelection)", lambda: self._show_held()
        )

    @property
    def case(self) -> CaseNodes | None:
        """The nodes of the result that is shown."""
        return self._case

    def show(self, parameters: Any) -> None:
        """Show what the parameters say; only what differs from before is done."""
        is_new = self._meet(parameters.result)
        if is_new:
            # Each result keeps its own α.
            self._change("alpha", self._alpha)
        case, view = self._case, self._view
        regions = case.regions if case is not None else ()
        region = parameters.region if parameters.region in regions else _likely(regions)
        self._region_choice.offer(region_choices(regions), region)
        self._view_choice.offer(view_choices(), parameters.confidenceView)
        self._ui.thresholdRange.setValues(parameters.lowest, parameters.highest)
        self._enable(parameters.confidenceView)
        hidden = case.hidden if case is not None else ()
        self.table.sort_by(parameters.sortedBy, parameters.sortedDown)
        self.table.show(self._lesions, parameters.candidates, hidden)
        if is_new and case is not None:
            self.table.select(LesionNavigator(case).current)
        self._describe(parameters.candidates)
        if view is not None:
            try:
                self._show_view(view, parameters, region)
                if parameters.alpha != self._alpha:
                    self._alpha = parameters.alpha
                    view.set_alpha(parameters.alpha)
                    self._rest.start()
                    self._show_held()
            except ParetoSegError as error:
                self._say(str(error), True)
        self._name_lines()

    def leave(self) -> None:
        """Take the view away and forget the result; the user's own layers are back."""
        self._rest.stop()
        if self._view is not None:
            self._view.hide()
        self._case = self._view = self._shown = self._alpha = None
        self._lesions = ()
        self.table.show(self._lesions, False)
        self._name_lines()

    def _meet(self, node: Any) -> bool:
        """Take up another result, or none; whether there is a new one."""
        before = self._case
        if before is not None:
            shown = before.record.segmentation
            if shown is not None and node is not None and shown.GetID() == node.GetID():
                return False
            self.leave()
            if shown is None:  # deleted by hand: what belongs to it goes too
                before.remove()
        if node is None or node.GetID() == self._refused:
            return False
        try:
            self._case = CaseNodes.of(node)
        except ParetoSegError as error:
            self._refused = node.GetID()  # said once
            self._say(str(error), True)
            return False
        self._refused = None
        self._lesions = self._case.lesions
        self._view = ConfidenceView(self._case)
        self._alpha = self._case.alpha
        return True

    def _show_view(self, view: ConfidenceView, parameters: Any, region: str) -> None:
        wanted = (
            parameters.confidenceView,
            region,
            parameters.opacity,
            (parameters.lowest, parameters.highest),
        )
        if wanted == self._shown:
            return
        if parameters.confidenceView == OFF:
            view.hide()
        else:
            view.show(*wanted)
        self._shown = wanted

    def _name_lines(self) -> None:
        """Say which outline is which, while there are outlines."""
        view = self._view
        lines: tuple[Line, ...] = ()
        if view is not None and view.mode == CONTOURS:
            lines = lines_of(view.case, view.region)
        show_key(self._ui.keyTitleLabel, self._ui.keyLabel, lines)

    def _enable(self, view: str) -> None:
        there = self._case is not None
        ui = self._ui
        for widget in (
            ui.removeResultButton,
            ui.viewSelector,
            ui.alphaSlider,
            ui.resetAlphaButton,
            ui.exportButton,
            ui.candidatesBox,
            ui.lesionTable,
        ):
            widget.enabled = there
        for widget in (ui.regionSelector, ui.opacitySlider):
            widget.enabled = there and view != OFF
        for widget in (ui.thresholdLabel, ui.thresholdRange):
            widget.visible = view == HEAT

    def _describe(self, candidates: bool) -> None:
        if self._case is None:
            self._ui.lesionsLabel.text = _("No result yet.")
            self._ui.lesionNoteLabel.visible = False
            return
        case = self._case
        self._ui.lesionsLabel.text = _("{count}. Measured on the {region}.").format(
            count=counted(len(case.found), len(case.candidates)), region=region_name(case.region)
        )
        told = case.facts.get("notes")
        notes = [str(note) for note in told] if isinstance(told, list) else []
        if case.candidates:
            notes.append(
                _("? marks candidates: suspected, not segmented unless ticked.")
                if candidates
                else _("Candidates (suspected, not segmented) are hidden.")
            )
        held = self._view.held if self._view is not None else ()
        if held:
            notes.append(
                _("Edited by hand, and left as they are by the slider: {numbers}.").format(
                    numbers=", ".join(map(str, held))
                )
            )
        self._ui.lesionNoteLabel.text = " ".join(notes)
        self._ui.lesionNoteLabel.visible = bool(notes)

    def _show_held(self) -> None:
        """Say which lesions were edited by hand, and offer to undo that for the selected one."""
        held = self._view.held if self._view is not None else ()
        selected = self.table.selected
        self._ui.releaseButton.visible = selected is not None and selected.number in held

    def _look_at(self, lesion: Lesion) -> None:
        if self._case is not None:
            LesionNavigator(self._case).centre_on(lesion.number)

    def _on_ticked(self, lesion: Lesion, part: bool) -> None:
        if self._view is None or self._case is None:
            return
        try:
            self._view.set_shown(lesion.number, part)
        except ParetoSegError as error:
            self._say(str(error), True)

    def _on_order(self, order: str, falling: bool) -> None:
        self._change("sortedBy", order)
        self._change("sortedDown", falling)

    def _on_release(self) -> None:
        selected = self.table.selected
        if self._view is not None and selected is not None:
            self._view.release(selected.number)
            self._show_held()

    def _on_rest(self) -> None:
        if self._view is not None:
            self._view.settle()

    def _on_view(self, value: str) -> None:
        self._change("confidenceView", value)
        self._change("opacity", DEFAULT_OPACITY[value])

    def _on_range(self, lowest: float, highest: float) -> None:
        self._change("lowest", float(lowest))
        self._change("highest", float(highest))

    def _on_remove(self) -> None:
        case = self._case
        if case is None:
            return
        if slicer.util.confirmOkCancelDisplay(
            _("Remove the result {name} with its lesions?").format(name=case.name),
            windowTitle=_("ParetoSeg: remove result"),
        ):
            self.leave()
            self._change("result", None)
            case.remove()
            # Once views and lists have let go of it.
            qt.QTimer.singleShot(REST_MS, collect_and_give_back)

    def _on_export(self) -> None:
        if self._case is None:
            return
        title = _("Choose a folder; the lesions go into a new folder inside it")
        folder = qt.QFileDialog.getExistingDirectory(self._ui.exportButton, title)
        if not folder:
            return
        try:
            written = export_lesions(self._case, Path(folder))
        except ParetoSegError as error:
            self._say(str(error), True)
        else:
            self._say(_("Written: {folder}").format(folder=written.name), False)


def _likely(regions: tuple[str, ...]) -> str:
    """The region to begin with: the tumour core, else the largest that there is."""
    if CORE in regions or not regions:
        return CORE
    return regions[-1]
