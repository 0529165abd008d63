"""A head to put metastases in: its tissues, and optionally its real images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from ParetoSegLib.core.geometry import Box, Grid
from ParetoSegLib.core.seeds import derive_seed
from ParetoSegLib.data.synthesis.fields import SmoothField
from ParetoSegLib.data.synthesis.tissues import Tissue

_IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Head:
    """A background for lesions, axes along LPS.

    Args:
        name: written to the synthetic patient's record.
        tissues: uint8 ``(D, H, W)`` of ``Tissue`` values.
        grid: where its voxels are.
        images: real images by modality, float32 on the same grid; empty for a head to be painted.
        source: where it comes from, for the record and for model cards.
        licence: under which licence.
        beyond: tissues of the whole head, once ``tissues`` has been stripped: what a scanner saw
            before the brain was cut out, so that its cut edge is painted as what was there.
    """

    name: str
    tissues: np.ndarray
    grid: Grid
    images: Mapping[str, np.ndarray] = field(default_factory=dict)
    source: str = "procedural ellipsoids"
    licence: str = "Apache-2.0"
    beyond: np.ndarray | None = None

    @property
    def whole(self) -> bool:
        """Whether anything outside the brain is left (false after skull stripping)."""
        return bool((self.tissues > Tissue.ARTERY).any())


def small_head(seed: int, voxels: int = 64, spacing_mm: float = 1.0) -> Head:
    """A tiny head made of wavy ellipsoids, which needs no file; for tests and first trials.

    Returns:
        A whole head of ``voxels``³ with skin, skull, CSF, folded cortex, white matter, deep grey
        matter and two ventricles. With the default spacing it is the size of a mouse's.
    """
    rng = np.random.default_rng(derive_seed(seed, "small head"))
    shape = (voxels, voxels, voxels)
    half = voxels / 2
    axes = np.ogrid[tuple(slice(-half + 0.5, half) for _ in range(3))]
    z, y, x = (axis / half for axis in axes)
    folds = SmoothField.draw(rng, voxels / 22, modes=48).on_grid(shape, (1, 1, 1))
    wobble = SmoothField.draw(rng, voxels / 5).on_grid(shape, (1, 1, 1))
    radius = np.sqrt((z / 0.92) ** 2 + (y / 0.98) ** 2 + (x / 0.85) ** 2) + 0.01 * wobble

    tissues = np.zeros(shape, np.uint8)
    for below, tissue in (
        (0.95, Tissue.SKIN),
        (0.92, Tissue.FAT),
        (0.87, Tissue.BONE),
        (0.80, Tissue.CSF),
    ):
        tissues[radius < below] = tissue
    tissues[radius + 0.035 * np.maximum(folds, 0.3) < 0.78] = Tissue.CORTEX
    tissues[radius + 0.06 * folds < 0.64] = Tissue.WHITE
    side = np.abs(x) - 0.22
    tissues[(z / 0.16) ** 2 + (y / 0.2) ** 2 + (side / 0.1) ** 2 < 1] = Tissue.DEEP
    side = np.abs(x) - 0.1
    tissues[((z - 0.2) / 0.09) ** 2 + (y / 0.28) ** 2 + (side / 0.06) ** 2 < 1] = Tissue.VENTRICLE
    corner = -(half - 0.5) * spacing_mm
    grid = Grid(shape, (spacing_mm,) * 3, (corner,) * 3, _IDENTITY)
    return Head(f"small-{seed}", tissues, grid)


def cropped(head: Head, box: Box) -> Head:
    """The part of a head inside ``box``."""
    images = {name: image[box] for name, image in head.images.items()}
    beyond = None if head.beyond is None else head.beyond[box]
    return replace(
        head, tissues=head.tissues[box], grid=head.grid.cropped(box), images=images, beyond=beyond
    )
