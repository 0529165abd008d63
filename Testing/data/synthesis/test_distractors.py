"""Distractors: always there, anatomically placed, bright where they ought to be, never labelled."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ParetoSegLib.core.labels import MODALITIES
from ParetoSegLib.data.synthesis.contrast import Anchors
from ParetoSegLib.data.synthesis.distractors import Distractor, draw_distractors
from ParetoSegLib.data.synthesis.heads import small_head
from ParetoSegLib.data.synthesis.landmarks import Frame
from ParetoSegLib.data.synthesis.patient import make_patient
from ParetoSegLib.data.synthesis.settings import SynthesisSettings
from ParetoSegLib.data.synthesis.stripping import Cut, draw_cut, stripped
from ParetoSegLib.data.synthesis.tissues import BRAIN, FLUID, Tissue, belongs

ANCHORS = {
    "t1n": Anchors(1.0, 0.75, 0.25),
    "t1c": Anchors(1.0, 0.8, 0.25),
    "t2w": Anchors(0.5, 0.7, 1.7),
    "t2f": Anchors(0.66, 0.8, 0.15),
}
HEADS = {voxels: small_head(voxels, voxels) for voxels in (48, 72)}


def assert_well_formed(distractor: Distractor, size: int) -> None:
    assert len(distractor.where) == len(distractor.share) > 0
    assert len(np.unique(distractor.where)) == len(distractor.where)
    assert 0 <= distractor.where.min() <= distractor.where.max() < size
    assert 0 <= distractor.share.min() <= distractor.share.max() <= 1
    for modality, value in distractor.brightness.items():
        assert np.isfinite(value(ANCHORS[modality]))
        assert value(ANCHORS[modality]) >= 0


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 2**32), voxels=st.sampled_from([48, 72]), cut=st.booleans())
def test_every_head_has_distractors_and_each_is_well_formed(
    seed: int, voxels: int, cut: bool
) -> None:
    rng = np.random.default_rng(seed)
    head = HEADS[voxels]
    if cut:
        head = stripped(head, cut=draw_cut(rng), rng=rng)
    found = draw_distractors(rng, head.tissues, head.grid.spacing_mm)
    assert len(found) >= 2
    assert {"sinus", "artery", "falx", "tentorium"} <= {d.kind for d in found}
    flat = head.tissues.reshape(-1)
    for distractor in found:
        assert_well_formed(distractor, flat.size)
        if distractor.kind == "choroid plexus":
            room = (Tissue.VENTRICLE, Tissue.CHOROID)
            assert belongs(flat[distractor.where], room).all()
        elif distractor.kind == "flow":
            assert belongs(flat[distractor.where], FLUID).all()
        elif distractor.kind in ("plaque", "cap", "lacune", "medullary vein"):
            # A vein through white matter is as wide as a voxel, so it may touch what is beside.
            assert belongs(flat[distractor.where], BRAIN).mean() > 0.6


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_sinuses_outshine_white_matter_on_t1c_alone(seed: int) -> None:
    head = HEADS[48]
    found = draw_distractors(np.random.default_rng(seed), head.tissues, head.grid.spacing_mm)
    (sinus,) = [d for d in found if d.kind == "sinus"]
    assert sinus.brightness["t1c"](ANCHORS["t1c"]) > 1.2 * ANCHORS["t1c"].white
    assert sinus.brightness["t2w"](ANCHORS["t2w"]) < ANCHORS["t2w"].grey
    assert sinus.brightness["t2f"](ANCHORS["t2f"]) < ANCHORS["t2f"].grey


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_patient_shows_its_sinuses_and_labels_none_of_it(share: float) -> None:
    brighter = []
    for seed in range(2):
        free = SynthesisSettings(
            lesions=(0, 0), stripped_share=share, thick_share=0.0, noise=(0.01, 0.02)
        )
        patient = make_patient(HEADS[48], seed, free)
        assert not patient.labels.any()
        assert all(patient.truth[region].max() == 0 for region in patient.truth)
        kinds = patient.facts["distractors"]
        assert isinstance(kinds, dict)
        assert sum(kinds.values()) >= 2
        without = make_patient(HEADS[48], seed, replace(free, distractors=False))
        gained = patient.images["t1c"] / np.maximum(without.images["t1c"], 1)
        brain = without.images["t1c"] > 0.4 * np.percentile(without.images["t1c"], 95)
        brighter.append(float((gained[brain] > 1.25).mean()))
    assert min(brighter) > 0.0005


def test_sinuses_run_in_the_middle_and_along_the_hull() -> None:
    head = HEADS[72]
    frame = Frame.of(head.tissues, head.grid.spacing_mm)
    assert frame is not None
    top = frame.on_hull(frame.voxels(np.array([0.0, -25.0, 80.0])))[0]
    brain = np.argwhere(belongs(head.tissues, BRAIN))
    highest = brain[:, 0].max()
    assert abs(top[0] - highest) < 4
    assert abs(top[2] - (head.tissues.shape[2] - 1) / 2) < 3
    # The atlas's right is at small x in LPS, its front at small y.
    right, front = frame.voxels(np.array([[60.0, -20, 10], [0, 65, 10]]))
    centre = frame.voxels(np.array([0.0, -20.0, 10.0]))[0]
    assert abs(right[2] - centre[2]) > 15
    assert front[1] < centre[1]


def test_a_head_without_brain_has_no_frame() -> None:
    assert Frame.of(np.zeros((20, 20, 20), np.uint8), (1.0, 1.0, 1.0)) is None
    assert draw_distractors(np.random.default_rng(0), np.zeros((20,) * 3, np.uint8), (1,) * 3) == []


def test_painting_mixes_by_share_and_only_there() -> None:
    images = {m: np.full((4, 5, 6), 0.5, np.float32) for m in MODALITIES}
    where, share = np.array([3, 40]), np.array([1.0, 0.25], np.float32)
    Distractor("test", where, share, {"t1c": lambda a: 2 * a.white}).paint(images, ANCHORS)
    flat = images["t1c"].reshape(-1)
    np.testing.assert_allclose(flat[where], [2.0, 0.5 + 0.25 * 1.5])
    assert (np.delete(flat, where) == 0.5).all()
    assert (images["t1n"] == 0.5).all()


def test_a_clean_cut_keeps_every_brain_voxel() -> None:
    head = HEADS[48]
    bare = stripped(head, cut=Cut())
    assert belongs(bare.tissues, BRAIN).sum() == belongs(head.tissues, BRAIN).sum()
