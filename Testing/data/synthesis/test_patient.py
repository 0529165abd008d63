"""A whole synthetic patient: nested truth, labels from it, reproducible, 0 to 40 lesions."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ParetoSegLib.core.errors import ConfigError
from ParetoSegLib.core.geometry import distance_to
from ParetoSegLib.core.labels import BRATS_METS, MODALITIES, REGIONS, SNFH
from ParetoSegLib.data.synthesis.contrast import draw_palette
from ParetoSegLib.data.synthesis.distractors import draw_distractors
from ParetoSegLib.data.synthesis.heads import Head, small_head
from ParetoSegLib.data.synthesis.patient import SyntheticPatient, make_patient
from ParetoSegLib.data.synthesis.settings import KINDS, SynthesisSettings
from ParetoSegLib.data.synthesis.tissues import BRAIN, Tissue, belongs


def assert_sound(patient: SyntheticPatient) -> None:
    """What must hold of every synthetic patient."""
    truth = patient.truth
    for region in REGIONS:
        assert truth[region].dtype == np.float32
        assert truth[region].shape == patient.grid.shape
        assert 0 <= truth[region].min() <= truth[region].max() <= 1
    assert (truth["et"] <= truth["tc"]).all()
    assert (truth["tc"] <= truth["wt"]).all()
    masks = BRATS_METS.region_masks(patient.labels, "labels")
    for region in REGIONS:
        np.testing.assert_array_equal(masks[region], truth[region] >= 0.5)
    for modality in MODALITIES:
        image = patient.images[modality]
        assert image.dtype == np.float32
        assert np.isfinite(image).all()
        assert image.min() >= 0
        assert image.std() > 0
    for lesion in patient.lesions:
        index = (
            np.linalg.solve(patient.grid.affine, np.array([*lesion.centre_lps, 1.0]))[:3]
            .round()
            .astype(int)
        )
        around = tuple(slice(max(0, i - 2), i + 3) for i in index)
        assert masks["tc"][around].any(), f"lesion {lesion.number} left no voxel"
        volumes = lesion.volumes_cc
        assert 0 <= volumes["et"] <= volumes["tc"] <= volumes["wt"]
    for rater in patient.raters:
        assert (rater["tc"] | ~rater["et"]).all()
        assert (rater["wt"] | ~rater["tc"]).all()
    json.dumps(patient.facts)


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**40))
def test_every_patient_is_sound(seed: int) -> None:
    assert_sound(make_patient(small_head(seed), seed, SynthesisSettings(raters=1)))


@pytest.mark.parametrize("count", [0, 1, 40])
def test_the_count_of_lesions_is_the_one_asked_for(count: int) -> None:
    patient = make_patient(small_head(0), 5, SynthesisSettings(lesions=(count, count)))
    assert_sound(patient)
    assert len(patient.lesions) == count
    assert bool(patient.labels.any()) == (count > 0)


def test_equal_seeds_give_equal_patients_and_others_do_not() -> None:
    head, settings_ = small_head(1), SynthesisSettings(raters=1, lesions=(2, 5))
    first, again = make_patient(head, 9, settings_), make_patient(head, 9, settings_)
    for modality in MODALITIES:
        np.testing.assert_array_equal(first.images[modality], again.images[modality])
    np.testing.assert_array_equal(first.labels, again.labels)
    np.testing.assert_array_equal(first.raters[0]["wt"], again.raters[0]["wt"])
    assert first.lesions == again.lesions
    other = make_patient(head, 10, settings_)
    assert other.lesions != first.lesions


def test_the_head_is_not_changed() -> None:
    head = small_head(2)
    before = head.tissues.copy()
    make_patient(head, 3, SynthesisSettings(lesions=(3, 6)))
    np.testing.assert_array_equal(head.tissues, before)


def test_more_raters_leave_the_first_ones_as_they_were() -> None:
    head = small_head(1)
    one = make_patient(head, 4, SynthesisSettings(lesions=(3, 3), raters=1))
    three = make_patient(head, 4, SynthesisSettings(lesions=(3, 3), raters=3))
    np.testing.assert_array_equal(one.raters[0]["tc"], three.raters[0]["tc"])
    assert (three.raters[1]["tc"] != three.raters[2]["tc"]).any()


def test_strong_lesions_stand_out_on_t1c_and_edema_on_flair() -> None:
    plain = SynthesisSettings(
        lesions=(1, 1), radius_mm=(6.0, 6.0), weak_share=0.0, kinds={"solid": 1.0}
    )
    enhanced, wet = [], []
    head = small_head(1)
    for seed in range(6):
        patient = make_patient(head, seed, plain)
        et, wt, tc = (patient.truth[r] for r in ("et", "wt", "tc"))
        t1c, t2f = patient.images["t1c"], patient.images["t2f"]
        elsewhere = (wt == 0) & (t1c > 0)
        enhanced.append(t1c[et > 0.95].mean() > np.percentile(t1c[elsewhere], 75))
        if (edema := (wt > 0.95) & (tc < 0.05)).sum() > 50:
            wet.append(t2f[edema].mean() > np.median(t2f[elsewhere & (t2f > t2f.max() / 20)]))
    assert np.mean(enhanced) >= 0.75
    assert len(wet) >= 2
    assert np.mean(wet) >= 0.75


def test_brightness_keeps_the_order_of_tissues() -> None:
    for seed in range(50):
        palette = draw_palette(np.random.default_rng(seed))
        for modality in ("t1n", "t1c"):
            values = palette[modality]
            assert values[Tissue.WHITE] > values[Tissue.CORTEX] > values[Tissue.VENTRICLE]
        values = palette["t2w"]
        assert values[Tissue.VENTRICLE] > values[Tissue.CORTEX] > values[Tissue.WHITE]
        values = palette["t2f"]
        assert values[Tissue.CORTEX] > values[Tissue.WHITE] > values[Tissue.VENTRICLE]


def test_small_lesions_are_as_bright_as_those_that_people_outlined() -> None:
    """Kato et al. 2009: 38 ± 41 % (MPRAGE) and 57 ± 47 % (SPACE) above white matter at 4 mm."""
    rates = []
    head = small_head(0, voxels=56)
    for seed in range(8):
        patient = make_patient(head, seed, SynthesisSettings(lesions=(8, 12), radius_mm=(1, 3)))
        rates += [lesion.contrast_rate for lesion in patient.lesions]
    assert 0.25 < np.median(rates) < 0.8
    assert np.mean(np.array(rates) < 0.1) < 0.2


def test_large_lesions_can_be_faint() -> None:
    contrast = []
    head = small_head(0, voxels=56)
    for seed in range(8):
        settings_ = SynthesisSettings(lesions=(1, 2), radius_mm=(5.5, 8), weak_share=0.9)
        patient = make_patient(head, seed, settings_)
        contrast += [lesion.contrast_to_noise for lesion in patient.lesions]
    assert 0.1 < np.mean(np.array(contrast) < 2) < 0.9


def test_raters_draw_nearly_the_truth() -> None:
    settings_ = SynthesisSettings(lesions=(2, 2), radius_mm=(5.0, 7.0), raters=3)
    patient = make_patient(small_head(3), 8, settings_)
    for region, least in (("tc", 0.7), ("wt", 0.6)):
        true = patient.truth[region] >= 0.5
        away = distance_to(true, patient.grid.spacing_mm)
        within = distance_to(~true, patient.grid.spacing_mm)
        for rater in patient.raters:
            drawn = rater[region]
            assert 2 * (true & drawn).sum() / (true.sum() + drawn.sum()) > least
            assert away[drawn].max() < 5
            assert within[~drawn].max() < 5


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_what_it_is_called(kind: str) -> None:
    settings_ = SynthesisSettings(
        lesions=(1, 1),
        radius_mm=(8.0, 8.0),
        kinds={kind: 1.0},
        weak_share=0.0,
        distractors=False,
    )
    enhancing = []
    for seed in range(2):
        patient = make_patient(small_head(1), seed, settings_)
        assert_sound(patient)
        (lesion,) = patient.lesions
        assert lesion.kind == kind
        enhancing.append(lesion.volumes_cc["et"] / lesion.volumes_cc["tc"])
    least, most = {"hollow": (0.0, 0.3), "cystic": (0.0, 0.8), "solid": (0.5, 1.0)}.get(
        kind, (0.1, 1.0)
    )
    assert least <= np.mean(enhancing) <= most


def test_distractors_are_there_and_belong_to_no_region() -> None:
    head = small_head(4)
    found = draw_distractors(np.random.default_rng(1), head.tissues, head.grid.spacing_mm)
    kinds = {d.kind for d in found}
    assert kinds >= {"vessel", "dura"}
    for distractor in found:
        assert 0 <= distractor.share.min() <= distractor.share.max() <= 1
        if distractor.kind == "plaque":
            assert belongs(head.tissues.reshape(-1)[distractor.where], BRAIN).all()
    with_none = make_patient(head, 2, SynthesisSettings(lesions=(0, 0)))
    assert with_none.truth["wt"].max() == 0
    assert len(found) >= 2


def test_real_images_stay_what_they_are_away_from_lesions() -> None:
    painted = make_patient(small_head(5), 1, SynthesisSettings(lesions=(0, 0), stripped_share=0))
    head = small_head(5)
    real = replace(head, images=painted.images, source="a patient", licence="CC BY 4.0")
    settings_ = SynthesisSettings(
        lesions=(2, 2),
        radius_mm=(2, 3),
        distractors=False,
        stripped_share=0,
        deform_mm=0,
        rescan=False,
    )
    patient = make_patient(real, 6, settings_)
    assert_sound(patient)
    # Edema and enhancement fade out over a few millimetres beyond the truth's border.
    away = distance_to(patient.truth["wt"] > 0, patient.grid.spacing_mm) > 10
    assert away.any()
    image, before = patient.images["t1c"], painted.images["t1c"]
    same = image[away] == before[away]
    mirrored = image[away] == before[:, :, ::-1][away]
    assert same.all() or mirrored.all()
    assert patient.facts["background"]["licence"] == "CC BY 4.0"  # type: ignore[index]


def test_a_head_without_a_brain_is_refused() -> None:
    head = small_head(0)
    hollow = Head("hollow", np.zeros_like(head.tissues), head.grid)
    with pytest.raises(ConfigError, match="hollow"):
        make_patient(hollow, 0)


@pytest.mark.parametrize("stripped_share", [0.0, 1.0])
def test_the_brain_can_be_the_label_and_nothing_else_changes(stripped_share: float) -> None:
    usual = SynthesisSettings(lesions=(2, 4), stripped_share=stripped_share)
    tumour = make_patient(small_head(4), 11, usual)
    brain = make_patient(small_head(4), 11, replace(usual, labels="brain"))
    for modality in MODALITIES:
        np.testing.assert_array_equal(brain.images[modality], tumour.images[modality])
    assert brain.lesions == tumour.lesions
    assert set(np.unique(brain.labels)) == {0, SNFH}
    assert brain.labels[tumour.truth["tc"] > 0.5].all()
    assert not brain.labels[[0, -1]].any()
    share = (brain.labels > 0).mean()
    assert 0.1 < share < 0.7


def test_records_older_than_the_choice_of_labels_still_fit() -> None:
    assert "labels" not in SynthesisSettings().record()
    assert SynthesisSettings(labels="brain").record()["labels"] == "brain"
    with pytest.raises(ConfigError, match="labels is skull"):
        SynthesisSettings(labels="skull")
