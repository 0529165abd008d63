"""Mass effect: a growing core pushes the tissue around it outwards instead of replacing it."""

from __future__ import annotations

import numpy as np

from ParetoSegLib.data.synthesis.tissues import INTRACRANIAL, belongs


def pushed(
    tissues: np.ndarray,
    spacing_mm: tuple[float, float, float],
    centre_mm: tuple[float, float, float],
    radius_mm: float,
    share: float,
) -> np.ndarray:
    """Tissues after a ball of ``radius_mm`` has pushed them aside; skull and scalp stay in place.

    Tissue now at distance ρ from the centre came from ρ₀ with ρ₀³ = ρ³ − s·w(ρ)·r³, which keeps
    volume where the weight w, falling to 0 at 2.6 r, is flat.

    Args:
        tissues: uint8 ``(D, H, W)``; not changed.
        spacing_mm: voxel size in array order.
        centre_mm: centre of the ball, millimetres in array order.
        radius_mm: r.
        share: s, how much of the core's volume was made room for; the rest was infiltrated.
    """
    spacing, centre = np.array(spacing_mm), np.array(centre_mm)
    shape = np.array(tissues.shape)
    reach = 2.6 * radius_mm
    low = np.clip(np.floor((centre - reach) / spacing).astype(int), 0, shape - 1)
    high = np.clip(np.ceil((centre + reach) / spacing).astype(int) + 1, low + 1, shape)
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    index = np.stack(np.meshgrid(*[np.arange(s.start, s.stop) for s in box], indexing="ij"), -1)
    offset = (index * spacing - centre).astype(np.float32)
    distance = np.sqrt((offset**2).sum(axis=-1)) + 1e-3
    weight = np.clip((reach - distance) / (reach - radius_mm), 0, 1) ** 1.5
    origin = np.cbrt(np.maximum(distance**3 - share * weight * radius_mm**3, 0))
    source = (centre + offset * (origin / distance)[..., None]) / spacing
    source = np.clip(np.rint(source), 0, shape - 1).astype(int)
    came = tissues[tuple(np.moveaxis(source, -1, 0))]
    here = tissues[box]
    inside = belongs(here, INTRACRANIAL) & belongs(came, INTRACRANIAL)
    moved = tissues.copy()
    moved[box] = np.where(inside, came, here)
    return moved
