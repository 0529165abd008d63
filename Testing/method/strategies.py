"""What the properties are sampled over: small volumes with lesions, and pairs of gradients."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

SPACINGS = ((1.0, 1.0, 1.0), (5.0, 1.0, 1.0), (5.0, 0.9, 1.3), (1.0, 1.0, 3.0), (0.5, 0.5, 0.5))


kinds = st.sampled_from(["ball", "voxel", "plate", "rim"])


@st.composite
def volumes(draw: st.DrawFn) -> tuple[np.ndarray, tuple[float, float, float]]:
    """A mask of a few balls, single voxels, plates and rims, some at the image's edge."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    spacing = draw(st.sampled_from(SPACINGS))
    shape = tuple(int(n) for n in rng.integers(6, 20, 3))
    mask = np.zeros(shape, bool)
    for _ in range(draw(st.integers(1, 4))):
        mask |= _lesion(rng, shape, spacing, draw(kinds))
    return mask, spacing


def _lesion(
    rng: np.random.Generator, shape: tuple[int, ...], spacing: tuple[float, ...], kind: str
) -> np.ndarray:
    centre = [int(rng.integers(n)) for n in shape]
    lesion = np.zeros(shape, bool)
    if kind == "voxel":
        lesion[tuple(centre)] = True
    elif kind == "plate":
        axis = int(rng.integers(3))
        box = [slice(max(0, c - 3), c + 3) for c in centre]
        box[axis] = slice(centre[axis], centre[axis] + 1)
        lesion[tuple(box)] = True
    else:
        grid = np.ogrid[tuple(slice(0, n) for n in shape)]
        far = np.sqrt(
            sum(((g - c) * s) ** 2 for g, c, s in zip(grid, centre, spacing, strict=True))
        )
        radius = rng.uniform(1.0, 6.0)
        lesion = far <= radius
        if kind == "rim":
            lesion &= far >= radius * rng.uniform(0.3, 0.8)
    return lesion


@st.composite
def gradient_pairs(draw: st.DrawFn, largest_ratio: float = 1e4) -> tuple[np.ndarray, np.ndarray]:
    """Two float32 vectors of any angle, exact opposition included, norm ratios up to the bound."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size = draw(st.integers(2, 40))
    decades = np.log10(largest_ratio)
    ratio = 10 ** draw(st.floats(-decades, decades))
    scale = 10 ** draw(st.floats(-6, 6))
    first = rng.normal(size=size)
    other = rng.normal(size=size)
    kind = draw(st.sampled_from(["any", "nearly opposed", "opposed", "parallel"]))
    if kind == "nearly opposed":
        other = -first + 1e-3 * other
    elif kind == "opposed":
        other = -first
    elif kind == "parallel":
        other = first
    first /= np.linalg.norm(first)
    other /= np.linalg.norm(other)
    return np.float32(scale * first), np.float32(scale * ratio * other)
