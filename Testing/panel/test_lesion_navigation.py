"""Every view goes to the lesion, and the keys go round all of them."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from ParetoSegPanel.lesion_navigation import LesionNavigator, centre_on
from ParetoSegPanel.result_nodes import CaseNodes
from ParetoSegPanel.volumes import array_of

from Testing.panel.result_scene import GRIDS, loaded


def middle_of(node):
    """RAS position in the middle of a slice view."""
    width, height, *_ = node.GetDimensions()
    return (array_of(node.GetXYToRAS()) @ [width / 2, height / 2, 0, 1])[:3]


def camera_of():
    (camera, *_) = slicer.util.getNodesByClass("vtkMRMLCameraNode")
    there, focus = np.zeros(3), np.zeros(3)
    camera.GetPosition(there)
    camera.GetFocalPoint(focus)
    return there, focus


@pytest.mark.parametrize("native", GRIDS.values(), ids=GRIDS)
def test_all_views_are_centred(scene, native):
    case, _ = loaded(native)
    slicer.util.setSliceViewerLayers(background=case.reference, fit=True)
    there, focus = camera_of()
    for lesion in case.lesions:
        centre_on(lesion)
        left, posterior, superior = lesion.centroid_lps
        ras = (-left, -posterior, superior)
        for node in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
            assert np.allclose(middle_of(node), ras, atol=0.5)
        now_there, now_focus = camera_of()
        assert np.allclose(now_focus, ras)
        assert np.allclose(now_there - now_focus, there - focus)


def test_zoom_stays(scene):
    case, _ = loaded()
    red = scene.GetNodeByID("vtkMRMLSliceNodeRed")
    before = red.GetFieldOfView()
    centre_on(case.lesions[0])
    assert red.GetFieldOfView() == before


def test_the_keys_go_round(scene):
    case, _ = loaded()
    navigator = LesionNavigator(case)
    assert navigator.current is None
    numbers = [navigator.next().number for _ in range(4)]
    assert numbers == [1, 2, 3, 1]
    assert [navigator.previous().number for _ in range(2)] == [3, 2]


def test_accepted_candidates_come_last(scene):
    case, _ = loaded()
    case.record.put("accepted", [4])
    navigator = LesionNavigator(case)
    assert navigator.previous().number == 4
    assert navigator.next().number == 1


def test_the_tables_order_counts(scene):
    case, _ = loaded()
    navigator = LesionNavigator(case)
    assert [navigator.next([3, 1, 2]).number for _ in range(4)] == [3, 1, 2, 3]


def test_without_lesions_nothing_moves(scene):
    case, _ = loaded(balls=())
    assert LesionNavigator(case).next() is None
    assert LesionNavigator(case).previous() is None


def test_an_unknown_lesion_is_refused(scene):
    case, _ = loaded()
    with pytest.raises(KeyError):
        LesionNavigator(case).centre_on(99)


def test_the_place_is_known_after_loading(scene, harness, tmp_path):
    case, _ = loaded()
    LesionNavigator(case).centre_on(2)
    harness.save_scene(tmp_path / "place.mrb")
    harness.load_scene(tmp_path / "place.mrb")
    (case,) = CaseNodes.all_in_scene()
    assert LesionNavigator(case).current == 2
