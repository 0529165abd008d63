"""Spots that peak too low become candidates; all others stay as they are."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from ParetoSegLib.core.geometry import Grid
from ParetoSegLib.measure.doubt import LARGEST_MM3, TYPICAL_MM3, doubt_spots, level_for
from ParetoSegLib.measure.lesions import find_lesions

SHAPE = (14, 16, 30)
GRID = Grid.of(sitk.Image(SHAPE[::-1], sitk.sitkFloat32))
levels = st.floats(0.5, 0.98)


def two_spots(first: float, second: float, apart: float = 16.0) -> np.ndarray:
    """Two round spots with these peaks, in two halves of the volume."""
    z, y, x = np.indices(SHAPE)
    field = np.zeros(SHAPE, np.float32)
    for centre, peak in ((7.0, first), (7.0 + apart, second)):
        away = (z - 7) ** 2 + (y - 8) ** 2 + (x - centre) ** 2
        field = np.maximum(field, np.float32(peak) * np.exp(-away / 14.0).astype(np.float32))
    return field


@settings(max_examples=40, deadline=None)
@given(level=levels, first=st.floats(0.21, 1), second=st.floats(0.21, 1))
def test_a_spot_is_a_lesion_exactly_if_it_reaches_the_level(level, first, second):
    field = two_spots(first, second)
    peaks = [float(field[..., :15].max()), float(field[..., 15:].max())]
    lesions = find_lesions({"tc": doubt_spots(field.copy(), level, 1.0)}, GRID, ("tc",))
    assert len(lesions.found) == sum(peak >= np.float32(level) for peak in peaks)


@settings(max_examples=40, deadline=None)
@given(level=levels, seed=st.integers(0, 999))
def test_only_spots_below_the_level_change_and_stay_below_one_half(level, seed):
    noise = np.random.default_rng(seed).normal(size=SHAPE)
    field = ndimage.gaussian_filter(noise, 2.5)
    field = (1 / (1 + np.exp(-30 * field))).astype(np.float32)
    changed = doubt_spots(field.copy(), level, 1.0)
    assert changed.dtype == np.float32
    spots, count = ndimage.label(field >= 0.5, np.ones((3, 3, 3)))
    np.testing.assert_array_equal(changed[spots == 0], field[spots == 0])
    for number in range(1, count + 1):
        own = spots == number
        if field[own].max() >= level or own.sum() > LARGEST_MM3:
            np.testing.assert_array_equal(changed[own], field[own])
        else:
            assert (changed[own].astype(np.float16) < 0.5).all()
            assert (changed[own] > 0.49).all()


def test_a_doubted_spot_is_a_candidate():
    held = doubt_spots(two_spots(0.7, 0.9), 0.8, 1.0)
    lesions = find_lesions({"tc": held}, GRID, ("tc",))
    assert [len(lesions.found), len(lesions.candidates)] == [1, 1]


@pytest.mark.parametrize("peak", [0.0, 0.04, 0.9])
def test_the_level_one_half_changes_nothing(peak):
    field = two_spots(peak, 0.6)
    np.testing.assert_array_equal(doubt_spots(field.copy(), 0.5, 1.0), field)


@pytest.mark.parametrize("voxel_mm3", [0.1, 1.0, 3.0, 50.0])
def test_what_is_large_is_not_doubted(voxel_mm3):
    field = two_spots(0.7, 0.9)
    voxels = int((field[..., :15] >= 0.5).sum())
    held = doubt_spots(field.copy(), 0.8, voxel_mm3)[..., :15].max() < 0.5
    assert held == (voxels * voxel_mm3 <= LARGEST_MM3)


@settings(max_examples=40, deadline=None)
@given(
    level=st.floats(0.05, 0.97),
    slope=st.floats(0.1, 3),
    volumes=st.tuples(st.floats(1, 500), st.floats(1, 500)),
)
def test_a_larger_spot_needs_no_more_and_all_need_what_is_possible(level, slope, volumes):
    small, large = (level_for(v, level, slope) for v in sorted(volumes))
    assert 0.5 <= large <= small <= 0.98
    assert level_for(TYPICAL_MM3, level, slope) == pytest.approx(max(level, 0.5))


def test_of_two_spots_with_one_peak_the_larger_is_kept():
    field = np.zeros(SHAPE, np.float32)
    field[4:9, 4:9, 3:8] = 0.8
    field[4:6, 4:6, 20:22] = 0.8
    held = doubt_spots(field.copy(), 0.8, 1.0, slope=0.5)
    assert held[..., :15].max() == np.float32(0.8)
    assert held[..., 15:].max() < 0.5
