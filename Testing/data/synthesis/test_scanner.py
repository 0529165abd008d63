"""The scanner: Rician noise, slices, motion and masks, and nothing it should not do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ParetoSegLib.data.synthesis.contrast import Anchors, remapped
from ParetoSegLib.data.synthesis.fields import grain
from ParetoSegLib.data.synthesis.scanner import Protocol, draw_protocols, scan

ONE = (1.0, 1.0, 1.0)
ANCHORS = {"t1c": Anchors(1.0, 0.8, 0.3), "t2f": Anchors(0.6, 0.8, 0.1)}


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), painted=st.booleans())
def test_any_protocol_gives_finite_images_that_are_not_negative(seed: int, painted: bool) -> None:
    rng = np.random.default_rng(seed)
    image = rng.random((20, 24, 22), dtype=np.float32)
    inside = None if painted else image > 0.2
    for protocol in draw_protocols(rng, ANCHORS, painted, (0.01, 0.06), 0.8, (2, 6)).values():
        out = scan(image, rng, ONE, protocol, inside)
        assert out.shape == image.shape
        assert out.dtype == np.float32
        assert np.isfinite(out).all()
        assert out.min() >= 0


def test_equal_seeds_give_equal_scans() -> None:
    image = np.random.default_rng(0).random((12, 13, 14), dtype=np.float32)
    protocol = Protocol(noise=0.05, bias=0.1, blur_mm=0.5, slice_mm=3, ghost=0.05, shift=1)
    first, again = (scan(image, np.random.default_rng(3), ONE, protocol) for _ in range(2))
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("level", [0.0, 5.0])
def test_noise_is_rician(level: float) -> None:
    """Rayleigh in air (mean σ √(π/2)), and nearly Gaussian with the same σ where signal is."""
    image = np.full((40, 40, 40), level, np.float32)
    out = scan(image, np.random.default_rng(1), ONE, Protocol(noise=0.5))
    if level == 0:
        assert out.mean() == pytest.approx(0.5 * np.sqrt(np.pi / 2), rel=0.02)
    else:
        assert out.std() == pytest.approx(0.5, rel=0.03)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("nearest", [True, False])
def test_thick_slices_blur_across_and_not_within(axis: int, nearest: bool) -> None:
    rng = np.random.default_rng(2)
    image = rng.random((30, 30, 30), dtype=np.float32)
    protocol = Protocol(slice_mm=5.0, axis=axis, nearest=nearest)
    out = scan(image, rng, ONE, protocol)
    across = np.abs(np.diff(out, axis=axis)).mean()
    within = np.abs(np.diff(out, axis=(axis + 1) % 3)).mean()
    assert across < 0.6 * within
    assert out.mean() == pytest.approx(image.mean(), rel=0.03)
    if nearest:
        assert (np.diff(out, axis=axis) == 0).mean() > 0.7


def test_slices_do_not_move_what_they_show() -> None:
    image = np.zeros((60, 4, 4), np.float32)
    image[27:32] = 1
    middles = []
    for seed in range(12):
        out = scan(image, np.random.default_rng(seed), ONE, Protocol(slice_mm=5.0))[:, 0, 0]
        middles.append((np.arange(60) * out).sum() / out.sum())
    assert np.mean(middles) == pytest.approx(29.0, abs=0.5)


def test_a_cut_edge_stays_as_bright_as_the_brain() -> None:
    inside = np.zeros((30, 30, 30), bool)
    inside[8:22, 8:22, 8:22] = True
    image = inside.astype(np.float32)
    protocol = Protocol(blur_mm=0.7, slice_mm=4.0)
    kept = scan(image, np.random.default_rng(0), ONE, protocol, inside)
    np.testing.assert_allclose(kept[inside], 1.0, atol=1e-4)
    assert kept[~inside].max() == 0
    leaking = scan(image, np.random.default_rng(0), ONE, protocol)
    assert leaking[inside].min() < 0.7


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_remapped_image_keeps_the_order_of_brightness(seed: int) -> None:
    rng = np.random.default_rng(seed)
    image = 400 * rng.random((16, 16, 16), dtype=np.float32)
    inside = image > 40
    anchors = {"t2f": Anchors(180.0, 220.0, 60.0)}
    images, moved = remapped({"t2f": image}, anchors, inside, rng)
    new = images["t2f"]
    assert new.min() >= 0
    assert (new[~inside] == 0).all()
    order = np.argsort(image[inside])
    assert (np.diff(new[inside][order]) >= -1e-3).all()
    a = moved["t2f"]
    assert a.fluid < a.white < a.grey
    near = inside & (np.abs(image - 180) < 2)
    assert new[near].mean() == pytest.approx(a.white, rel=0.05)


@pytest.mark.parametrize("sigma", [0.0, 1.3])
def test_grain_has_unit_variance_and_its_correlation(sigma: float) -> None:
    noise = grain(np.random.default_rng(4), (80, 90, 100), sigma)
    assert noise.dtype == np.float32
    assert noise.std() == pytest.approx(1.0, rel=0.05)
    neighbours = float((noise[1:] * noise[:-1]).mean())
    assert neighbours == pytest.approx(np.exp(-0.25 / sigma**2) if sigma else 0.0, abs=0.06)
