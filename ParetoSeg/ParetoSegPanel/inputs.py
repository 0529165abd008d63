"""The four image selectors: filled by name, judged at once, explained in two lines."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import slicer
from slicer.i18n import tr as _

from ParetoSegLib.core.errors import ParetoSegError
from ParetoSegLib.core.labels import MODALITIES, REFERENCE_ORDER
from ParetoSegPanel.expectation import expect
from ParetoSegPanel.geometry_check import check_geometry
from ParetoSegPanel.model_summary import ModelSummary
from ParetoSegPanel.sequence_guess import guess_sequences, study_of
from ParetoSegPanel.volumes import grid_of
from ParetoSegPanel.wording import sequence_name

GOOD, BAD = "", "color: #c0392b;"


@dataclass(frozen=True)
class InputState:
    """Args:
    volumes: the chosen volumes by modality.
    ready: whether they can be segmented.
    expectation: what the model will do, or why not.
    geometry: how the images fit together, or why not.
    fits: whether they do.
    """

    volumes: Mapping[str, Any]
    ready: bool
    expectation: str
    geometry: str
    fits: bool

    @property
    def reference(self) -> Any:
        """The volume whose grid the result is on; ``None`` without any."""
        return next((self.volumes[m] for m in REFERENCE_ORDER if m in self.volumes), None)


def chosen_volumes(parameters: Any) -> dict[str, Any]:
    """The volumes that the parameters name, by modality."""
    named = {m: getattr(parameters, m) for m in MODALITIES}
    return {m: volume for m, volume in named.items() if volume is not None}


def judge(volumes: Mapping[str, Any], model: ModelSummary | None) -> InputState:
    """Whether these volumes can be segmented with this model, and the sentences to show."""
    expected = expect(model, tuple(volumes))
    fits, sentence = _fit(volumes)
    return InputState(dict(volumes), expected.possible and fits, expected.sentence, sentence, fits)


def fill_by_name(parameters: Any) -> bool:
    """Choose the images of the study that is shown, by their names; whether anything changed."""
    found = guess_sequences(_volumes(), _shown_volume())
    return bool(found) and _choose(parameters, {m: found.get(m) for m in MODALITIES})


def fill_if_empty(parameters: Any) -> bool:
    """Choose the images of the newest study where nothing is chosen; whether anything changed."""
    return not chosen_volumes(parameters) and _choose(parameters, guess_sequences(_volumes()))


def fill_new(parameters: Any, new: Collection[str]) -> bool:
    """Add images that have just come, where they belong to what is chosen.

    What the user chose, or left empty on purpose before they came, stays.

    Args:
        parameters: to change.
        new: ids of volumes that were added to the scene.

    Returns:
        Whether anything changed.
    """
    chosen = chosen_volumes(parameters)
    if not chosen:
        return fill_if_empty(parameters)
    anchor = next(iter(chosen.values()))
    study = study_of(anchor)
    found = guess_sequences(_volumes(), anchor)
    return _choose(
        parameters,
        {
            modality: volume
            for modality, volume in found.items()
            if modality not in chosen and volume.GetID() in new and study_of(volume) == study
        },
    )


def _choose(parameters: Any, wanted: Mapping[str, Any]) -> bool:
    changed = {m: v for m, v in wanted.items() if getattr(parameters, m) is not v}
    with slicer.util.NodeModify(parameters.parameterNode):
        for modality, volume in changed.items():
            setattr(parameters, modality, volume)
    return bool(changed)


def _volumes() -> list[Any]:
    return list(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"))


class Inputs:
    """Shows an ``InputState`` under the selectors.

    Args:
        ui: the widgets of the panel.
    """

    def __init__(self, ui: Any) -> None:
        self._ui = ui

    def show(self, state: InputState) -> None:
        """Write the two lines; what stands in the way is red."""
        lines = (
            (self._ui.expectationLabel, state.expectation, state.ready or not state.fits),
            (self._ui.geometryLabel, state.geometry, state.fits or not state.volumes),
        )
        for label, text, good in lines:
            label.text = text
            # No red before anything was chosen: nothing is wrong yet.
            label.setStyleSheet(GOOD if good or not state.volumes else BAD)


def _fit(volumes: Mapping[str, Any]) -> tuple[bool, str]:
    """Whether the volumes can be read and fit together, and the sentence about it."""
    seen: dict[str, str] = {}
    grids = {}
    for modality, volume in volumes.items():
        twin = seen.setdefault(volume.GetID(), modality)
        if twin != modality:
            return False, _("{first} and {second} are the same image; choose each once.").format(
                first=sequence_name(twin), second=sequence_name(modality)
            )
        try:
            grids[modality] = grid_of(volume)
        except ParetoSegError as error:
            return False, str(error)
    verdict = check_geometry(grids)
    return verdict.fits, verdict.sentence


def _shown_volume() -> Any:
    """The volume in the background of the slice views; ``None`` if there is none."""
    node = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSliceCompositeNode")
    shown = node.GetBackgroundVolumeID() if node is not None else None
    return slicer.mrmlScene.GetNodeByID(shown) if shown else None
