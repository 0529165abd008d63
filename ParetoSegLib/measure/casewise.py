"""One number a region and case: Dice, HD95 and normalised surface Dice of the whole mask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from ParetoSegLib.measure import surfaces
from ParetoSegLib.measure.surfaces import image_diagonal_mm, surface_distances

TOLERANCES_MM = (0.5, 1.0)
"""At which the normalised surface Dice is given."""

RULES: Mapping[str, str] = MappingProxyType(
    {
        "dice": "2|P∩R| / (|P|+|R|) over the whole image; both empty 1, one empty 0",
        "hd95_mm": "the larger of the two directed 95th percentiles of the surface distances; both "
        f"empty 0, one empty the image's diagonal; {surfaces.RULE}",
        "nsd_05": "share of both surfaces' voxels within 0.5 mm of the other surface (surfaces as "
        "for HD95); both empty 1, one empty 0",
        "nsd_1": "share of both surfaces' voxels within 1 mm of the other surface (surfaces as for "
        "HD95); both empty 1, one empty 0",
    }
)


@dataclass(frozen=True)
class CasewiseScore:
    """Overlap and surface agreement of one region of one case."""

    dice: float
    hd95_mm: float
    nsd_05: float
    nsd_1: float


def score_casewise(
    prediction: np.ndarray, reference: np.ndarray, spacing_mm: tuple[float, float, float]
) -> CasewiseScore:
    """Compare two boolean masks ``(D, H, W)`` of one region; the rules are in ``RULES``."""
    check_pair(prediction, reference)
    filled = int(prediction.any()) + int(reference.any())
    if filled == 0:
        return CasewiseScore(dice=1.0, hd95_mm=0.0, nsd_05=1.0, nsd_1=1.0)
    if filled == 1:
        return worst_casewise(reference.shape, spacing_mm)
    distances = surface_distances(prediction, reference, spacing_mm)
    return CasewiseScore(
        dice=dice(prediction, reference),
        hd95_mm=distances.hd95_mm,
        nsd_05=distances.surface_dice(TOLERANCES_MM[0]),
        nsd_1=distances.surface_dice(TOLERANCES_MM[1]),
    )


def worst_casewise(shape: tuple[int, ...], spacing_mm: tuple[float, float, float]) -> CasewiseScore:
    """What a region scores that is missed altogether, or whose prediction is missing."""
    return CasewiseScore(
        dice=0.0, hd95_mm=image_diagonal_mm(shape, spacing_mm), nsd_05=0.0, nsd_1=0.0
    )


def dice(prediction: np.ndarray, reference: np.ndarray) -> float:
    """Dice's coefficient of two boolean masks, in [0, 1]; 1 if both are empty."""
    total = np.count_nonzero(prediction) + np.count_nonzero(reference)
    if total == 0:
        return 1.0
    return float(2 * np.count_nonzero(prediction & reference) / total)


def check_pair(prediction: np.ndarray, reference: np.ndarray) -> None:
    """Refuse arrays that are not two boolean masks of one 3-D shape.

    Raises:
        ValueError: a mask is not boolean, not 3-D, or the shapes differ.
    """
    for mask in (prediction, reference):
        if mask.dtype != bool or mask.ndim != 3:
            raise ValueError(f"a mask must be boolean (D, H, W), not {mask.dtype} {mask.shape}")
    if prediction.shape != reference.shape:
        raise ValueError(f"masks of shapes {prediction.shape} and {reference.shape} do not compare")
