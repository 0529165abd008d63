"""Spots that peak too low to be lesions: below ½, so that they are candidates."""

from __future__ import annotations

import numpy as np

from ParetoSegLib.core.geometry import Box, bounding_box, padded_box
from ParetoSegLib.measure.confidence import HALF, alpha_cut
from ParetoSegLib.measure.territories import REACH, divide


def doubt_spots(field: np.ndarray, level: float) -> np.ndarray:
    """Scale every spot that peaks below ``level`` until ``level`` itself would be ½, in place.

    A spot is a territory as ``divide`` draws it. Whether a voxel lies inside a lesion is one
    question, whether there is a lesion is another: most spots that hardly rise above ½ are none.
    A spot's voxels keep their order, and spots that are doubted keep theirs; those that peak at
    the level or above are not touched.

    Args:
        field: membership, float32 ``(D, H, W)``.
        level: in [½, 1); with ½ nothing changes.

    Returns:
        ``field``.
    """
    box = bounding_box(alpha_cut(field, REACH)) if level > HALF else None
    if box is None:
        return field
    part = field[_with_a_rim(box, field.shape)]
    divided = divide(part)
    low = np.array(
        [0.0]
        + [
            float(part[own][divided.labels[own] == number].max()) < level
            for number, own in enumerate(divided.boxes, start=1)
        ]
    )
    # A hair less, or a peak just below the level could be rounded up to ½.
    factor = np.where(low > 0, HALF / level * (1 - 1e-6), 1.0).astype(np.float32)
    part *= factor[divided.labels]
    return field


def _with_a_rim(box: Box, shape: tuple[int, ...]) -> Box:
    return padded_box(box, (1, 1, 1), shape)
