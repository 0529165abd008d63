"""Painted heads with a known number of lesions, for scripts that need no real one."""

from __future__ import annotations

import math

import numpy as np

from ParetoSegLib.core.geometry import Grid
from ParetoSegLib.core.labels import REGIONS

WIDER_MM = {"et": -1.0, "tc": 0.0, "wt": 4.0}
"""How far each region's face lies outside that of TC."""


def unit_grid(shape: tuple[int, int, int]) -> Grid:
    """Voxels of 1 mm, axes along the patient's."""
    return Grid(shape, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))


def painted_membership(
    shape: tuple[int, int, int], lesions: int, seed: int = 0, largest_mm: float = 8.0
) -> dict[str, np.ndarray]:
    """Nested memberships, float32 by region, of balls of 2 to ``largest_mm`` that do not touch.

    Raises:
        ValueError: so many do not fit.
    """
    rng = np.random.default_rng(seed)
    pitch = math.ceil(2 * (largest_mm + WIDER_MM["wt"]) + 6)
    counts = [max(0, (n - 4) // pitch) for n in shape]
    sites = np.stack(np.meshgrid(*[np.arange(n) for n in counts], indexing="ij"), -1).reshape(-1, 3)
    if len(sites) < lesions:
        raise ValueError(f"{lesions} lesions do not fit into {shape}; {len(sites)} do")
    far = {region: np.full(shape, 20, np.float32) for region in REGIONS}
    for site in rng.permutation(sites)[:lesions]:
        centre = 2 + pitch * (site + 0.5) + rng.uniform(-1, 1, 3)
        box = tuple(slice(max(0, int(c) - pitch // 2), int(c) + pitch // 2) for c in centre)
        axes = np.ogrid[
            tuple(slice(b.start, min(b.stop, n)) for b, n in zip(box, shape, strict=True))
        ]
        away = np.sqrt(sum((a - c) ** 2 for a, c in zip(axes, centre, strict=True)))
        radius = rng.uniform(2, largest_mm)
        for region, wider in WIDER_MM.items():
            np.minimum(far[region][box], away - radius - wider, out=far[region][box])
    return {region: (1 / (1 + np.exp(2 * d))).astype(np.float32) for region, d in far.items()}


def painted_masks(
    shape: tuple[int, int, int], lesions: int, seed: int = 0, largest_mm: float = 8.0
) -> dict[str, np.ndarray]:
    """The ½-cuts of ``painted_membership``."""
    return {r: m > 0.5 for r, m in painted_membership(shape, lesions, seed, largest_mm).items()}
