"""Intensities that mean the same in every scan: a robust z-score inside the head or brain."""

from __future__ import annotations

import numpy as np

NORMALISATION = "robust z-score inside the mask"
"""What models call it: one that wants another normalisation is refused."""

PERCENTILES = (0.5, 99.5)
"""Values are clipped here before mean and deviation are taken, so that vessels and spikes do not
set the scale."""

RANGE = (-5.0, 10.0)
"""Bounds of the result; enhancing rims reach about 8."""

OUTSIDE = 0.0
"""Value outside the mask and where an image has no data."""


def normalise(array: np.ndarray, mask: np.ndarray, tissue: np.ndarray) -> np.ndarray:
    """Centre and scale an image by its own tissue.

    z = (x − mean(c)) / sd(c), with c the values of ``tissue`` clipped to their 0.5th and 99.5th
    percentiles. So z does not change when x is multiplied by a positive number or shifted.

    Args:
        array: ``(D, H, W)``, any unit; NaN where the image has no data.
        mask: bool ``(D, H, W)``, where the result is wanted.
        tissue: bool ``(D, H, W)``, the voxels that count for the scale; with none of them inside
            the mask, or all of one value, the mask itself counts.

    Returns:
        float32 ``(D, H, W)`` in [-5, 10]; 0 outside the mask, where there is no data, and
        everywhere if the mask is constant.
    """
    known = mask & np.isfinite(array)
    inside = array[known]
    result = np.full(array.shape, OUTSIDE, np.float32)
    # A head of a few voxels may have a single one of nothing but tissue.
    for values in (inside[tissue[known]], inside):
        if values.size == 0:
            continue
        low, high = np.percentile(values, PERCENTILES)
        clipped = np.clip(values, low, high, dtype=np.float64)
        mean, deviation = float(clipped.mean()), float(clipped.std())
        # Rounding leaves some 1e-7 of the values where a constant has been resampled.
        if deviation > 1e-6 * max(abs(low), abs(high)):
            break
    else:
        return result
    scaled = inside.astype(np.float64)
    scaled -= mean
    scaled /= deviation
    result[known] = np.clip(scaled, *RANGE, out=scaled)
    return result
