from __future__ import annotations

from pathlib import Path

import pytest
import slicer
from ParetoSegPanel.inputs import judge
from ParetoSegPanel.model_summary import ModelSummary

from ParetoSegLib.core.labels import MODALITIES
from Testing.panel.models import every_set
from Testing.panel.painted_scene import add_image, add_images

MODEL = ModelSummary(Path("m"), "Test", MODALITIES, every_set())


def test_the_reference_is_t1c_if_it_is_there(scene) -> None:
    images = add_images(MODALITIES)
    assert judge(images, MODEL).reference is images["t1c"]
    del images["t1c"]
    assert judge(images, MODEL).reference is images["t2f"]
    assert judge({}, MODEL).reference is None


def test_ready_needs_images_a_model_and_a_fit(scene) -> None:
    images = add_images()
    assert judge(images, MODEL).ready
    assert not judge(images, None).ready
    assert not judge({}, MODEL).ready


def test_an_image_under_a_transform_is_refused_with_what_to_do(scene) -> None:
    images = add_images(("t1c",))
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Moved")
    images["t1c"].SetAndObserveTransformNodeID(transform.GetID())
    state = judge(images, MODEL)
    assert not state.ready
    assert "harden the transform" in state.geometry


def test_an_empty_volume_is_refused(scene) -> None:
    empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty")
    assert "empty" in judge({"t2w": empty}, MODEL).geometry


@pytest.mark.parametrize("pair", [("t1c", "t1n"), ("t2w", "t2f")])
def test_an_image_is_chosen_once(scene, pair: tuple[str, str]) -> None:
    image = add_image("Image")
    state = judge(dict.fromkeys(pair, image), MODEL)
    assert not state.ready
    assert "same image" in state.geometry
