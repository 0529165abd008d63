"""The segmentation of a result that follows α and the lesion table, and leaves edits alone.

A lesion that was edited by hand is *held*: α no longer moves it, in any region, until it is
released. What was painted outside every lesion's reach is never touched. So no edit is lost to the
slider, and none has to be confirmed while it moves.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ParetoSegPanel.alpha_cut import STEPS, LiveCut, level_of
from ParetoSegPanel.segment_voxels import SURFACE
from ParetoSegPanel.terminology import SegmentKind

if TYPE_CHECKING:
    from ParetoSegPanel.result_nodes import CaseNodes


class LiveSegmentation:
    """Moves one result's segments.

    Args:
        case: of which the segmentation is moved.
        fresh: the segments are still empty and are cut for the first time.
    """

    def __init__(self, case: CaseNodes, fresh: bool = False) -> None:
        self._case = case
        self._cut = LiveCut.of(case.field)
        self._voxels = {kind: case.voxels_of(kind) for kind in case.kinds}
        self._surface_due = False
        if not fresh:
            self._cut.move(case.levels)
        else:
            self._follow(case.levels)

    @property
    def held(self) -> tuple[int, ...]:
        """Lesions that were edited by hand, as far as noticed; α does not move them."""
        return tuple(sorted(int(n) for n in self._case.record.get("held", [])))

    def notice_edits(self) -> tuple[int, ...]:
        """Look for voxels that someone else changed, hold their lesions, and name all held ones.

        Costs nothing where no segment was touched since the last move.
        """
        held = set(self.held)
        for kind, voxels in self._voxels.items():
            if not voxels.exists or not voxels.touched:
                continue
            edited = np.flatnonzero(voxels.read().ravel() != self._wanted(kind))
            for region in (kind.inside, kind.outside):
                if region is not None:
                    held |= self._cut.owners_at(region, edited)
            voxels.keep()
        if held != set(self.held):
            self._case.record.put("held", sorted(held))
        return self.held

    def set_alpha(self, alpha: float, number: int | None = None) -> None:
        """Cut at another α.

        Args:
            alpha: rounded to 0.005 and kept within 0.05 … 0.95.
            number: of the one lesion to move; all that have no α of their own if ``None``.
        """
        self.notice_edits()
        record, alpha = self._case.record, level_of(alpha) / STEPS
        if number is None:
            record.put("alpha", alpha)
        else:
            own = {str(n): a for n, a in self._case.own_alphas.items()}
            record.put("alphas", {**own, str(number): alpha})
        self._follow(self._case.levels)

    def clear_own_alphas(self) -> None:
        """Let every lesion follow the one α again."""
        self.notice_edits()
        self._case.record.drop("alphas")
        self._follow(self._case.levels)

    def set_shown(self, number: int, shown: bool) -> None:
        """Accept or reject a lesion or a candidate.

        A held lesion that is rejected takes its edits along, and brings them back when accepted.

        Raises:
            KeyError: there is no such lesion.
        """
        lesion = self._case.lesion(number)
        if self._case.is_shown(number) == shown:
            return
        held = number in self.notice_edits()
        if held and not shown:
            self._put_aside(number)
        key, listed = ("accepted", shown) if lesion.kind == "candidate" else ("rejected", not shown)
        numbers = {int(n) for n in self._case.record.get(key, [])} - {number}
        self._case.record.put(key, sorted(numbers | {number} if listed else numbers))
        if held and shown:
            self._bring_back(number)
        self._follow(self._case.levels)

    def release(self, number: int) -> None:
        """Give up the edits of a held lesion: it is cut from the membership again."""
        record = self._case.record
        record.put("held", [n for n in self.notice_edits() if n != number])
        aside = record.get("aside", {})
        aside.pop(str(number), None)
        record.put("aside", aside)
        self._follow(self._case.levels, also=self._cut.voxels_of(number))

    def shown(self, region: str, levels: Mapping[int, int]) -> np.ndarray:
        """As ``LiveCut.shown``: who shows each voxel of a region."""
        return self._cut.shown(region, levels)

    def settle(self) -> None:
        """Make the 3-D surface again that moving has made out of date, if there was one."""
        if self._surface_due:
            self._surface_due = False
            self._case.segmentation.CreateClosedSurfaceRepresentation()

    def _follow(self, levels: dict[int, int], also: np.ndarray | None = None) -> None:
        """Cut every lesion that is not held at its level, and write what changed."""
        changed = self._cut.move(levels, self.held)
        segmentation = self._case.segmentation
        self._surface_due |= bool(segmentation.GetSegmentation().ContainsRepresentation(SURFACE))
        was = segmentation.StartModify()
        for kind, voxels in self._voxels.items():
            if voxels.exists:
                regions = [r for r in (kind.inside, kind.outside) if r is not None]
                moved = np.concatenate([changed[r] for r in regions])
                if also is not None:
                    moved = np.concatenate([moved, also])
                voxels.write(moved, self._wanted(kind, moved))
        segmentation.EndModify(was)

    def _wanted(self, kind: SegmentKind, at: np.ndarray | None = None) -> np.ndarray:
        """What a segment should hold, everywhere in the field or at some voxels."""
        masks = self._cut.masks
        inside = masks[kind.inside] if at is None else masks[kind.inside][at]
        if kind.outside is None:
            return inside.astype(bool)
        outside = masks[kind.outside] if at is None else masks[kind.outside][at]
        return inside.astype(bool) & ~outside.astype(bool)

    def _put_aside(self, number: int) -> None:
        """Keep a held lesion's voxels, segment by segment, and blank them."""
        reach = self._cut.voxels_of(number, alone=True)
        kept = {}
        for kind, voxels in self._voxels.items():
            if voxels.exists:
                kept[kind.name] = _packed(voxels.read().ravel()[reach])
                voxels.write(reach, np.zeros(reach.size, bool))
        record = self._case.record
        record.put("aside", {**record.get("aside", {}), str(number): kept})

    def _bring_back(self, number: int) -> None:
        """Undo ``_put_aside``."""
        record = self._case.record
        aside = record.get("aside", {})
        kept = aside.pop(str(number), {})
        reach = self._cut.voxels_of(number, alone=True)
        for kind, voxels in self._voxels.items():
            if voxels.exists and kind.name in kept:
                voxels.write(reach, _unpacked(kept[kind.name], reach.size))
        record.put("aside", aside)


def _packed(values: np.ndarray) -> str:
    return base64.b64encode(zlib.compress(np.packbits(values).tobytes())).decode("ascii")


def _unpacked(text: str, size: int) -> np.ndarray:
    bits = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8)
    return np.unpackbits(bits, count=size).astype(bool)
