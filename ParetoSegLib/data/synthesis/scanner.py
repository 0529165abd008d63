"""A plain scanner: point spread, bias field, noise and an arbitrary scale of brightness."""

from __future__ import annotations

import numpy as np

from ParetoSegLib.data.synthesis.fields import SmoothField


def scan(
    image: np.ndarray,
    rng: np.random.Generator,
    spacing_mm: tuple[float, float, float],
    noise: float,
    bias: float,
    blur_mm: float,
) -> np.ndarray:
    """What a scanner would record of a painted image ``(D, H, W)``; float32, never negative.

    Args:
        image: brightness with white matter in T1 near 1.
        noise: standard deviation of the Rician noise in the same units.
        bias: standard deviation of the logarithm of the receive field.
        blur_mm: standard deviation of the point spread.
    """
    from scipy import ndimage

    sigma = [blur_mm / step for step in spacing_mm]
    out = ndimage.gaussian_filter(image, sigma, mode="nearest", truncate=3)
    if bias > 0:
        extent = max(n * step for n, step in zip(image.shape, spacing_mm, strict=True))
        field = SmoothField.draw(rng, 0.35 * extent, modes=12).on_grid(image.shape, spacing_mm)
        field *= np.float32(bias)
        out *= np.exp(field, out=field)
    if noise > 0:
        real = rng.standard_normal(image.shape, dtype=np.float32)
        real *= np.float32(noise)
        real += out
        other = rng.standard_normal(image.shape, dtype=np.float32)
        other *= np.float32(noise)
        out = np.hypot(real, other, out=real)
    return out
