"""How much each voxel of a lesion counts, so that small lesions are not drowned by large ones.

Of a metastasis of 3 mm only a voxel or two is certain, of one of 20 mm several thousand are: in a
sum over voxels the small one does not exist. Blob loss (Kofler et al. 2022, arXiv 2205.08209) sums
over lesions instead; here voxels are weighted, so that the region losses stay what they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ParetoSegLib.core.geometry import bounding_box
from ParetoSegLib.method.fuzzy import certainty


@dataclass(frozen=True)
class EmphasisSettings:
    """How small lesions count in the region losses.

    Args:
        power: n voxels of a lesion weigh (reference / n)^power each, never less than 1: with 0
            every voxel counts alike, with 1 every lesion below the reference does.
        reference_voxels: what a lesion has that needs no emphasis.
        most: the largest weight.
    """

    power: float = 0.0
    reference_voxels: float = 500.0
    most: float = 50.0

    def __post_init__(self) -> None:
        if not 0 <= self.power <= 1:
            raise ValueError(f"power is {self.power}; it must lie between 0 and 1.")
        if self.reference_voxels < 1 or self.most < 1:
            raise ValueError("reference_voxels and most must be at least 1.")


def lesion_emphasis(membership: np.ndarray, settings: EmphasisSettings) -> np.ndarray:
    """The weight of every voxel, 1 outside lesions.

    The certain voxels of a lesion (26-connected where μ > 0) are counted apart from its band, so
    that each weighs in the loss that it belongs to. A lesion cut by the patch's edge counts as the
    small one that it is there.

    Args:
        membership: μ in [0, 1], ``(C, D, H, W)``.
        settings: see there.

    Returns:
        float32 ≥ 1, shaped as ``membership``.
    """
    from scipy import ndimage

    weights = np.ones(membership.shape, np.float32)
    if settings.power == 0:
        return weights
    for whole, weights_of_whole in zip(membership, weights, strict=True):
        box = bounding_box(whole > 0)
        if box is None:
            continue
        mu, weight = whole[box], weights_of_whole[box]
        lesions, count = ndimage.label(mu > 0, structure=np.ones((3, 3, 3)))
        inside = lesions > 0
        number, sure = lesions[inside], certainty(mu[inside]) == 1
        found = np.empty(len(number), np.float32)
        for part in (sure, ~sure):
            voxels = np.bincount(number[part], minlength=count + 1)
            share = settings.reference_voxels / np.maximum(voxels, 1)
            found[part] = (np.clip(share**settings.power, 1, settings.most))[number[part]]
        weight[inside] = found
    return weights
