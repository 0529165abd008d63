"""The falx: found in the middle, and nothing grows through it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ParetoSegLib.data.synthesis.edema import edema_membership
from ParetoSegLib.data.synthesis.falx import Falx
from ParetoSegLib.data.synthesis.heads import small_head
from ParetoSegLib.data.synthesis.placement import place
from ParetoSegLib.data.synthesis.plans import draw_plan
from ParetoSegLib.data.synthesis.settings import SynthesisSettings
from ParetoSegLib.data.synthesis.tissues import Tissue

SPACING = (1.0, 1.0, 1.0)


def test_it_lies_in_the_middle_of_the_head() -> None:
    head = small_head(2, voxels=96)
    falx = Falx.of(head.tissues, head.grid.spacing_mm)
    assert falx is not None
    whole = (slice(0, 96), slice(0, 96), slice(0, 96))
    offset = falx.offset_mm(whole)[40:60, 30:66]
    left, right = offset[:, :, -1], -offset[:, :, 0]
    assert np.abs(left - right).max() < 6
    point = np.array([[50.0, 48.0, 70.0]])
    assert falx.offset_at(point)[0] == pytest.approx(falx.offset_mm(whole)[50, 48, 70])
    assert Falx.of(np.zeros((40, 40, 40), np.uint8), SPACING) is None


def test_the_other_side_is_what_lies_across_it() -> None:
    falx = Falx(np.full((30, 30), 15.0, np.float32), 10, SPACING)
    box = (slice(0, 30), slice(5, 25), slice(2, 30))
    beyond = falx.other_side((20.0, 15.0, 22.0), box)
    assert beyond[10:, :, :13].all()
    assert not beyond[:10].any()
    assert not beyond[:, :, 15:].any()
    assert not falx.other_side((20.0, 15.0, 15.5), box).any()


def grown_edema(tissues: np.ndarray, falx: Falx | None) -> np.ndarray:
    plan = draw_plan(np.random.default_rng(3), (20.0, 20.0, 18.0), 5.0, SynthesisSettings())
    grown = edema_membership(replace(plan, edema_mm=20.0), tissues, SPACING, falx)
    assert grown is not None
    box, share, _ = grown
    whole = np.zeros(tissues.shape, np.float32)
    whole[box] = share
    return whole


def test_edema_crosses_only_where_a_commissure_leads_and_slowly() -> None:
    tissues = np.full((40, 40, 60), Tissue.WHITE, np.uint8)
    tissues[:, :, 29:31] = Tissue.CORTEX  # the hemispheres touch; no fluid shows between them
    falx = Falx(np.full((40, 40), 29.5, np.float32), 0, SPACING)
    assert grown_edema(tissues, falx)[:, :, 31:].max() == 0
    tissues[14:20, 14:20, 29:31] = Tissue.WHITE
    across = grown_edema(tissues, None)[:, :, 31:].sum()
    walled = grown_edema(tissues, falx)
    assert 0 < walled[:, :, 31:].sum() < 0.5 * across
    assert walled[:, :, :26].sum() > 1000


def test_large_cores_are_placed_beside_it() -> None:
    head = small_head(4)
    falx = Falx.of(head.tissues, SPACING)
    assert falx is not None
    radii = np.array([6.0, 5.0])
    distances = []
    for seed in range(12):
        places = place(np.random.default_rng(seed), head.tissues, SPACING, radii, falx=falx)
        for centre, radius in places:
            if radius > 4:
                distances.append(abs(float(falx.offset_at(np.array([centre]))[0])) - 0.8 * radius)
    assert len(distances) > 10
    assert min(distances) > 0
