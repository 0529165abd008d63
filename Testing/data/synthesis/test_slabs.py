"""Thick slices: means of what they are made of, in the right place."""

from __future__ import annotations

import numpy as np

from ParetoSegLib.core.geometry import Grid
from ParetoSegLib.core.labels import REGIONS
from ParetoSegLib.data.synthesis.heads import small_head
from ParetoSegLib.data.synthesis.patient import make_patient
from ParetoSegLib.data.synthesis.settings import SynthesisSettings
from ParetoSegLib.data.synthesis.slabs import in_slabs


def centre(grid: Grid, share: np.ndarray) -> np.ndarray:
    """Centre of mass in LPS millimetres."""
    where = np.argwhere(share > 0)
    return np.average(grid.positions(where), axis=0, weights=share[tuple(where.T)])


def test_slabs_keep_volumes_and_places() -> None:
    head = small_head(3, voxels=60)
    settings = SynthesisSettings(
        lesions=(2, 2), radius_mm=(4, 6), raters=1, deform_mm=0, stripped_share=0
    )
    patient = make_patient(head, 2, settings)
    thick = in_slabs(patient, 5.0)
    assert thick.grid.shape == (12, 60, 60)
    assert thick.grid.spacing_mm == (5.0, 1.0, 1.0)
    for region in REGIONS:
        fine, wide = patient.truth[region], thick.truth[region]
        np.testing.assert_allclose(wide.sum() * 5, fine.sum(), rtol=1e-4)
        assert wide.dtype == np.float32
        assert 0 <= wide.min() <= wide.max() <= 1
        shift = centre(patient.grid, fine) - centre(thick.grid, wide)
        assert np.abs(shift).max() < 0.2  # a membership has steps within a slab
        assert thick.raters[0][region].shape == wide.shape
    assert (thick.truth["et"] <= thick.truth["tc"]).all()
    assert (thick.truth["tc"] <= thick.truth["wt"]).all()
    np.testing.assert_array_equal(thick.labels > 0, thick.truth["wt"] >= 0.5)
    np.testing.assert_allclose(
        thick.images["t1c"][4], patient.images["t1c"][20:25].mean(axis=0), rtol=1e-4
    )


def test_the_setting_hands_over_slabs() -> None:
    patient = make_patient(small_head(3), 2, SynthesisSettings(lesions=(1, 1), slab_mm=4.0))
    assert patient.grid.spacing_mm[0] == 4.0
    assert patient.facts["slice_mm"] == 4.0
    same = make_patient(small_head(3), 2, SynthesisSettings(lesions=(1, 1)))
    assert same.grid.spacing_mm[0] == 1.0
    assert "slice_mm" not in same.facts
