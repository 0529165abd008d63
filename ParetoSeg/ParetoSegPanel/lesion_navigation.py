"""Brings a lesion into the middle of every view, and goes from one to the next."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import slicer

from ParetoSegLib.measure.lesions import Lesion
from ParetoSegPanel.result_nodes import CaseNodes
from ParetoSegPanel.volumes import ras_of


def centre_on(lesion: Lesion) -> None:
    """Centre every slice view and every 3-D camera on a lesion.

    Slices keep their zoom; cameras keep their direction and distance.
    """
    ras = ras_of(lesion.centroid_lps)
    mode = slicer.vtkMRMLSliceNode.CenteredJumpSlice
    slicer.vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, *ras, mode)
    for camera in slicer.util.getNodesByClass("vtkMRMLCameraNode"):
        there, focus = np.zeros(3), np.zeros(3)
        camera.GetPosition(there)
        camera.GetFocalPoint(focus)
        was = camera.StartModify()
        camera.SetFocalPoint(*ras)
        camera.SetPosition(*(there + np.array(ras) - focus))
        camera.ResetClippingRange()
        camera.EndModify(was)


class LesionNavigator:
    """Goes through a result's lesions.

    Args:
        case: the result; where the reader was when the scene was saved is taken up.
    """

    def __init__(self, case: CaseNodes) -> None:
        self.case = case

    @property
    def current(self) -> int | None:
        """The number of the lesion that was last centred, or ``None``."""
        number = self.case.record.get("current", None)
        return None if number is None else int(number)

    def centre_on(self, number: int) -> Lesion:
        """Centre the views on a lesion or candidate and return it.

        Raises:
            KeyError: there is none of this number.
        """
        lesion = self.case.lesion(number)
        self.case.record.put("current", number)
        centre_on(lesion)
        return lesion

    def next(self, order: Sequence[int] | None = None) -> Lesion | None:
        """Go to the lesion after the current one, round the end; ``None`` if there is none.

        Args:
            order: of the table's rows; lesions by number, accepted candidates last, if ``None``.
        """
        return self._step(1, order)

    def previous(self, order: Sequence[int] | None = None) -> Lesion | None:
        """Go to the lesion before the current one; as ``next``."""
        return self._step(-1, order)

    def _step(self, by: int, order: Sequence[int] | None) -> Lesion | None:
        if order is None:
            shown = [c.number for c in self.case.candidates if self.case.is_shown(c.number)]
            order = [lesion.number for lesion in self.case.found] + shown
        if not order:
            return None
        current = self.current
        if current is not None and current in order:
            place = list(order).index(current) + by
        else:
            place = 0 if by > 0 else -1
        return self.centre_on(order[place % len(order)])
