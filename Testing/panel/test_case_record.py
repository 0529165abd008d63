"""What is kept beside a segmentation comes back whole, or is refused in one sentence."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ParetoSegPanel.case_record import RECORD_ROLE, CaseRecord, SceneError, remove_node

from Testing.panel.result_scene import node_ids

KEPT = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(value=KEPT)
def test_what_is_put_is_got(scene, value):
    record = CaseRecord.new("case")
    record.put("value", value)
    assert record.get("value", "nothing") == value
    remove_node(record.node)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(shape=st.tuples(*[st.integers(1, 5)] * 3), kind=st.sampled_from(["uint8", "int32"]))
def test_an_array_comes_back_bit_for_bit(scene, shape, kind):
    array = np.random.default_rng(0).integers(0, 200, shape).astype(kind)
    record = CaseRecord.new("case")
    record.put_array("steps", array)
    back = record.get_array("steps")
    assert back.dtype == array.dtype
    assert np.array_equal(back, array)
    remove_node(record.node)


def test_it_survives_a_scene_file(scene, harness, tmp_path):
    array = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)
    record = CaseRecord.new('Fall "7" <ü> & %20')
    record.put("words", 'a "b" <c> & ü;\n%41 =')
    record.put_array("steps", array)
    harness.save_scene(tmp_path / "scene.mrb")
    harness.load_scene(tmp_path / "scene.mrb")
    (back,) = CaseRecord.all_in_scene()
    assert back.get("words", None) == 'a "b" <c> & ü;\n%41 ='
    assert np.array_equal(back.get_array("steps"), array)
    assert back.node.GetHideFromEditors()


@pytest.mark.parametrize("damage", ["", "AAAA", "kein base64!"])
def test_a_damaged_array_is_refused(scene, damage):
    record = CaseRecord.new("case")
    record.put_array("steps", np.zeros((3, 3, 3), np.uint8))
    record.node.SetParameter("steps", damage)
    with pytest.raises(SceneError, match="damaged"):
        record.get_array("steps")


def test_an_array_larger_than_it_says_is_refused(scene):
    record = CaseRecord.new("case")
    record.put_array("steps", np.zeros((30, 30, 30), np.uint8))
    record.put("steps.shape", ["uint8", 2, 2, 2])
    with pytest.raises(SceneError, match="damaged"):
        record.get_array("steps")


def test_a_missing_array_is_refused(scene):
    with pytest.raises(SceneError, match="damaged"):
        CaseRecord.new("case").get_array("steps")


def test_a_foreign_segmentation_is_no_result(scene):
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Drawn by hand")
    with pytest.raises(SceneError, match="Drawn by hand is not a result of ParetoSeg"):
        CaseRecord.of(node)


def test_another_version_is_refused(scene):
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Result")
    record = CaseRecord.new("case")
    record.put("version", 99)
    node.SetNodeReferenceID(RECORD_ROLE, record.node.GetID())
    with pytest.raises(SceneError, match="another version"):
        CaseRecord.of(node)


def test_a_helper_goes_with_all_that_belongs_to_it(scene):
    before = node_ids(scene)
    record = CaseRecord.new("case")
    model = scene.AddNewNodeByClass("vtkMRMLModelNode", "surface")
    model.CreateDefaultDisplayNodes()
    model.AddDefaultStorageNode()
    slicer.modules.colors.logic().AddDefaultColorLegendDisplayNode(model)
    record.add_helper("surface", model)
    assert record.helper("surface") is model
    record.remove_helper("surface")
    assert record.helper("surface") is None
    remove_node(record.node)
    assert node_ids(scene) == before
