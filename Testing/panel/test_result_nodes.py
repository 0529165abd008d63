"""A result in the scene is the result that was made, and is found again."""

from __future__ import annotations

import json

import numpy as np
import pytest
import slicer
import vtk
from ParetoSegPanel.case_record import SceneError
from ParetoSegPanel.lesion_rows import lesion_of, row_of
from ParetoSegPanel.result_nodes import CaseNodes, load_result
from ParetoSegPanel.terminology import REGION_KINDS

from ParetoSegLib.core.errors import GeometryError
from ParetoSegLib.core.labels import ET, NETC, SNFH
from ParetoSegLib.measure.confidence import alpha_cut
from Testing.panel.result_scene import (
    GRIDS,
    LPS,
    NATIVE,
    loaded,
    node_ids,
    places_of,
    reference_of,
    segment_array,
)
from Testing.review.cases import painted

LABELS = {"ET": ET, "NETC": NETC, "SNFH": SNFH}


@pytest.mark.parametrize("native", GRIDS.values(), ids=GRIDS)
def test_segments_are_the_half_cuts_in_their_place(scene, native):
    case, result = loaded(native)
    for region in result.regions:
        expected = result.case.to_native(alpha_cut(result.membership[region]))
        assert np.array_equal(segment_array(case, region.upper()), expected)


@pytest.mark.parametrize("native", GRIDS.values(), ids=GRIDS)
def test_parts_are_the_labels_of_the_export(scene, native):
    case, result = loaded(native, parts=True)
    labels = result.case.to_native(result.segmentation)
    for name, value in LABELS.items():
        assert np.array_equal(segment_array(case, name), labels == value)


def test_segments_carry_colour_and_codes(scene):
    case, _ = loaded()
    segmentation = case.segmentation.GetSegmentation()
    names = [segmentation.GetNthSegmentID(n) for n in range(segmentation.GetNumberOfSegments())]
    assert names == ["ET", "TC", "WT"]
    for kind in REGION_KINDS.values():
        segment = segmentation.GetSegment(kind.name)
        assert segment.GetColor() == pytest.approx(kind.colour)
        entry = vtk.reference("")
        segment.GetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), entry)
        assert entry == kind.entry


def test_the_reference_geometry_is_that_of_the_image(scene):
    case, _ = loaded()
    role = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
    assert case.segmentation.GetNodeReference(role) is case.reference
    labelmap = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "export")
    logic = slicer.modules.segmentations.logic()
    assert logic.ExportVisibleSegmentsToLabelmapNode(case.segmentation, labelmap, case.reference)
    assert labelmap.GetImageData().GetDimensions() == case.reference.GetImageData().GetDimensions()


def test_it_lies_under_the_patients_study(scene):
    result = painted()
    reference = reference_of(result)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "Patient")
    study = hierarchy.CreateStudyItem(patient, "Study")
    image = hierarchy.GetItemByDataNode(reference)
    if image:
        hierarchy.SetItemParent(image, study)
    else:
        hierarchy.CreateItem(study, reference)
    case = load_result(result, reference, "Result")
    item = hierarchy.GetItemByDataNode(case.segmentation)
    assert hierarchy.GetItemParent(item) == study


@pytest.mark.parametrize("native", GRIDS.values(), ids=GRIDS)
def test_lesions_keep_their_numbers_and_find_their_voxels(scene, native):
    case, result = loaded(native)
    assert len(case.found) == 3
    assert len(case.candidates) == 1
    territories = result.case.to_native(result.lesions.territories)
    for mine, measured in zip(case.lesions, result.lesions.lesions, strict=True):
        assert mine.centroid_lps == pytest.approx(measured.centroid_lps)
        assert mine.volumes_cc == measured.volumes_cc
        assert mine.margin_mm == measured.margin_mm
        own = territories == mine.number
        assert own[mine.box].sum() == own.sum()


def test_a_row_is_json_and_comes_back(scene):
    _, result = loaded()
    for lesion in result.lesions.lesions:
        row = json.loads(json.dumps(row_of(lesion, lesion.box)))
        assert lesion_of(row) == lesion


@pytest.mark.parametrize("native", GRIDS.values(), ids=GRIDS)
def test_it_is_found_again_after_saving_and_loading(scene, harness, tmp_path, native):
    first, result = loaded(native, "First")
    second, _ = loaded(LPS, "Second", assessable=("tc", "wt"))
    expected = {c.name: (c.lesions, c.regions, c.model_name) for c in (first, second)}
    places = {c.name: places_of(c, "TC") for c in (first, second)}
    harness.save_scene(tmp_path / "two.mrb")
    harness.load_scene(tmp_path / "two.mrb")

    cases = {case.name: case for case in CaseNodes.all_in_scene()}
    assert set(cases) == {"First", "Second"}
    for name, case in cases.items():
        assert (case.lesions, case.regions, case.model_name) == expected[name]
        assert case.reference.GetName() == f"{name} T1c"
        assert CaseNodes.of(case.segmentation).record.node is case.record.node
        assert places_of(case, "TC") == places[name]
    field = cases["First"].field
    native = result.case.to_native(result.lesions.territories)
    assert np.array_equal(field.territories, native[field.box])


def test_without_contrast_there_is_no_enhancing_segment(scene):
    case, _ = loaded(assessable=("tc", "wt"), modalities=("t2f",))
    assert case.regions == ("tc", "wt")
    assert case.segmentation.GetSegmentation().GetSegment("ET") is None
    assert case.lesions[0].volumes_cc["et"] is None


def test_an_empty_result_has_empty_segments(scene):
    case, _ = loaded(balls=())
    assert case.lesions == ()
    for name in ("ET", "TC", "WT"):
        assert not segment_array(case, name).any()


@pytest.mark.parametrize("balls", [(), None])
def test_removal_leaves_the_scene_as_it_was(scene, balls):
    result = painted() if balls is None else painted(balls)
    reference = reference_of(result)
    before = node_ids(scene)
    load_result(result, reference, "Result").remove()
    assert node_ids(scene) == before


def test_two_patients_do_not_mix(scene):
    first, _ = loaded(NATIVE, "First")
    second, _ = loaded(LPS, "Second", balls=())
    first.remove()
    assert [case.name for case in CaseNodes.all_in_scene()] == ["Second"]
    assert second.reference.GetName() == "Second T1c"


def test_a_record_whose_segmentation_is_gone_is_cleaned_up(scene):
    result = painted()
    reference = reference_of(result)
    before = node_ids(scene)
    case = load_result(result, reference, "Result")
    slicer.mrmlScene.RemoveNode(case.segmentation.GetDisplayNode())
    slicer.mrmlScene.RemoveNode(case.segmentation)
    with pytest.raises(SceneError, match="removed"):
        _ = case.segmentation
    assert CaseNodes.all_in_scene() == []
    CaseNodes.remove_orphans()
    assert node_ids(scene) == before


def test_a_result_of_another_image_is_refused(scene):
    reference = reference_of(painted(native=LPS))
    before = node_ids(scene)
    with pytest.raises(GeometryError, match="does not lie on the grid of the volume T1c"):
        load_result(painted(native=NATIVE), reference, "Result")
    assert node_ids(scene) == before
