"""Spots that peak too low to be lesions: held below ½, so that they are candidates."""

from __future__ import annotations

import math

import numpy as np

from ParetoSegLib.core.geometry import components
from ParetoSegLib.measure.confidence import HALF, alpha_cut

HELD = 0.499
"""As high as a doubted voxel may be: below ½ in half precision, too."""


LARGEST_MM3 = 524.0
"""A ball of 10 mm: what is larger, somebody should look at, however doubtful it is."""

TYPICAL_MM3 = 33.5
"""A ball of 4 mm: the spot that a detection level is given for."""

LEVELS = (0.5, 0.98)
"""The range of what a spot must reach: it is a part of {μ ≥ ½}, and none is ever certain."""

SLOPES = (0.0, 2.0)
"""The range of how many logits less an e-fold larger spot may need."""


def larger_by(volume_mm3: float) -> float:
    """How much larger than a typical spot, as a natural logarithm."""
    return math.log(volume_mm3 / TYPICAL_MM3)


def level_for(volume_mm3: float, level: float, slope: float) -> float:
    """What a spot of a volume must reach, if one of typical size must reach ``level``.

    σ(logit(level) − slope · ln(V / 33.5 mm³)), within ``LEVELS``.
    """
    odds = level / (1 - level) * math.exp(-slope * larger_by(volume_mm3))
    return min(max(odds / (1 + odds), LEVELS[0]), LEVELS[1])


def doubt_spots(
    field: np.ndarray, level: float, voxel_mm3: float, slope: float = 0.0
) -> np.ndarray:
    """Hold every small component of {μ ≥ ½} that peaks too low just below ½, in place.

    Whether a voxel lies inside a lesion is one question, whether there is a lesion is another: most
    small spots that hardly rise above ½ are none. What is held is as uncertain as a voxel can be;
    all others, and what surrounds it, stay as they are.

    Args:
        field: membership, float32 ``(D, H, W)``.
        level: in (0, 1), what a spot of ``TYPICAL_MM3`` must reach; with ½ and no slope nothing
            changes.
        voxel_mm3: volume of a voxel; spots above ``LARGEST_MM3`` are left alone.
        slope: as in ``level_for``.

    Returns:
        ``field``.
    """
    if level > HALF or slope > 0.0:
        spots, boxes = components(alpha_cut(field, HALF))
        for number, box in enumerate(boxes, start=1):
            own = spots[box] == number
            part = field[box]
            inside = part[own]
            volume = float(inside.size * voxel_mm3)
            if volume <= LARGEST_MM3 and inside.max() < level_for(volume, level, slope):
                part[own] = HELD
    return field
