from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.spatial.distance import pdist

from ParetoSegLib.measure.diameters import Diameters, axial_diameters
from Testing.measure.memberships import SPACINGS

MASKS = arrays.arrays(bool, arrays.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=8))


def ellipse(a_mm: float, b_mm: float, degrees: float, pixel_mm: float = 0.5) -> np.ndarray:
    """Two slices with the same ellipse of full axes ``a_mm`` and ``b_mm``."""
    y, x = (np.mgrid[:120, :120] - 59.6) * pixel_mm
    turn = np.deg2rad(degrees)
    u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    return np.repeat([(2 * u / a_mm) ** 2 + (2 * v / b_mm) ** 2 <= 1], 2, axis=0)


@given(MASKS, st.sampled_from(SPACINGS))
def test_the_longest_diameter_lies_between_centres_and_corners(mask, spacing) -> None:
    found = axial_diameters(mask, spacing)
    if not mask.any():
        assert found == Diameters(0.0, 0.0, None, 0)
        return
    plane = np.array(spacing[1:])
    between = [pdist(np.argwhere(s) * plane).max(initial=0.0) for s in mask]
    assert found.longest_mm >= max(between) + min(plane) - 1e-9 or max(between) > 0
    assert found.longest_mm > max(between)
    assert found.longest_mm <= max(between) + np.linalg.norm(plane) + 1e-9
    assert found.slices == mask.any(axis=(1, 2)).sum()
    assert mask[found.axial_slice].any()
    assert 0 < found.perpendicular_mm <= found.longest_mm + 1e-9


@given(MASKS, st.sampled_from(SPACINGS), st.integers(0, 2))
def test_mirroring_and_transposing_change_nothing(mask, spacing, axis) -> None:
    found = axial_diameters(mask, spacing)
    mirrored = axial_diameters(np.flip(mask, axis), spacing)
    turned = axial_diameters(mask.transpose(0, 2, 1), (spacing[0], spacing[2], spacing[1]))
    assert mirrored.longest_mm == pytest.approx(found.longest_mm)
    assert turned.longest_mm == pytest.approx(found.longest_mm)


@given(MASKS, st.floats(0.3, 4.0))
def test_millimetres_scale(mask, factor) -> None:
    found = axial_diameters(mask, (1.0, 1.0, 1.0))
    scaled = axial_diameters(mask, (1.0, factor, factor))
    assert scaled.longest_mm == pytest.approx(found.longest_mm * factor)


@given(MASKS)
def test_growing_never_shortens(mask) -> None:
    grown = mask.copy()
    grown[:, :-1] |= mask[:, 1:]
    before, after = (axial_diameters(m, (1.0, 1.0, 1.0)) for m in (mask, grown))
    assert after.longest_mm >= before.longest_mm - 1e-9


@pytest.mark.parametrize("degrees", [0, 17, 30, 45, 63, 90, 120])
def test_an_ellipse_shows_its_axes(degrees) -> None:
    found = axial_diameters(ellipse(24.0, 11.0, degrees), (1.0, 0.5, 0.5))
    assert found.longest_mm == pytest.approx(24.0, abs=0.5)
    assert found.perpendicular_mm == pytest.approx(11.0, abs=0.6)


def test_the_perpendicular_is_a_chord_not_the_width_of_the_box() -> None:
    # A right triangle with legs 30 and 40: the altitude on its longest side is 24.
    y, x = np.mgrid[:300, :400] + 0.5
    mask = (x / 400 + y / 300 <= 1)[None]
    found = axial_diameters(mask, (1.0, 0.1, 0.1))
    assert found.longest_mm == pytest.approx(50, abs=0.2)
    assert found.perpendicular_mm == pytest.approx(24, abs=0.2)
    # A parallelogram sheared along its diagonal: the chord is shorter than the extent across.
    sheared = (np.abs(x - y * 1.2) <= 40)[None]
    slanted = axial_diameters(sheared, (1.0, 0.1, 0.1))
    ends = np.argwhere(sheared[0]) * 0.1
    line = np.array([1.0, 1.2 + 80 / 300])
    normal = np.array([-line[1], line[0]]) / np.linalg.norm(line)
    assert slanted.perpendicular_mm < np.ptp(ends @ normal) - 0.2


def test_one_voxel_is_as_wide_as_itself() -> None:
    mask = np.zeros((3, 3, 3), bool)
    mask[1, 1, 1] = True
    found = axial_diameters(mask, (5.0, 2.0, 1.0))
    assert found == Diameters(2.0, 1.0, 1, 1)


@pytest.mark.parametrize(
    ("long", "wide", "slices", "measurable"),
    [(10, 5, 2, True), (9, 5, 2, False), (10, 4, 2, False), (10, 5, 1, False), (30, 30, 5, True)],
)
def test_measurable_follows_rano_bm(long, wide, slices, measurable) -> None:
    found = Diameters(float(long), float(wide), 0, slices)
    assert found.measurable is measurable


def test_the_slice_with_the_longest_diameter_is_named() -> None:
    mask = np.zeros((4, 20, 20), bool)
    mask[1, 5:9, 5:9] = True
    mask[2, 4:10, 3:15] = True
    found = axial_diameters(mask, (1.0, 1.0, 1.0))
    assert found.axial_slice == 2
    assert found.slices == 2
