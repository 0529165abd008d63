"""Segments say what they are in codes."""

from __future__ import annotations

import pytest
import slicer
from ParetoSegPanel.terminology import EDEMA, PART_KINDS, REGION_KINDS, kinds_of

from ParetoSegLib.review.colours import COLOURS, rgb


@pytest.mark.parametrize("kind", [*REGION_KINDS.values(), *PART_KINDS.values()])
def test_an_entry_is_read_by_slicers_own_parser(scene, kind):
    entry = slicer.vtkSlicerTerminologyEntry()
    logic = slicer.modules.terminologies.logic()
    assert logic.DeserializeTerminologyEntry(kind.entry, entry)
    assert logic.SerializeTerminologyEntry(entry) == kind.entry
    meant = entry.GetTypeObject()
    assert (meant.GetCodingSchemeDesignator(), meant.GetCodeValue()) == kind.type_code[:2]
    assert entry.GetRegionObject().GetCodeMeaning() == "Brain"


@pytest.mark.parametrize("region", ["et", "tc", "wt"])
def test_a_tumour_region_is_a_secondary_neoplasm(region):
    assert "~SCT^14799000^Neoplasm, Secondary~" in REGION_KINDS[region].entry
    assert REGION_KINDS[region].colour == rgb(COLOURS[region])


def test_edema_alone_is_edema():
    assert PART_KINDS["wt"].type_code == EDEMA


@pytest.mark.parametrize(
    ("assessable", "parts", "names"),
    [
        (("et", "tc", "wt"), False, ["ET", "TC", "WT"]),
        (("et", "tc", "wt"), True, ["ET", "NETC", "SNFH"]),
        (("tc", "wt"), True, ["TC", "SNFH"]),
        (("wt",), True, ["WT"]),
    ],
)
def test_what_cannot_be_assessed_is_no_segment(assessable, parts, names):
    assert [kind.name for kind in kinds_of(assessable, parts)] == names
