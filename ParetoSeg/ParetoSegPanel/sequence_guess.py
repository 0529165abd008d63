"""Which of the volumes in the scene are the four sequences of one patient and visit."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import slicer

from ParetoSegLib.data.sequence_names import sequence_of, without_sequence

SERIES_DESCRIPTION, CONTRAST_AGENT = "0008,103e", "0018,0010"

_BEFORE = re.compile(r"(?<![a-z])(pre|native|without|non|no)(?![a-z])", re.IGNORECASE)

Node = Any
"""A ``vtkMRMLScalarVolumeNode``."""


def sequence_of_volume(volume: Node) -> str | None:
    """The sequence that a volume shows, by its name or else its DICOM description.

    A T1 image from DICOM that was made with a contrast agent is T1c, unless its name says that it
    was made before.
    """
    name = volume.GetName() or ""
    description, agent = _dicom_values(volume)
    found = sequence_of(name) or sequence_of(description)
    if found == "t1n" and agent.strip() and not _BEFORE.search(f"{name} {description}"):
        return "t1c"
    return found


def guess_sequences(
    volumes: Sequence[Node],
    preferred: Node | None = None,
    sequence: Callable[[Node], str | None] = sequence_of_volume,
) -> Mapping[str, Node]:
    """Choose a volume for each sequence of one study.

    Args:
        volumes: candidates, oldest first.
        preferred: the study of this volume is taken; without it, the newest volume's.
        sequence: what a volume shows.

    Returns:
        Volumes by modality; where a study has several of a kind, the newest. A sequence that no
        name speaks of is missing.
    """
    known = [(volume, sequence(volume)) for volume in volumes if not is_derived(volume)]
    studies = {id(volume): study_of(volume) for volume, name in known if name is not None}
    if not studies:
        return {}
    anchor = study_of(preferred) if preferred is not None else None
    if anchor not in studies.values():
        anchor = list(studies.values())[-1]
    return {
        name: volume for volume, name in known if name is not None and studies[id(volume)] == anchor
    }


def study_of(volume: Node) -> tuple[str, object]:
    """What the volumes of one visit share: their folder in the subject hierarchy, else a name."""
    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    if hierarchy is not None:
        item = hierarchy.GetItemByDataNode(volume)
        parent = hierarchy.GetItemParent(item) if item else 0
        if parent and parent != hierarchy.GetSceneItemID():
            return "folder", parent
    return "name", without_sequence(volume.GetName() or "")


def is_derived(volume: Node) -> bool:
    """Whether a volume is no image of a patient: a label map, a vector, or a hidden result."""
    return volume.GetClassName() != "vtkMRMLScalarVolumeNode" or bool(volume.GetHideFromEditors())


def _dicom_values(volume: Node) -> tuple[str, str]:
    """Series description and contrast agent, each empty where the volume is not from DICOM."""
    uids = (volume.GetAttribute("DICOM.instanceUIDs") or "").split()
    database = getattr(slicer, "dicomDatabase", None)
    if not uids or database is None:
        return "", ""
    return (
        str(database.instanceValue(uids[0], SERIES_DESCRIPTION) or ""),
        str(database.instanceValue(uids[0], CONTRAST_AGENT) or ""),
    )
