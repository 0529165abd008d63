"""How a request ended that brought no result: a code of ``ERROR_CODES`` and a sentence."""

from __future__ import annotations

from slicer.i18n import tr as _

from ParetoSegLib.core.errors import ParetoSegError
from ParetoSegLib.service.protocol import CANCELLED, CRASHED, INTERNAL, START, code_of
from ParetoSegPanel.worker_process import StartError

CodeAndSentence = tuple[str, str]


def stopped() -> CodeAndSentence:
    """The user cancelled."""
    return CANCELLED, _("Stopped; nothing was changed.")


def ended() -> CodeAndSentence:
    """The worker crashed over it."""
    return CRASHED, _(
        "The segmentation process ended unexpectedly, perhaps for lack of memory; it was started "
        "again, so press Segment once more."
    )


def not_started() -> CodeAndSentence:
    """The worker never was ready."""
    return START, _("The segmentation process could not start; the log may say why.")


def failed_by(error: Exception) -> CodeAndSentence:
    """Something was raised on the panel's side."""
    if isinstance(error, StartError):
        return START, str(error)
    if isinstance(error, ParetoSegError):
        return code_of(error), str(error)
    if isinstance(error, MemoryError):
        return "memory", _("There is too little memory for the volumes; free some.")
    sentence = _("An unexpected {kind} ended the segmentation.")
    return INTERNAL, sentence.format(kind=type(error).__name__)
