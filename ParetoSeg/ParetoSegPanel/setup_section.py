"""Installing packages, the command that trains, and the choice of another Python."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _

from ParetoSegLib.core.errors import ParetoSegError
from ParetoSegPanel.install import Outcome, install
from ParetoSegPanel.other_python import choose_other_python, other_python, python_program
from ParetoSegPanel.packages import RUNTIME, TRAINING, PackageState, explanation, package_state
from ParetoSegPanel.training_command import install_command, library_folder, training_command


class SetupSection:
    """The install box at the top and the training section at the bottom.

    Args:
        ui: the widgets of the panel.
        changed: called when packages were installed or another Python was chosen.
        say: shows a sentence; the flag says whether something failed.
    """

    def __init__(
        self, ui: Any, changed: Callable[[], None], say: Callable[[str, bool], None]
    ) -> None:
        self._ui = ui
        self._changed = changed
        self._say = say
        self._state: PackageState | None = None
        self._with_installation = False
        ui.installButton.connect("clicked()", lambda: self._install(RUNTIME))
        ui.installTrainingButton.connect("clicked()", self._install_training)
        ui.copyCommandButton.connect("clicked()", self._on_copy)
        ui.pythonPath.currentPath = other_python()
        ui.pythonPath.connect("currentPathChanged(QString)", self._on_python)
        for path in (ui.trainDataPath, ui.trainRunPath):
            path.connect("currentPathChanged(QString)", lambda: self._write_command())
        self._write_command()

    @property
    def complete(self) -> bool:
        """Whether the packages that segmenting needs are there; another Python is trusted."""
        if other_python():
            return True
        if self._state is None:
            self._state = package_state()
        return self._state.complete

    def show(self) -> None:
        """Show the install box where something is missing."""
        complete = self.complete
        self._ui.installFrame.visible = not complete
        if complete or self._state is None:
            return
        self._ui.installLabel.text = self._state.blocked or explanation(self._state.missing)
        self._ui.installButton.visible = not self._state.blocked

    def look_again(self) -> None:
        """Packages may have come or gone: ask again when it matters."""
        self._state = None

    def _install(self, file: str) -> None:
        try:
            outcome = install(file)
        except ParetoSegError as error:
            self._say(str(error), True)
        else:
            self._say(_words(outcome), False)
        self.look_again()
        self._changed()

    def _install_training(self) -> None:
        """For Slicer's own Python; into another one only its user can install."""
        if not other_python():
            self._install(TRAINING)
            return
        self._with_installation = True
        self._write_command()
        self._say(
            _(
                "Nothing was installed: another Python is chosen. The command below now begins "
                "with what installs the packages into that Python; paste it into a terminal."
            ),
            False,
        )

    def _on_python(self, path: str) -> None:
        if path and not Path(path).is_file():
            return  # half typed
        choose_other_python(path)
        self._with_installation = False
        self.look_again()
        self._write_command()
        self._changed()

    def _on_copy(self) -> None:
        qt.QApplication.clipboard().setText(self._ui.trainCommand.plainText)

    def _write_command(self) -> None:
        python = python_program()
        command = training_command(
            python,
            str(library_folder()),
            self._ui.trainDataPath.currentPath,
            self._ui.trainRunPath.currentPath,
        )
        if self._with_installation:
            command = f"{install_command(python)}\n{command}"
        self._ui.trainCommand.setPlainText(command)


def _words(outcome: Outcome) -> str:
    return {
        Outcome.COMPLETE: _("Everything that is needed is installed."),
        Outcome.DECLINED: _("Nothing was installed."),
        Outcome.RESTART: _("The PyTorch extension was installed; restart Slicer and come back."),
    }[outcome]
