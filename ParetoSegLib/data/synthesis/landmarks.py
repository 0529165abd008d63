"""Where things are in a head: a frame that carries places of the MNI atlas to its voxels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ParetoSegLib.core.geometry import distance_to
from ParetoSegLib.data.synthesis.tissues import BRAIN, Tissue, belongs

# The brain's extent in MNI millimetres without the brain stem: right, anterior, superior.
_MNI_LOW = np.array([-70.0, -105.0, -57.0])
_MNI_HIGH = np.array([70.0, 72.0, 79.0])
_MNI_CENTRE = np.array([0.0, -20.0, 10.0])
_COARSE_MM = 3.0
_CLOSE_MM = 9.0


@dataclass(frozen=True)
class Frame:
    """A head's own coordinates, axes along LPS.

    Args:
        low: index of the brain's smallest corner, array order.
        high: index of its largest corner.
        spacing_mm: of the grid.
        middle: coefficients of the midsagittal surface, x = Σ cᵢ (1, y, z, y², z²)ᵢ, with y and z
            relative to the box, in voxels.
        hull: the brain with its fissures closed, on every ``step``-th voxel.
        step: see ``hull``.
    """

    low: np.ndarray
    high: np.ndarray
    spacing_mm: tuple[float, float, float]
    middle: np.ndarray
    hull: np.ndarray
    step: tuple[int, int, int]

    @classmethod
    def of(cls, tissues: np.ndarray, spacing_mm: tuple[float, float, float]) -> Frame | None:
        """The frame of a head ``(D, H, W)``; ``None`` if it holds too little brain for one."""
        sides = [max(1, round(_COARSE_MM / s)) for s in spacing_mm]
        # A toy head is small in millimetres, too.
        if min(tissues.shape) < 110:
            sides = [1, 1, 1]
        step = (sides[0], sides[1], sides[2])
        coarse = tissues[:: step[0], :: step[1], :: step[2]]
        brain = belongs(coarse, BRAIN) | (coarse == Tissue.VENTRICLE)
        upper = brain & (coarse != Tissue.STEM)
        if int(upper.sum()) < 200:
            return None
        low, high = np.zeros(3), np.zeros(3)
        for axis in range(3):
            line = upper.sum(axis=tuple(a for a in range(3) if a != axis))
            share = np.cumsum(line) / line.sum()
            low[axis] = np.searchsorted(share, 0.001)
            high[axis] = np.searchsorted(share, 0.999)
        scale = np.array(step)
        coarse_mm = tuple(float(s * k) for s, k in zip(spacing_mm, step, strict=True))
        hull = _closed(brain, (coarse_mm[0], coarse_mm[1], coarse_mm[2]), spacing_mm, high - low)
        low, high = low * scale, np.maximum(high, low + 1) * scale
        middle = _midline(hull, coarse, low / scale, high / scale) * scale[2]
        return cls(low, high, spacing_mm, middle, hull, step)

    @property
    def scale(self) -> float:
        """The head's size as a share of the atlas's, at most 1: what vessels are scaled by."""
        size = float(np.mean((self.high - self.low) * self.spacing_mm))
        return min(1.0, size / float(np.mean(_MNI_HIGH - _MNI_LOW)))

    def voxels(self, mni_mm: np.ndarray) -> np.ndarray:
        """Indices ``(N, 3)`` (array order, not rounded) of places ``(N, 3)`` (x, y, z) in MNI."""
        share = (np.atleast_2d(mni_mm) - _MNI_LOW) / (_MNI_HIGH - _MNI_LOW)
        size = self.high - self.low
        z = self.low[0] + share[:, 2] * size[0]
        y = self.high[1] - share[:, 1] * size[1]
        x = self.x_middle(z, y) + (share[:, 0] - 0.5) * size[2]
        return np.stack([z, y, x], axis=1)

    def x_middle(self, z: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The midsagittal surface's column at rows ``y`` of slices ``z``."""
        size = self.high - self.low
        v, w = (y - self.low[1]) / size[1], (z - self.low[0]) / size[0]
        basis = np.stack([np.ones_like(v), v, w, v * v, w * w], axis=-1)
        return np.asarray(basis @ self.middle)

    def on_hull(self, places: np.ndarray) -> np.ndarray:
        """Places ``(N, 3)`` (voxel indices) moved outwards or inwards onto the hull's surface.

        Each moves along its ray from the head's centre.
        """
        centre = self.voxels(_MNI_CENTRE)[0]
        rays = places - centre
        reach = np.linspace(0.3, 2.0, 240)
        along = centre + rays[:, None] * reach[None, :, None]
        index = np.rint(along / np.array(self.step)).astype(int)
        limit = np.array(self.hull.shape) - 1
        within = ((index >= 0) & (index <= limit)).all(axis=2)
        index = np.clip(index, 0, limit)
        inside = self.hull[index[..., 0], index[..., 1], index[..., 2]] & within
        last = reach[::-1][np.argmax(inside[:, ::-1], axis=1)]
        last = np.where(inside.any(axis=1), last, 1.0)
        return np.asarray(centre + rays * last[:, None])


def _closed(
    brain: np.ndarray,
    coarse_mm: tuple[float, float, float],
    spacing_mm: tuple[float, float, float],
    size: np.ndarray,
) -> np.ndarray:
    """Morphological closing of a coarse brain; its radius is smaller in a toy head."""
    extent = float(np.mean(size * np.array(coarse_mm)))
    close = min(_CLOSE_MM, 0.07 * extent)
    pad = [int(np.ceil(close / s)) + 1 for s in coarse_mm]
    wide = np.pad(brain, [(p, p) for p in pad])
    filled = distance_to(wide, coarse_mm) <= close
    inner = distance_to(~filled, coarse_mm) > close
    return np.asarray(inner[tuple(slice(p, -p) for p in pad)] | brain)


def _midline(
    hull: np.ndarray, tissues: np.ndarray, low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """Least-squares midsagittal surface through the middles of the hull's rows."""
    count = hull.sum(axis=2)
    columns = np.arange(hull.shape[2])
    z, y = np.nonzero(count > 0.45 * max(int(count.max()), 1))
    middle = (hull[z, y] * columns).sum(axis=1) / count[z, y]
    v, w = (y - low[1]) / (high[1] - low[1]), (z - low[0]) / (high[0] - low[0])
    basis = np.stack([np.ones(len(v)), v, w, v * v, w * w], axis=-1)
    fit = np.linalg.lstsq(basis, middle, rcond=None)[0]
    # The interhemispheric fissure is fluid: where it shows near the hull's middle it decides.
    guess = np.rint(basis @ fit).astype(int)
    reach = max(2, round(0.04 * (high[2] - low[2])))
    offsets = np.arange(-reach, reach + 1)
    spots = np.clip(guess[:, None] + offsets[None], 0, hull.shape[2] - 1)
    fluid = ~belongs(tissues[z[:, None], y[:, None], spots], BRAIN)
    upper = (w > 0.55) & fluid.any(axis=1) & (fluid.sum(axis=1) <= reach)
    if int(upper.sum()) < 30:
        return np.asarray(fit)
    nearest = np.where(fluid, np.abs(offsets)[None], 99).argmin(axis=1)
    seen = spots[np.arange(len(spots)), nearest].astype(float)
    target = np.where(upper, seen, middle)
    weight = np.where(upper, 3.0, 1.0)[:, None]
    return np.asarray(np.linalg.lstsq(basis * weight, target * weight[:, 0], rcond=None)[0])
