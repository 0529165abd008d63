"""Edema follows white matter and never enters CSF."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ParetoSegLib.data.synthesis.edema import edema_membership
from ParetoSegLib.data.synthesis.plans import draw_plan
from ParetoSegLib.data.synthesis.settings import SynthesisSettings
from ParetoSegLib.data.synthesis.tissues import Tissue

SPACING = (1.0, 1.0, 1.0)


def grow(tissues: np.ndarray, seed: int, radius: float, reach: float) -> np.ndarray:
    centre = tuple((n - 1) / 2 for n in tissues.shape)
    plan = draw_plan(np.random.default_rng(seed), centre, radius, SynthesisSettings())  # type: ignore[arg-type]
    grown = edema_membership(replace(plan, edema_mm=reach), tissues, SPACING)
    assert grown is not None
    box, share, _ = grown
    whole = np.zeros(tissues.shape, np.float32)
    whole[box] = share
    return whole


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), radius=st.floats(1.5, 6.0), reach=st.floats(2.0, 12.0))
def test_no_edema_in_fluid_or_outside_the_brain(seed: int, radius: float, reach: float) -> None:
    rng = np.random.default_rng(seed)
    tissues = rng.choice(
        np.array([Tissue.WHITE, Tissue.CORTEX, Tissue.CSF, Tissue.BONE], np.uint8),
        p=[0.8, 0.1, 0.08, 0.02],
        size=(30, 31, 32),
    )
    share = grow(tissues, seed, radius, reach)
    assert share[(tissues == Tissue.CSF) | (tissues == Tissue.BONE)].max() == 0
    assert share.min() >= 0
    assert share.max() == 1


def test_a_sheet_of_csf_is_a_wall() -> None:
    tissues = np.full((40, 40, 40), Tissue.WHITE, np.uint8)
    tissues[28:30] = Tissue.CSF
    share = grow(tissues, 1, 4.0, 12.0)
    assert share[26:28].max() == 1
    assert share[30:].max() == 0


def test_white_matter_carries_it_further_than_cortex() -> None:
    tissues = np.full((48, 48, 48), Tissue.CORTEX, np.uint8)
    tissues[:, 22:26, 22:26] = Tissue.WHITE
    share = grow(tissues, 2, 3.0, 10.0)
    along = (share[:, 23, 23] > 0.5).sum()
    across = (share[23, :, 23] > 0.5).sum()
    assert along > across + 4


def test_large_regions_computed_coarsely_agree() -> None:
    """A reach that makes the box large switches to a coarser march; its volume stays right."""
    tissues = np.full((80, 80, 80), Tissue.WHITE, np.uint8)
    volume = float(grow(tissues, 5, 8.0, 16.0).sum())
    radius = (3 * volume / (4 * np.pi)) ** (1 / 3)
    assert 18 < radius < 29
