"""What the segments are, in codes that DICOM and Slicer understand, and how they look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ParetoSegLib.review.colours import COLOURS, RGB, rgb

CONTEXT = "Segmentation category and type - DICOM master list"
ANATOMY = "Anatomic codes - DICOM master list"

Code = tuple[str, str, str]
"""Coding scheme, value, meaning."""

ALTERED: Code = ("SCT", "49755003", "Morphologically Altered Structure")
METASTASIS: Code = ("SCT", "14799000", "Neoplasm, Secondary")
EDEMA: Code = ("SCT", "79654002", "Edema")
ENHANCING: Code = ("NCIt", "C113842", "Enhancing Lesion")
NON_ENHANCING: Code = ("NCIt", "C81175", "Non-Enhancing Lesion")
BRAIN: Code = ("SCT", "12738006", "Brain")


@dataclass(frozen=True)
class SegmentKind:
    """One kind of segment of a result.

    Args:
        name: the segment's id and its name.
        colour: of its outline and fill.
        type_code: what it is.
        modifier: what part of it; ``None`` if it is the whole.
        inside: the region that it lies in.
        outside: the region that it leaves out; ``None`` if it leaves out none.
    """

    name: str
    colour: RGB
    type_code: Code
    modifier: Code | None
    inside: str
    outside: str | None = None

    @property
    def entry(self) -> str:
        """The terminology entry as Slicer writes it."""
        type_modifier = "^".join(self.modifier) if self.modifier else "^^"
        parts = (CONTEXT, "^".join(ALTERED), "^".join(self.type_code), type_modifier)
        return "~".join((*parts, ANATOMY, "^".join(BRAIN), "^^"))


REGION_KINDS: Mapping[str, SegmentKind] = {
    "et": SegmentKind("ET", rgb(COLOURS["et"]), METASTASIS, ENHANCING, "et"),
    "tc": SegmentKind("TC", rgb(COLOURS["tc"]), METASTASIS, None, "tc"),
    "wt": SegmentKind("WT", rgb(COLOURS["wt"]), METASTASIS, EDEMA, "wt"),
}
"""Overlapping regions: ET ⊆ TC ⊆ WT."""

PART_KINDS: Mapping[str, SegmentKind] = {
    "et": SegmentKind("ET", rgb(COLOURS["et"]), METASTASIS, ENHANCING, "et"),
    "tc": SegmentKind("NETC", rgb(COLOURS["tc"]), METASTASIS, NON_ENHANCING, "tc", "et"),
    "wt": SegmentKind("SNFH", rgb(COLOURS["wt"]), EDEMA, None, "wt", "tc"),
}
"""The labels of BraTS-METS, apart from each other: a region without the one inside it."""


def kinds_of(assessable: tuple[str, ...], parts: bool) -> tuple[SegmentKind, ...]:
    """The segments of a result, from the innermost region to the outermost.

    Where the inner region cannot be assessed nothing can be left out: the segment is then the
    whole region, and named so.

    Args:
        assessable: the regions that could be judged.
        parts: apart (NETC, SNFH, ET) instead of overlapping (ET, TC, WT).
    """
    chosen = []
    for region in ("et", "tc", "wt"):
        if region in assessable:
            kind = PART_KINDS[region] if parts else REGION_KINDS[region]
            if kind.outside is not None and kind.outside not in assessable:
                kind = REGION_KINDS[region]
            chosen.append(kind)
    return tuple(chosen)
