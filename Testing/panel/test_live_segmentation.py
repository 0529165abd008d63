"""α moves the segmentation and nothing else: neither edits nor other lesions."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from ParetoSegPanel.live_segmentation import LiveSegmentation
from ParetoSegPanel.result_nodes import CaseNodes

from ParetoSegLib.measure.confidence import alpha_cut
from ParetoSegLib.measure.lesions import cut_lesions
from Testing.panel.result_scene import GRIDS, TILTED, loaded, segment_array, set_segment


@pytest.fixture
def moving(scene):
    case, result = loaded()
    return case, result, LiveSegmentation(case)


def territory(result, number):
    return result.case.to_native(result.lesions.territories) == number


def cut(result, alpha, region="tc", alphas=None):
    return result.case.to_native(
        cut_lesions(result.membership[region], result.lesions, alpha, alphas) > 0
    )


@pytest.mark.parametrize("native", GRIDS.values(), ids=GRIDS)
@pytest.mark.parametrize("parts", [False, True])
def test_it_ends_where_measuring_cuts(scene, native, parts):
    case, result = loaded(native, parts=parts)
    live = LiveSegmentation(case)
    for alpha in (0.3, 0.9, 0.05, 0.515):
        live.set_alpha(alpha)
        et, tc = cut(result, alpha, "et"), cut(result, alpha)
        wt = result.case.to_native(alpha_cut(result.membership["wt"], alpha))
        expected = (
            {"ET": et, "NETC": tc & ~et, "SNFH": wt & ~tc}
            if parts
            else {"ET": et, "TC": tc, "WT": wt}
        )
        for name, voxels in expected.items():
            assert np.array_equal(segment_array(case, name), voxels), (name, alpha)
    assert case.alpha == 0.515


def test_one_lesion_may_have_its_own_alpha(moving):
    case, result, live = moving
    live.set_alpha(0.2, number=2)
    live.set_alpha(0.7)
    assert np.array_equal(segment_array(case, "TC"), cut(result, 0.7, alphas={2: 0.2}))
    live.clear_own_alphas()
    assert np.array_equal(segment_array(case, "TC"), cut(result, 0.7))


def test_candidates_are_off_until_accepted(moving):
    case, result, live = moving
    (candidate,) = case.candidates
    assert not case.is_shown(candidate.number)
    assert not segment_array(case, "TC")[territory(result, candidate.number)].any()
    live.set_shown(candidate.number, True)
    expected = cut(result, 0.5, alphas={candidate.number: 0.2})
    assert np.array_equal(segment_array(case, "TC"), expected)
    live.set_shown(candidate.number, False)
    assert np.array_equal(segment_array(case, "TC"), cut(result, 0.5))


def test_a_rejected_lesion_goes_and_comes_back(moving):
    case, result, live = moving
    before = segment_array(case, "WT")
    live.set_shown(1, False)
    assert not segment_array(case, "TC")[territory(result, 1)].any()
    assert np.array_equal(segment_array(case, "TC"), cut(result, 0.5) & ~territory(result, 1))
    live.set_alpha(0.3)
    assert not segment_array(case, "TC")[territory(result, 1)].any()
    live.set_alpha(0.5)
    live.set_shown(1, True)
    assert np.array_equal(segment_array(case, "WT"), before)


def test_an_unknown_lesion_is_refused(moving):
    with pytest.raises(KeyError):
        moving[2].set_shown(99, True)


def test_an_edited_lesion_is_held_and_the_others_move(moving):
    case, result, live = moving
    own = territory(result, 2)
    edited = segment_array(case, "TC")
    z, y, x = np.argwhere(own & ~edited)[0]
    edited[z, y, x] = True
    set_segment(case, "TC", edited)
    for alpha in (0.9, 0.3):
        live.set_alpha(alpha)
        now = segment_array(case, "TC")
        assert np.array_equal(now[own], edited[own])
        assert np.array_equal(now[~own], cut(result, alpha)[~own])
    assert live.held == (2,)


def test_an_erased_voxel_stays_erased(moving):
    case, result, live = moving
    own = territory(result, 1)
    edited = segment_array(case, "ET") & ~own
    set_segment(case, "ET", edited)
    live.set_alpha(0.2)
    assert not segment_array(case, "ET")[own].any()
    assert live.held == (1,)


def test_what_is_painted_beyond_every_lesion_is_never_touched(moving):
    case, result, live = moving
    free = np.argwhere(result.case.to_native(result.membership["wt"]) < 0.01)[0]
    edited = segment_array(case, "TC")
    edited[tuple(free)] = True
    set_segment(case, "TC", edited)
    live.set_alpha(0.3)
    assert live.held == ()
    expected = cut(result, 0.3)
    expected[tuple(free)] = True
    assert np.array_equal(segment_array(case, "TC"), expected)


def test_a_released_lesion_follows_again(moving):
    case, result, live = moving
    set_segment(case, "TC", segment_array(case, "TC") & ~territory(result, 1))
    live.set_alpha(0.3)
    assert live.held == (1,)
    live.release(1)
    assert live.held == ()
    assert np.array_equal(segment_array(case, "TC"), cut(result, 0.3))


def test_a_held_lesion_takes_its_edits_along_and_back(moving):
    case, result, live = moving
    own = territory(result, 1)
    edited = segment_array(case, "TC")
    edited[tuple(np.argwhere(own & edited)[0])] = False
    set_segment(case, "TC", edited)
    live.set_shown(1, False)
    assert not segment_array(case, "TC")[own].any()
    live.set_alpha(0.2)
    assert not segment_array(case, "TC")[own].any()
    live.set_shown(1, True)
    assert np.array_equal(segment_array(case, "TC")[own], edited[own])


def test_edits_are_known_after_saving_and_loading(scene, harness, tmp_path):
    case, result = loaded(TILTED)
    live = LiveSegmentation(case)
    live.set_alpha(0.3)
    own = territory(result, 1)
    edited = segment_array(case, "TC")
    edited[tuple(np.argwhere(own & edited)[0])] = False
    set_segment(case, "TC", edited)  # nobody has noticed yet when the scene is saved
    live.set_shown(2, False)
    harness.save_scene(tmp_path / "edited.mrb")
    harness.load_scene(tmp_path / "edited.mrb")
    (case,) = CaseNodes.all_in_scene()
    assert case.alpha == 0.3
    assert not case.is_shown(2)
    live = LiveSegmentation(case)
    live.set_alpha(0.8)
    now = segment_array(case, "TC")
    assert live.held == (1,)
    assert np.array_equal(now[own], edited[own])
    rest = ~own & ~territory(result, 2)
    assert np.array_equal(now[rest], cut(result, 0.8)[rest])


def test_nothing_is_held_after_saving_and_loading_alone(scene, harness, tmp_path):
    loaded(parts=True)
    harness.save_scene(tmp_path / "same.mrb")
    harness.load_scene(tmp_path / "same.mrb")
    (case,) = CaseNodes.all_in_scene()
    live = LiveSegmentation(case)
    live.set_alpha(0.4)
    assert live.held == ()


def test_merged_labelmaps_are_parted_again(scene):
    case, result = loaded(parts=True)
    case.segmentation.GetSegmentation().CollapseBinaryLabelmaps(False)
    live = LiveSegmentation(case)
    live.set_alpha(0.3)
    tc, et = cut(result, 0.3), cut(result, 0.3, "et")
    assert live.held == ()
    assert np.array_equal(segment_array(case, "NETC"), tc & ~et)
    assert np.array_equal(segment_array(case, "ET"), et)


def test_a_deleted_segment_is_left_out(moving):
    case, result, live = moving
    case.segmentation.GetSegmentation().RemoveSegment("ET")
    live.set_alpha(0.3)
    assert np.array_equal(segment_array(case, "TC"), cut(result, 0.3))


def test_the_surface_in_3d_comes_back_when_the_slider_rests(moving):
    case, _, live = moving
    case.segmentation.CreateClosedSurfaceRepresentation()
    live.set_alpha(0.2)
    live.settle()
    segmentation = case.segmentation.GetSegmentation()
    assert segmentation.ContainsRepresentation("Closed surface")
    wide = segmentation.GetSegment("WT").GetRepresentation("Closed surface").GetBounds()
    live.set_alpha(0.9)
    live.settle()
    narrow = segmentation.GetSegment("WT").GetRepresentation("Closed surface").GetBounds()
    assert narrow[1] - narrow[0] < wide[1] - wide[0]


def test_the_views_are_told_of_a_move(moving):
    case, _, live = moving
    heard = []
    segmentation = case.segmentation.GetSegmentation()
    tag = segmentation.AddObserver(
        slicer.vtkSegmentation.SourceRepresentationModified, lambda *_: heard.append(1)
    )
    live.set_alpha(0.2)
    segmentation.RemoveObserver(tag)
    assert heard
