"""A result in Slicer's scene: its segmentation, and what was found, measured and remembered.

Everything is found again from the segmentation node alone, after saving and loading, with any
number of patients in the scene.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import slicer
from slicer.i18n import tr as _

from ParetoSegLib.core.errors import GeometryError
from ParetoSegLib.core.geometry import Grid
from ParetoSegLib.core.labels import REGIONS
from ParetoSegLib.data.case import Orientation
from ParetoSegLib.measure.confidence import CERTAIN, HALF, POSSIBLE
from ParetoSegLib.measure.lesions import Lesion, LesionMap
from ParetoSegLib.review.result import Result
from ParetoSegPanel import slice_layers
from ParetoSegPanel.alpha_cut import Field, field_of, levels_of
from ParetoSegPanel.case_record import (
    HELPER_ROLE,
    RECORD_ROLE,
    REFERENCE_ROLE,
    SEGMENTATION_ROLE,
    CaseRecord,
    SceneError,
    remove_node,
)
from ParetoSegPanel.lesion_rows import lesion_of, native_box, row_of
from ParetoSegPanel.live_segmentation import LiveSegmentation
from ParetoSegPanel.segment_voxels import LABELMAP, SegmentVoxels
from ParetoSegPanel.terminology import SegmentKind, kinds_of
from ParetoSegPanel.volumes import grid_of, oriented_image

FILL_OPACITY = 0.25
"""Of the segments in slice views: the image must stay readable through three of them."""


def load_result(result: Result, reference: Any, name: str, parts: bool = False) -> CaseNodes:
    """Put a result into the scene, cut at ½, candidates off.

    Args:
        result: on the LPS grid of ``reference``.
        reference: the ``vtkMRMLScalarVolumeNode`` that the result lies on.
        name: of the segmentation node.
        parts: segments apart (NETC, SNFH, ET) instead of overlapping regions (ET, TC, WT).

    Raises:
        GeometryError: the result lies on another grid.
    """
    grid = grid_of(reference)
    turn = Orientation.of(grid)
    if not turn.turned(grid).matches(result.case.grid):
        raise GeometryError(
            _("The result does not lie on the grid of the volume {name}; segment it again.").format(
                name=reference.GetName()
            )
        )
    membership = {r: turn.undo(result.membership[r]) for r in result.regions}
    rows = _native_rows(result.lesions, turn)
    lesions = LesionMap(
        tuple(lesion_of(row) for row in rows),
        turn.undo(result.lesions.territories),
        result.lesions.region,
    )
    parts_of = field_of(membership, lesions, grid)

    record = CaseRecord.new(name)
    record.put("model", result.model_name)
    record.put("regions", list(result.regions))
    record.put("parts", parts)
    record.put("region", lesions.region)
    record.put("levels", {r: list(result.levels_of(r)) for r in result.regions})
    record.put("lesions", rows)
    record.put("facts", dict(result.facts))
    _write_grid(record, parts_of)
    for region, steps in parts_of.membership.items():
        record.put_array(f"membership.{region}", steps)
    record.put_array("territories", parts_of.territories)
    record.put_array("owners", parts_of.owners)

    segmentation = _new_segmentation(name, reference, parts_of, kinds_of(result.regions, parts))
    segmentation.SetNodeReferenceID(RECORD_ROLE, record.node.GetID())
    record.node.SetNodeReferenceID(SEGMENTATION_ROLE, segmentation.GetID())
    record.node.SetNodeReferenceID(REFERENCE_ROLE, reference.GetID())
    _place_in_study(segmentation, reference)

    case = CaseNodes(record)
    case.__dict__["field"] = parts_of  # it need not be unpacked again
    LiveSegmentation(case, fresh=True)
    return case


class CaseNodes:
    """One result of the scene.

    Args:
        record: of the result.
    """

    def __init__(self, record: CaseRecord) -> None:
        self.record = record

    @classmethod
    def of(cls, segmentation: Any) -> CaseNodes:
        """The result that a segmentation node shows.

        Raises:
            SceneError: it is no result of ParetoSeg, or came without its scene.
        """
        return cls(CaseRecord.of(segmentation))

    @classmethod
    def all_in_scene(cls) -> list[CaseNodes]:
        """Every result whose segmentation is still in the scene."""
        return [cls(record) for record in CaseRecord.all_in_scene() if record.segmentation]

    @classmethod
    def remove_orphans(cls) -> None:
        """Clean up after results whose segmentation was removed by hand."""
        for record in list(CaseRecord.all_in_scene()):
            if record.segmentation is None:
                cls(record).remove()

    @property
    def segmentation(self) -> Any:
        """The ``vtkMRMLSegmentationNode``.

        Raises:
            SceneError: it was removed from the scene.
        """
        node = self.record.segmentation
        if node is None:
            raise SceneError(_("This result's segmentation was removed; segment again."))
        return node

    @property
    def reference(self) -> Any:
        """The volume node that the result lies on, or ``None`` if it was removed."""
        return self.record.reference

    @property
    def name(self) -> str:
        """What the segmentation is called now."""
        return str(self.segmentation.GetName())

    @property
    def model_name(self) -> str:
        """Of the model that made it."""
        return str(self.record.get("model", ""))

    @property
    def facts(self) -> Mapping[str, object]:
        """What is known of the run: versions, device, seconds, notes."""
        return dict(self.record.get("facts", {}))

    @cached_property
    def regions(self) -> tuple[str, ...]:
        """The regions that could be assessed, innermost first."""
        known = self.record.get("regions", [])
        return tuple(r for r in REGIONS if r in known)

    @property
    def region(self) -> str:
        """The region in which the lesions were looked for."""
        return str(self.record.get("region", "tc"))

    @cached_property
    def kinds(self) -> tuple[SegmentKind, ...]:
        """Its segments as they were made, innermost first."""
        return kinds_of(self.regions, bool(self.record.get("parts", False)))

    def levels_of(self, region: str) -> tuple[float, float]:
        """(certain, possible) of a region."""
        certain, possible = self.record.get("levels", {}).get(region, (CERTAIN, POSSIBLE))
        return float(certain), float(possible)

    @cached_property
    def lesions(self) -> tuple[Lesion, ...]:
        """Lesions, largest first, then candidates; boxes are in arrays on ``field.grid``."""
        return tuple(lesion_of(row) for row in self.record.get("lesions", []))

    @property
    def found(self) -> tuple[Lesion, ...]:
        """The lesions alone."""
        return tuple(lesion for lesion in self.lesions if lesion.kind == "lesion")

    @property
    def candidates(self) -> tuple[Lesion, ...]:
        """The candidates alone."""
        return tuple(lesion for lesion in self.lesions if lesion.kind == "candidate")

    def lesion(self, number: int) -> Lesion:
        """The lesion or candidate of this number.

        Raises:
            KeyError: there is none.
        """
        for lesion in self.lesions:
            if lesion.number == number:
                return lesion
        raise KeyError(number)

    @property
    def alpha(self) -> float:
        """α of all lesions that have none of their own."""
        return float(self.record.get("alpha", HALF))

    @property
    def own_alphas(self) -> dict[int, float]:
        """The α of lesions that were moved by themselves."""
        return {int(n): float(a) for n, a in self.record.get("alphas", {}).items()}

    @property
    def hidden(self) -> set[int]:
        """Lesions that were rejected, and candidates that were not accepted."""
        rejected, accepted = self.record.get("rejected", []), self.record.get("accepted", [])
        off = {c.number for c in self.candidates if c.number not in accepted}
        return off | {int(n) for n in rejected}

    def is_shown(self, number: int) -> bool:
        """Whether a lesion is part of the segmentation."""
        return number not in self.hidden

    @property
    def levels(self) -> dict[int, int]:
        """The level, in steps of membership, at which each lesion is cut now."""
        candidates = {c.number for c in self.candidates}
        numbers = [lesion.number for lesion in self.lesions]
        return levels_of(numbers, candidates, self.hidden, self.alpha, self.own_alphas)

    @cached_property
    def field(self) -> Field:
        """Memberships, territories and owners, unpacked once.

        Raises:
            SceneError: the record is damaged.
        """
        record = self.record
        grid, box = _read_grid(record)
        membership = {r: record.get_array(f"membership.{r}") for r in self.regions}
        territories, owners = record.get_array("territories"), record.get_array("owners")
        return Field(grid, box, membership, territories, owners, self.region)

    def voxels_of(self, kind: SegmentKind) -> SegmentVoxels:
        """The voxels of one of its segments."""
        return SegmentVoxels(self.segmentation, kind.name, self.field.grid, self.field.box)

    def remove(self) -> None:
        """Take everything of this result out of the scene; the user's layers come back."""
        slice_layers.restore(self.record)
        roles = [
            self.record.node.GetNthNodeReferenceRole(n)
            for n in range(self.record.node.GetNumberOfNodeReferenceRoles())
        ]
        for role in roles:
            if role and role.startswith(HELPER_ROLE):
                self.record.remove_helper(role.removeprefix(HELPER_ROLE))
        segmentation = self.record.segmentation
        if segmentation is not None:
            remove_node(segmentation)
        remove_node(self.record.node)


