"""The fine grain of an image, noise and texture, measured in white matter and drawn again.

What is painted over a real image would be smoother than everything around it; the same grain on
top of it hides the brush.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ParetoSegLib.data.synthesis.tissues import Tissue


@dataclass(frozen=True)
class Grain:
    """Grain of an image.

    Args:
        sd: standard deviation in the image's units.
        width: standard deviation in voxels of the blur that gives white noise this grain's
            correlation between neighbours; 0 for white noise.
    """

    sd: float
    width: float

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """A sample of it, float32 ``shape``."""
        from scipy import ndimage

        noise = rng.standard_normal(shape, dtype=np.float32)
        if self.width > 0.2:
            noise = ndimage.gaussian_filter(noise, self.width, mode="wrap", truncate=3)
            noise /= max(float(noise.std()), 1e-6)
        return np.asarray(noise * np.float32(self.sd))


def measured_grain(image: np.ndarray, tissues: np.ndarray) -> Grain:
    """Grain of an image ``(D, H, W)`` inside white matter, from differences of near voxels.

    The spread of differences three voxels apart gives the strength (brightness drifts hardly over
    that distance), its ratio to that of direct neighbours the correlation. Robust to edges, since
    it takes the median.
    """
    white = tissues == Tissue.WHITE
    far, near = _spread(image, white, 3), _spread(image, white, 1)
    if far <= 0:
        return Grain(0.0, 0.0)
    # Beyond this it is texture of the tissue, which a tumour does not have.
    correlation = float(np.clip(1 - (near / far) ** 2, 0, 0.7))
    width = 0.5 / np.sqrt(-np.log(correlation)) if correlation > 0.02 else 0.0
    return Grain(min(far, near / float(np.sqrt(1 - correlation))), float(width))


def _spread(image: np.ndarray, inside: np.ndarray, lag: int) -> float:
    """Robust standard deviation of one of two voxels ``lag`` apart in the plane."""
    differences = []
    for axis in (1, 2):
        first = [slice(None, None, 2), slice(None), slice(None)]  # half the slices will do
        second = list(first)
        first[axis], second[axis] = slice(None, -lag), slice(lag, None)
        a, b = tuple(first), tuple(second)
        both = inside[a] & inside[b]
        differences.append(image[a][both] - image[b][both])
    values = np.abs(np.concatenate(differences))
    return float(np.median(values)) / (0.6745 * np.sqrt(2)) if values.size else 0.0
