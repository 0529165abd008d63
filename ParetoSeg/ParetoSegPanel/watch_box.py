"""The patient-information box of SlicerDevelopmentToolbox at the head of the panel.

The extension is recommended, never needed: where it is missing, or too old for this Slicer, there
is no box. What the box shows stays on the screen; it is neither logged nor saved.
"""

from __future__ import annotations

import importlib.util
import logging
from typing import Any

import slicer
from slicer.i18n import tr as _

PATIENT_NAME, PATIENT_ID, BIRTH_DATE, STUDY_DATE = (
    "0010,0010",
    "0010,0020",
    "0010,0030",
    "0008,0020",
)


class WatchBox:
    """Shows whose images are chosen.

    Args:
        place: an empty widget with a layout; it is shown only if there is a box.
    """

    def __init__(self, place: Any) -> None:
        self._place = place
        self._box = _make_box()
        self._shown: str | None = None
        if self._box is not None:
            place.layout().addWidget(self._box)
        place.visible = self._box is not None

    @property
    def is_there(self) -> bool:
        """Whether the toolbox is installed and its box works."""
        return self._box is not None

    def show(self, volume: Any) -> None:
        """Show the patient of a volume; an empty box for one that is not from DICOM."""
        if self._box is None:
            return
        file = _dicom_file(volume)
        if file == self._shown:
            return
        try:
            self._box.sourceFile = file or None
            self._shown = file
        except Exception:
            logging.warning("The patient-information box failed and is left out.")
            self._place.visible = False
            self._box = None


def _make_box() -> Any:
    if importlib.util.find_spec("SlicerDevelopmentToolboxUtils") is None:
        return None
    try:
        from SlicerDevelopmentToolboxUtils.helpers import WatchBoxAttribute
        from SlicerDevelopmentToolboxUtils.widgets import DICOMBasedInformationWatchBox

        attributes = [
            WatchBoxAttribute("PatientName", _("Name: "), PATIENT_NAME),
            WatchBoxAttribute("PatientID", _("ID: "), PATIENT_ID),
            WatchBoxAttribute("BirthDate", _("Born: "), BIRTH_DATE),
            WatchBoxAttribute("StudyDate", _("Study: "), STUDY_DATE),
        ]
        return DICOMBasedInformationWatchBox(attributes, title=_("Patient"))
    except Exception:
        # The toolbox was last changed in 2024; whatever breaks in it must not break the panel.
        logging.info("SlicerDevelopmentToolbox is installed but its patient box does not work.")
        return None


def _dicom_file(volume: Any) -> str:
    """A file of the volume's DICOM series; empty if it has none."""
    database = getattr(slicer, "dicomDatabase", None)
    if volume is None or database is None:
        return ""
    uids = (volume.GetAttribute("DICOM.instanceUIDs") or "").split()
    return str(database.fileForInstance(uids[0]) or "") if uids else ""