def _native_rows(lesions: LesionMap, turn: Orientation) -> list[dict[str, Any]]:
    shape = lesions.territories.shape
    return [row_of(lesion, native_box(lesion.box, turn, shape)) for lesion in lesions.lesions]


def _new_segmentation(
    name: str, reference: Any, field: Field, kinds: tuple[SegmentKind, ...]
) -> Any:
    """A segmentation node with empty segments that cover the field."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(reference)
    for kind in kinds:
        segment = slicer.vtkSegment()
        segment.SetName(kind.name)
        segment.SetColor(*kind.colour)
        segment.SetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), kind.entry)
        segment.AddRepresentation(LABELMAP, oriented_image(field.grid, field.box))
        node.GetSegmentation().AddSegment(segment, kind.name)
    node.GetDisplayNode().SetOpacity2DFill(FILL_OPACITY)
    return node


def _place_in_study(segmentation: Any, reference: Any) -> None:
    """Put the segmentation beside its image, under the patient's study."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    image = hierarchy.GetItemByDataNode(reference) if hierarchy else 0
    if not image:
        return
    study = hierarchy.GetItemParent(image)
    item = hierarchy.GetItemByDataNode(segmentation)
    if item:
        hierarchy.SetItemParent(item, study)
    else:
        hierarchy.CreateItem(study, segmentation)


def _write_grid(record: CaseRecord, field: Field) -> None:
    grid = field.grid
    record.put(
        "grid",
        {
            "shape": list(grid.shape),
            "spacing_mm": list(grid.spacing_mm),
            "origin": list(grid.origin),
            "direction": list(grid.direction),
            "box": [[s.start, s.stop] for s in field.box],
        },
    )


def _read_grid(record: CaseRecord) -> tuple[Grid, tuple[slice, slice, slice]]:
    kept = record.get("grid", {})
    grid = Grid(
        tuple(kept["shape"]),
        tuple(kept["spacing_mm"]),
        tuple(kept["origin"]),
        tuple(kept["direction"]),
    )
    d, h, w = (slice(start, stop) for start, stop in kept["box"])
    return grid, (d, h, w)
