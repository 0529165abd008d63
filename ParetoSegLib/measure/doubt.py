"""Spots that peak too low to be lesions: held below ½, so that they are candidates."""

from __future__ import annotations

import numpy as np

from ParetoSegLib.core.geometry import components
from ParetoSegLib.measure.confidence import HALF, alpha_cut

HELD = 0.499
"""As high as a doubted voxel may be: below ½ in half precision, too."""


LARGEST_MM3 = 524.0
"""A ball of 10 mm: what is larger, somebody should look at, however doubtful it is."""


def doubt_spots(field: np.ndarray, level: float, voxel_mm3: float) -> np.ndarray:
    """Hold every small component of {μ ≥ ½} that peaks below ``level`` just below ½, in place.

    Whether a voxel lies inside a lesion is one question, whether there is a lesion is another: most
    small spots that hardly rise above ½ are none. What is held is as uncertain as a voxel can be;
    all others, and what surrounds it, stay as they are.

    Args:
        field: membership, float32 ``(D, H, W)``.
        level: in [½, 1); with ½ nothing changes.
        voxel_mm3: volume of a voxel; spots above ``LARGEST_MM3`` are left alone.

    Returns:
        ``field``.
    """
    if level > HALF:
        spots, boxes = components(alpha_cut(field, HALF))
        for number, box in enumerate(boxes, start=1):
            own = spots[box] == number
            part = field[box]
            inside = part[own]
            if inside.size * voxel_mm3 <= LARGEST_MM3 and inside.max() < level:
                part[own] = HELD
    return field
