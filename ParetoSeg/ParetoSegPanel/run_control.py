"""One button that segments and cancels, a bar with the stage and the time left, and a log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slicer.i18n import tr as _

from ParetoSegPanel.inputs import BAD, GOOD
from ParetoSegPanel.wording import seconds_text

STEPS = 1000
"""Of the progress bar."""


class RunControl:
    """The button, the bar, the line of status and the log.

    Args:
        ui: the widgets of the panel.
        start: called when the user wants to segment.
        cancel: called when the user wants to stop.
    """

    def __init__(self, ui: Any, start: Callable[[], None], cancel: Callable[[], None]) -> None:
        self._ui = ui
        self._start = start
        self._cancel = cancel
        self._running = False
        self._ready = False
        ui.segmentButton.connect("clicked()", self._on_button)

    @property
    def running(self) -> bool:
        """Whether a request is under way."""
        return self._running

    def ready(self, ready: bool, why_not: str = "") -> None:
        """Whether the button may start anything; ``why_not`` becomes its tool tip."""
        self._ready = ready
        if not self._running:
            self._ui.segmentButton.enabled = ready
            self._ui.segmentButton.toolTip = (
                _("Segment the chosen images. Press again to cancel; the scene is then as it was.")
                if ready
                else why_not
            )

    def started(self) -> None:
        """Show that work has begun."""
        self._running = True
        self._ui.segmentButton.text = _("Cancel")
        self._ui.segmentButton.toolTip = _("Stop; the scene stays as it was.")
        self._ui.segmentButton.enabled = True
        self._ui.logText.clear()
        self._ui.progressBar.value = 0
        self._ui.progressBar.setFormat(_("Starting"))
        self._ui.progressBar.visible = True
        self.say("")

    def progress(self, stage: str, fraction: float, seconds_left: float | None) -> None:
        """Show the stage, the fraction in [0, 1] and, if it is known, the time left."""
        if not self._running:
            return
        self._ui.progressBar.value = round(STEPS * min(max(fraction, 0.0), 1.0))
        words = stage_name(stage)
        if seconds_left is not None:
            words = _("{stage}, {time} left").format(stage=words, time=seconds_text(seconds_left))
        # Qt replaces %p and the like in this text.
        self._ui.progressBar.setFormat(words.replace("%", ""))

    def stopping(self) -> None:
        """Show that the request is being stopped; a second press changes nothing."""
        self._ui.segmentButton.enabled = False
        self._ui.progressBar.setFormat(_("Cancelling"))

    def ended(self, sentence: str, failed: bool = False) -> None:
        """Show the end of a request; ``sentence`` stays until the next one."""
        self._running = False
        self._ui.segmentButton.text = _("Segment")
        self._ui.progressBar.visible = False
        self.ready(self._ready)
        self.say(sentence, failed)

    def say(self, sentence: str, failed: bool = False) -> None:
        """One line under the button; nothing if it is empty."""
        self._ui.statusLabel.text = sentence
        self._ui.statusLabel.setStyleSheet(BAD if failed else GOOD)
        self._ui.statusLabel.visible = bool(sentence)

    def log(self, line: str) -> None:
        """Add a line to the log."""
        self._ui.logText.appendPlainText(line)

    def _on_button(self) -> None:
        if self._running:
            self._cancel()
        else:
            self._start()


def stage_name(stage: str) -> str:
    """A stage of the pipeline or the worker in the user's words; an unknown one as it is."""
    known = {
        "sending": _("Preparing the worker"),
        "loading": _("Loading the model"),
        "reading": _("Reading"),
        "preparing": _("Aligning and preparing"),
        "segmenting": _("Segmenting"),
        "restoring": _("Bringing back to the image's grid"),
        "measuring": _("Measuring lesions"),
        "receiving": _("Receiving"),
    }
    return known.get(stage, stage)
