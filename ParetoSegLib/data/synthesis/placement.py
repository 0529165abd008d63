"""Where metastases sit: mostly at the border of grey and white matter, apart from each other."""

from __future__ import annotations

import numpy as np

from ParetoSegLib.core.geometry import distance_to
from ParetoSegLib.data.synthesis.tissues import BRAIN, Tissue, belongs

_COARSE_MM = 2.0
_TRIES = 80


def growth_space(tissues: np.ndarray) -> np.ndarray:
    """Where a core may grow: brain, and the CSF and vessels between its folds; not ventricles."""
    return belongs(tissues, (*BRAIN, Tissue.CSF, Tissue.VEIN, Tissue.ARTERY))


def place(
    rng: np.random.Generator,
    tissues: np.ndarray,
    spacing_mm: tuple[float, float, float],
    radii_mm: np.ndarray,
    junction_share: float = 0.7,
    smallest_mm: float = 1.0,
) -> list[tuple[tuple[float, float, float], float]]:
    """Choose a centre (mm, array order) for every radius, largest first.

    A lesion keeps most of its radius away from skull and ventricles and a gap to the others; where
    no such place is left it shrinks, down to ``smallest_mm``, and then takes the emptiest place.

    Returns:
        Pairs of centre and final radius; empty if the head holds no brain.
    """
    from scipy import ndimage

    step = tuple(max(1, round(_COARSE_MM / s)) for s in spacing_mm)
    coarse = tissues[:: step[0], :: step[1], :: step[2]]
    coarse_mm = np.array(spacing_mm) * step
    brain = belongs(coarse, BRAIN)
    if not brain.any():
        return []
    free = growth_space(coarse)
    free[[0, -1]] = free[:, [0, -1]] = free[:, :, [0, -1]] = False
    depth = distance_to(~free, (float(coarse_mm[0]), float(coarse_mm[1]), float(coarse_mm[2])))
    near_cortex = ndimage.maximum_filter((coarse == Tissue.CORTEX).astype(np.uint8), size=3) > 0
    junction = np.argwhere((coarse == Tissue.WHITE) & near_cortex)
    anywhere = np.argwhere(brain)
    if not len(junction):
        junction = anywhere

    placed: list[tuple[tuple[float, float, float], float]] = []
    for wanted in sorted((float(r) for r in radii_mm), reverse=True):
        radius = min(wanted, 0.75 * float(depth.max()))
        while True:
            pool = junction if rng.random() < junction_share else anywhere
            picks = pool[rng.integers(len(pool), size=_TRIES)]
            points = picks * coarse_mm + rng.uniform(-0.5, 0.5, (_TRIES, 3)) * coarse_mm
            room = _room(points, placed) - radius
            # Small ones may touch the pia; large ones would be cut flat by the skull.
            need = radius * min(0.85, 0.3 + 0.06 * radius)
            good = np.flatnonzero((depth[tuple(picks.T)] >= need) & (room > 1.5))
            last = radius <= smallest_mm
            if good.size or last:
                choice = int(good[0]) if good.size else int(np.argmax(room))
                centre = points[choice]
                spot = np.clip(np.rint(centre / spacing_mm), 0, np.array(tissues.shape) - 1)
                if not belongs(tissues[tuple(spot.astype(int))], BRAIN):
                    spot = picks[choice] * np.array(step)
                    centre = spot * spacing_mm
                if radius < 2.5:
                    # A 1 mm lesion between eight voxels would fill none of them to one half.
                    centre = spot * spacing_mm
                placed.append(((float(centre[0]), float(centre[1]), float(centre[2])), radius))
                break
            radius = max(smallest_mm, 0.85 * radius)
    return placed


def _room(points: np.ndarray, placed: list[tuple[tuple[float, float, float], float]]) -> np.ndarray:
    """Distance from points ``(N, 3)`` to the surface of the nearest lesion already placed."""
    if not placed:
        return np.full(len(points), np.inf)
    centres = np.array([centre for centre, _ in placed])
    radii = np.array([radius for _, radius in placed])
    distance = np.linalg.norm(points[:, None, :] - centres[None], axis=2)
    return np.asarray((distance - radii * 1.15).min(axis=1))
