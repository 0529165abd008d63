"""Lays a volume over the slice views, and gives the user's own layers back afterwards.

What was there is kept as node references of the result's record, so that it is found again after
the scene was saved, closed and loaded.
"""

from __future__ import annotations

from typing import Any

import slicer

from ParetoSegPanel.case_record import CaseRecord

_ROLE = "ParetoSeg.layer."
_KEY = "layers"


def lay_over(record: CaseRecord, volume: Any, opacity: float) -> None:
    """Show ``volume`` in the foreground of every slice view.

    A view without a background gets the result's own image there. What each view showed before is
    remembered once, until ``restore``.

    Args:
        record: of the result that the volume belongs to.
        volume: the volume node.
        opacity: of the foreground, in [0, 1].
    """
    kept = record.get(_KEY, {})
    for view in _views():
        name = view.GetLayoutName()
        if name not in kept:
            for layer in ("Background", "Foreground"):
                before = getattr(view, f"Get{layer}VolumeID")()
                record.node.SetNodeReferenceID(f"{_ROLE}{layer}.{name}", before)
            kept[name] = view.GetForegroundOpacity()
        if not view.GetBackgroundVolumeID() and record.reference is not None:
            view.SetBackgroundVolumeID(record.reference.GetID())
        view.SetForegroundVolumeID(volume.GetID())
        view.SetForegroundOpacity(opacity)
    record.put(_KEY, kept)
    record.node.SetNodeReferenceID(f"{_ROLE}volume", volume.GetID())


def restore(record: CaseRecord) -> None:
    """Give every slice view its own layers back.

    A view in which the user has chosen another foreground since keeps that choice.
    """
    kept = record.get(_KEY, {})
    node = record.node
    ours = node.GetNodeReferenceID(f"{_ROLE}volume")
    for view in _views():
        name = view.GetLayoutName()
        if ours and view.GetForegroundVolumeID() == ours:
            view.SetForegroundVolumeID(node.GetNodeReferenceID(f"{_ROLE}Foreground.{name}"))
            if name in kept:
                view.SetForegroundOpacity(kept[name])
            # A background was given only where there was none.
            given = name in kept and not node.GetNodeReferenceID(f"{_ROLE}Background.{name}")
            image = record.reference
            if given and image is not None and view.GetBackgroundVolumeID() == image.GetID():
                view.SetBackgroundVolumeID(None)
    for name in kept:
        for layer in ("Background", "Foreground"):
            node.SetNodeReferenceID(f"{_ROLE}{layer}.{name}", None)
    node.SetNodeReferenceID(f"{_ROLE}volume", None)
    record.drop(_KEY)


def _views() -> list[Any]:
    return list(slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"))
