"""Which model: the one that ships, or a folder of the user's; its card is one click away."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _

from ParetoSegLib.core.errors import ModelFolderError
from ParetoSegLib.core.resources import RESOURCES, shipped_models
from ParetoSegPanel.choices import Choice
from ParetoSegPanel.model_summary import ModelSummary, read_card, read_summary

SHIPPED = ""
"""The value of ``modelFolder`` that stands for the first shipped model."""


class ModelChoice:
    """The model selector, the folder chooser and the card.

    Args:
        ui: the widgets of the panel.
        chosen: called with the new value of ``modelFolder``.
        resources: where the shipped models lie.
    """

    def __init__(self, ui: Any, chosen: Callable[[str], None], resources: Path = RESOURCES) -> None:
        self._ui = ui
        self._chosen = chosen
        self._resources = resources
        self._folder = SHIPPED
        self._summary: ModelSummary | None = None
        self._problem = ""
        self._read: str | None = None
        self._choice = Choice(ui.modelSelector, chosen)
        ui.modelFolderButton.connect("clicked()", self._on_folder)
        ui.modelCardButton.connect("toggled(bool)", self._on_card)

    def show(self, folder: str) -> None:
        """Show a value of ``modelFolder``; the folder is read again only when it changes."""
        if folder != self._read:
            self._read = folder
            self._summary, self._problem = self._look(folder)
            self._show_card()
        self._choice.offer(self._choices(folder), folder)
        self._ui.modelCardButton.enabled = self._summary is not None
        self._ui.modelSelector.toolTip = self._problem or _("The model that segments the images.")

    @property
    def summary(self) -> ModelSummary | None:
        """The chosen model; ``None`` if there is none that can be read."""
        return self._summary

    @property
    def problem(self) -> str:
        """Why there is no model, as one sentence; empty if there is one."""
        return self._problem

    def _look(self, folder: str) -> tuple[ModelSummary | None, str]:
        try:
            return read_summary(model_folder(folder, self._resources)), ""
        except ModelFolderError as error:
            return None, str(error)

    def _choices(self, folder: str) -> list[tuple[str, str]]:
        choices = []
        for number, path in enumerate(shipped_models(self._resources)):
            words = _("{name} (comes with ParetoSeg)").format(name=path.name)
            choices.append((SHIPPED if number == 0 else str(path), words))
        if not choices:
            choices.append((SHIPPED, _("none ships with this version: choose a folder")))
        if folder not in [value for value, _words in choices]:
            name = self._summary.name if self._summary is not None else _("unusable folder")
            words = _("{name} (folder {folder})").format(name=name, folder=Path(folder).name)
            choices.append((folder, words))
        return choices

    def _on_folder(self) -> None:
        title = _("Choose a model folder")
        chosen = qt.QFileDialog.getExistingDirectory(self._ui.modelFolderButton, title)
        if chosen:
            self._read = None
            self._chosen(str(chosen))

    def _on_card(self, shown: bool) -> None:
        self._show_card()
        self._ui.modelCardText.visible = shown

    def _show_card(self) -> None:
        """Plain text in a plain-text widget: no link in it can be followed, nothing is rendered."""
        if not self._ui.modelCardButton.checked:
            return
        try:
            text = read_card(self._summary.folder) if self._summary is not None else self._problem
        except ModelFolderError as error:
            text = str(error)
        self._ui.modelCardText.setPlainText(text)


def model_folder(value: str, resources: Path = RESOURCES) -> Path:
    """The folder that a value of ``modelFolder`` stands for.

    Raises:
        ModelFolderError: the shipped model is meant and none ships.
    """
    if value != SHIPPED:
        return Path(value)
    shipped = shipped_models(resources)
    if not shipped:
        raise ModelFolderError(
            _("No model ships with this version; choose a model folder, or train a model.")
        )
    return shipped[0]
