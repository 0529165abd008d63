"""Where metastases sit: mostly at the border of grey and white matter, apart from each other."""

from __future__ import annotations

import numpy as np

from ParetoSegLib.core.geometry import distance_to
from ParetoSegLib.data.synthesis.falx import Falx
from ParetoSegLib.data.synthesis.tissues import BRAIN, Tissue, belongs

_COARSE_MM = 2.0
_TRIES = 80

_SITES = {"junction": 0.55, "cortex": 0.14, "ventricle": 0.10, "stem": 0.03, "anywhere": 0.18}
"""Share of lesions by site; the cerebellum has its part of every one of them but the stem."""

_PUSHES_MM = 6.0
"""Lesions of this radius and more make room for themselves in a ventricle."""

_SPANS_MM = 4.0
"""Smaller lesions fit between the hemispheres, e.g. in the corpus callosum or the vermis."""


def growth_space(tissues: np.ndarray, ventricles: bool = False) -> np.ndarray:
    """Where a core may grow: brain, and the CSF and vessels between its folds.

    Args:
        tissues: uint8 ``(D, H, W)``.
        ventricles: whether ventricles count, too.
    """
    wanted = (*BRAIN, Tissue.CSF, Tissue.VEIN, Tissue.ARTERY)
    return belongs(tissues, (*wanted, Tissue.VENTRICLE, Tissue.CHOROID) if ventricles else wanted)


def place(
    rng: np.random.Generator,
    tissues: np.ndarray,
    spacing_mm: tuple[float, float, float],
    radii_mm: np.ndarray,
    smallest_mm: float = 1.0,
    falx: Falx | None = None,
) -> list[tuple[tuple[float, float, float], float]]:
    """Choose a centre (mm, array order) for every radius, largest first.

    A lesion keeps most of its radius away from the skull, a small one also from ventricles, and a
    gap to the others; a large one stays off the ``falx``, where that is known. Where no such place
    is left it shrinks, down to ``smallest_mm``, and then takes the emptiest place.

    Returns:
        Pairs of centre and final radius; empty if the head holds no brain.
    """
    step = tuple(max(1, round(_COARSE_MM / s)) for s in spacing_mm)
    coarse = tissues[:: step[0], :: step[1], :: step[2]]
    coarse_mm = np.array(spacing_mm) * step
    if not belongs(coarse, BRAIN).any():
        return []
    sites = _sites(coarse)
    names, shares = list(sites), np.array([_SITES[name] for name in sites])
    depths = []
    for ventricles in (False, True):
        free = growth_space(coarse, ventricles)
        free[[0, -1]] = free[:, [0, -1]] = free[:, :, [0, -1]] = False
        mm = (float(coarse_mm[0]), float(coarse_mm[1]), float(coarse_mm[2]))
        depths.append(distance_to(~free, mm))

    placed: list[tuple[tuple[float, float, float], float]] = []
    for wanted in sorted((float(r) for r in radii_mm), reverse=True):
        radius = min(wanted, 0.75 * float(depths[1].max()))
        while True:
            depth = depths[int(radius >= _PUSHES_MM)]
            site = names[int(rng.choice(len(names), p=shares / shares.sum()))]
            pool = sites[site]
            picks = pool[rng.integers(len(pool), size=_TRIES)]
            points = picks * coarse_mm + rng.uniform(-0.5, 0.5, (_TRIES, 3)) * coarse_mm
            room = _room(points, placed) - radius
            # Small ones may touch the pia; large ones would be cut flat by the skull.
            need = radius * min(0.85, 0.3 + 0.06 * radius)
            fits = (depth[tuple(picks.T)] >= need) & (room > 1.5)
            if falx is not None and radius > _SPANS_MM and site != "stem":
                fits &= np.abs(falx.offset_at(points)) > 0.8 * radius
            good = np.flatnonzero(fits)
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


def _sites(coarse: np.ndarray) -> dict[str, np.ndarray]:
    """Grid indices ``(N, 3)`` of every site that the head has."""
    from scipy import ndimage

    def near(mask: np.ndarray, size: int) -> np.ndarray:
        return np.asarray(ndimage.maximum_filter(mask.view(np.uint8), size=size) > 0)

    white, brain = coarse == Tissue.WHITE, belongs(coarse, BRAIN)
    cortex = coarse == Tissue.CORTEX
    masks = {
        "junction": white & near(cortex, 3),
        "cortex": cortex & near((coarse == Tissue.CSF) | (coarse == 0), 3),
        "ventricle": brain & near(coarse == Tissue.VENTRICLE, 5),
        "stem": coarse == Tissue.STEM,
        "anywhere": brain,
    }
    return {name: np.argwhere(mask) for name, mask in masks.items() if mask.any()}


def _room(points: np.ndarray, placed: list[tuple[tuple[float, float, float], float]]) -> np.ndarray:
    """Distance from points ``(N, 3)`` to the surface of the nearest lesion already placed."""
    if not placed:
        return np.full(len(points), np.inf)
    centres = np.array([centre for centre, _ in placed])
    radii = np.array([radius for _, radius in placed])
    distance = np.linalg.norm(points[:, None, :] - centres[None], axis=2)
    return np.asarray((distance - radii * 1.15).min(axis=1))
