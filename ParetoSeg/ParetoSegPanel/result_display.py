"""How the result's own segments look while confidence is shown, and as the user had them after.

In the slice views the fill would cover what is shown, and the outlines of the other regions would
be taken for its certain and possible outlines; in 3-D the plain surface would hide the coloured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ParetoSegPanel.case_record import CaseRecord

if TYPE_CHECKING:
    from ParetoSegPanel.result_nodes import CaseNodes

_KEY = "display"


def make_way(case: CaseNodes, mode: str, region: str) -> None:
    """Hide of the segments what is in the way; how they looked is remembered until ``restore``.

    Args:
        case: the result.
        mode: what is shown, ``"surface"`` in 3-D, anything else in the slice views.
        region: the one whose outline stays.
    """
    display = case.segmentation.GetDisplayNode()
    if display is None:
        return
    kept = case.record.get(_KEY, None)
    if kept is None:
        kept = {
            "fill": bool(display.GetVisibility2DFill()),
            "surface": bool(display.GetVisibility3D()),
            "outlines": {
                kind.name: bool(display.GetSegmentVisibility2DOutline(kind.name))
                for kind in case.kinds
            },
        }
        case.record.put(_KEY, kept)
    was = display.StartModify()
    if mode == "surface":
        display.SetVisibility3D(False)
    else:
        display.SetVisibility2DFill(False)
        for kind in case.kinds:
            own = kind.inside == region and kept["outlines"].get(kind.name, True)
            display.SetSegmentVisibility2DOutline(kind.name, own)
    display.EndModify(was)


def restore(record: CaseRecord) -> None:
    """Give the segments the look that they had before ``make_way``."""
    kept = record.get(_KEY, None)
    record.drop(_KEY)
    node = record.segmentation
    if kept is None or node is None or node.GetDisplayNode() is None:
        return
    display = node.GetDisplayNode()
    was = display.StartModify()
    display.SetVisibility2DFill(kept["fill"])
    display.SetVisibility3D(kept["surface"])
    for name, shown in kept["outlines"].items():
        if node.GetSegmentation().GetSegment(name) is not None:
            display.SetSegmentVisibility2DOutline(name, shown)
    display.EndModify(was)
