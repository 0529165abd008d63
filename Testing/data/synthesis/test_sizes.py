"""Counts and radii: the mixture that was asked for, within every bound."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import settings as run_settings
from hypothesis import strategies as st

from ParetoSegLib.data.synthesis.settings import SynthesisSettings
from ParetoSegLib.data.synthesis.sizes import draw_radii


def drawn(settings: SynthesisSettings, patients: int = 1500) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [draw_radii(rng, settings) for _ in range(patients)]


@run_settings(max_examples=60, deadline=None)
@given(
    low=st.integers(0, 12),
    more=st.integers(0, 30),
    small=st.floats(0.5, 20),
    ratio=st.floats(1, 20),
    many=st.floats(0, 0.9),
    seed=st.integers(0, 999),
)
def test_bounds_are_kept(
    low: int, more: int, small: float, ratio: float, many: float, seed: int
) -> None:
    large = min(60.0, small * ratio)
    settings = SynthesisSettings(
        lesions=(low, low + more), radius_mm=(small, large), many_share=many
    )
    radii = draw_radii(np.random.default_rng(seed), settings)
    assert low <= len(radii) <= low + more
    assert ((radii >= small - 1e-9) & (radii <= large + 1e-9)).all()


def test_most_patients_have_a_large_lesion_and_every_bin_is_met() -> None:
    patients = drawn(SynthesisSettings())
    assert 0.05 <= np.mean([len(radii) == 0 for radii in patients]) <= 0.10
    assert np.mean([radii.max(initial=0) >= 5 for radii in patients]) >= 0.5
    shares = np.histogram(2 * np.concatenate(patients), [0, 3, 6, 10, 20, 51])[0]
    assert (shares / shares.sum() >= 0.05).all()
    counts = np.array([len(radii) for radii in patients])
    assert 0.15 <= np.mean(counts >= 6) <= 0.4
    assert counts.max() > 30


def test_no_patient_is_free_of_tumour_where_one_lesion_is_asked_for() -> None:
    assert min(len(radii) for radii in drawn(SynthesisSettings(lesions=(1, 40)), 300)) == 1
    assert max(len(radii) for radii in drawn(SynthesisSettings(lesions=(0, 0)), 20)) == 0
