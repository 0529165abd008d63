"""A study from loading to looking: a real worker, a real model, and pictures that are checked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import slicer
from bright_model import write_bright_model
from painted_head import LESION, head
from ParetoSegPanel.scenario_pixels import (
    contours_run_on_their_surfaces,
    heat_map_has_the_colours_of_the_scale,
    pixels_like,
    switching_off_gives_the_picture_back,
)
from slicer_harness import harness
from slicer_harness.user import User, colour_of

from ParetoSegLib.review.colours import COLOURS

USERS_OPACITY = 0.3


@pytest.fixture(scope="module")
def user(tmp_path_factory) -> Iterator[User]:
    """Has segmented a head with one lesion, with T1c behind and FLAIR in front."""
    harness.fresh_scene()
    user = User(write_bright_model(tmp_path_factory.mktemp("models") / "bright"))
    t1c = user.load_image(head(), "Study T1c")
    flair = user.load_image(head(), "Study FLAIR")
    slicer.util.setSliceViewerLayers(
        background=t1c, foreground=flair, foregroundOpacity=USERS_OPACITY, fit=True
    )
    user.segment()
    yield user
    failures = list(harness.slot_failures())
    harness.fresh_scene()
    assert not failures, failures


@pytest.fixture
def at_lesion(user) -> User:
    """Looks at the lesion, the slices through its middle."""
    user.look_at(0)
    return user


def test_images_were_filled_in_by_their_names(user):
    assert user.ui.t1cSelector.currentNode().GetName() == "Study T1c"
    assert user.ui.t2fSelector.currentNode().GetName() == "Study FLAIR"
    assert user.ui.t1nSelector.currentNode() is None


def test_the_result_is_in_the_scene(user):
    node = user.case.segmentation
    names = [node.GetSegmentation().GetNthSegment(i).GetName() for i in range(3)]
    assert sorted(names) == ["ET", "TC", "WT"]
    (lesion,) = user.case.found
    ijk = user.case.reference
    mask = slicer.util.arrayFromSegmentBinaryLabelmap(node, "TC", ijk)
    assert mask[LESION] == 1
    # Shown is what the table says.
    assert mask.sum() / 1000 == pytest.approx(lesion.volumes_cc["tc"], rel=0.02)
    assert "1" in user.said


def test_the_table_has_a_row_for_the_lesion_and_a_click_centres_the_views(at_lesion):
    model = at_lesion.ui.lesionTable.model()
    assert model.rowCount() == 1
    matrix = slicer.util.arrayFromVTKMatrix(harness.core().slice_views["Red"].node.GetSliceToRAS())
    np.testing.assert_allclose(matrix[:3, 3], (-LESION[2], -LESION[1], LESION[0]), atol=0.6)


def test_contours_run_where_the_membership_crosses_their_levels(at_lesion):
    contours_run_on_their_surfaces(at_lesion.widget)


def test_a_contour_beside_its_surface_is_noticed(at_lesion, monkeypatch: pytest.MonkeyPatch):
    """The check itself: the same picture against a membership that lies three voxels away."""
    from ParetoSegPanel import scenario_pixels

    moved = scenario_pixels.visible_membership
    monkeypatch.setattr(
        scenario_pixels, "visible_membership", lambda *which: np.roll(moved(*which), 3, axis=2)
    )
    with pytest.raises(AssertionError, match="is on the level"):
        contours_run_on_their_surfaces(at_lesion.widget)
    with pytest.raises(AssertionError, match="colours of the scale"):
        heat_map_has_the_colours_of_the_scale(at_lesion.widget)


def test_the_heat_map_has_the_colours_of_the_fixed_scale(at_lesion):
    heat_map_has_the_colours_of_the_scale(at_lesion.widget)


def test_switching_off_gives_the_users_layers_back(at_lesion):
    at_lesion.select(at_lesion.ui.viewSelector, "Heat map")
    seen = at_lesion.look()
    at_lesion.select(at_lesion.ui.viewSelector, "Off")
    for view in harness.core().slice_views.values():
        assert view.composite.GetBackgroundVolumeID() == at_lesion.case.reference.GetID()
        front = slicer.mrmlScene.GetNodeByID(view.composite.GetForegroundVolumeID())
        assert front.GetName() == "Study FLAIR"
        assert view.composite.GetForegroundOpacity() == pytest.approx(USERS_OPACITY)
    assert np.abs(at_lesion.look() - seen).max() > 60
    assert not len(pixels_like(at_lesion.look(), colour_of("#313695")))
    switching_off_gives_the_picture_back(at_lesion.widget)


def test_the_surface_is_in_the_3d_view(at_lesion):
    at_lesion.select(at_lesion.ui.viewSelector, "Off")
    before = harness.render_3d().astype(int)
    at_lesion.select(at_lesion.ui.viewSelector, "3-D")
    slicer.app.layoutManager().resetThreeDViews()
    assert np.abs(harness.render_3d().astype(int) - before).max() > 60


def test_the_surface_follows_when_the_slider_rests(user):
    def points() -> int:
        nodes = slicer.util.getNodesByClass("vtkMRMLModelNode")
        meshes = [node.GetPolyData() for node in nodes if "margin" in node.GetName()]
        return sum(mesh.GetNumberOfPoints() for mesh in meshes if mesh is not None)

    user.select(user.ui.viewSelector, "3-D")
    before = points()
    assert before
    user.ui.alphaSlider.value = 0.9
    assert harness.process_events(3, until=lambda: 0 < points() < before)
    user.ui.resetAlphaButton.click()
    assert harness.process_events(3, until=lambda: points() == before)
    user.select(user.ui.viewSelector, "Off")


def test_the_slider_moves_the_segmentation(user):
    def size() -> int:
        node = user.case.segmentation
        mask = slicer.util.arrayFromSegmentBinaryLabelmap(node, "TC", user.case.reference)
        return int(mask.sum())

    sizes = []
    for alpha in (0.9, 0.5, 0.1):
        user.ui.alphaSlider.value = alpha
        harness.process_events(0.3)
        sizes.append(size())
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[2]
    user.ui.resetAlphaButton.click()
    harness.process_events(0.3)
    assert user.ui.alphaSlider.value == 0.5
    assert size() == sizes[1]


def test_the_colours_of_the_segments_are_those_of_the_regions(user):
    node = user.case.segmentation
    for region, name in (("et", "ET"), ("tc", "TC"), ("wt", "WT")):
        colour = 255 * np.array(node.GetSegmentation().GetSegment(name).GetColor())
        np.testing.assert_allclose(colour, colour_of(COLOURS[region]), atol=1)


def test_a_saved_study_opens_as_it_was_left(user, tmp_path: Path):
    user.select(user.ui.viewSelector, "Contours")
    user.ui.alphaSlider.value = 0.3
    user.ui.opacitySlider.value = 0.8
    harness.process_events(0.3)
    lesions = user.case.lesions
    mask = slicer.util.arrayFromSegmentBinaryLabelmap(
        user.case.segmentation, "WT", user.case.reference
    ).copy()
    user.look_at(0)
    picture = user.look()
    harness.save_scene(tmp_path / "study.mrb")
    harness.close_scene()
    assert user.case is None
    assert user.ui.lesionTable.model().rowCount() == 0
    harness.load_scene(tmp_path / "study.mrb")
    harness.process_events(0.5)
    assert user.case is not None
    assert user.ui.alphaSlider.value == pytest.approx(0.3)
    assert user.ui.opacitySlider.value == pytest.approx(0.8)
    assert user.ui.viewSelector.currentText.startswith("Contours")
    assert [x.number for x in user.case.lesions] == [x.number for x in lesions]
    again = slicer.util.arrayFromSegmentBinaryLabelmap(
        user.case.segmentation, "WT", user.case.reference
    )
    np.testing.assert_array_equal(again, mask)
    same = np.abs(user.look() - picture).max(axis=2) < 40
    assert same.mean() > 0.99
