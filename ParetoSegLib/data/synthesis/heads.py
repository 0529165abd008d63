"""A head to put metastases in: its tissues, optionally its real images, and variations of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from ParetoSegLib.core.geometry import Box, Grid, bounding_box, distance_to, padded_box
from ParetoSegLib.core.seeds import derive_seed
from ParetoSegLib.data.synthesis.fields import SmoothField, stretched
from ParetoSegLib.data.synthesis.tissues import BRAIN, INTRACRANIAL, Tissue, belongs

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
    """

    name: str
    tissues: np.ndarray
    grid: Grid
    images: Mapping[str, np.ndarray] = field(default_factory=dict)
    source: str = "procedural ellipsoids"
    licence: str = "Apache-2.0"

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
    return replace(head, tissues=head.tissues[box], grid=head.grid.cropped(box), images=images)


def stripped(head: Head, reach_mm: float = 2.0, margin_mm: float = 6.0) -> Head:
    """The head without skull and skin, as brain extraction tools leave it, cropped around it.

    The brain's hull (fissures closed) is kept with about ``reach_mm`` of the CSF around it.
    """
    brain = belongs(head.tissues, INTRACRANIAL) & (head.tissues != Tissue.CSF)
    box = bounding_box(brain)
    if box is None:
        return head
    spacing = head.grid.spacing_mm
    pad = [max(1, round(margin_mm / step)) for step in spacing]
    part = cropped(head, padded_box(box, (pad[0], pad[1], pad[2]), brain.shape))
    hull = _hull(belongs(part.tissues, BRAIN), spacing, reach_mm)
    hull &= part.tissues <= Tissue.ARTERY
    tissues = np.where(hull, part.tissues, np.uint8(Tissue.AIR))
    images = {name: np.where(hull, image, np.float32(0)) for name, image in part.images.items()}
    return replace(part, tissues=tissues, images=images)


def _hull(
    brain: np.ndarray, spacing_mm: tuple[float, float, float], reach_mm: float, close_mm: float = 9
) -> np.ndarray:
    """Morphological closing, grown by ``reach_mm``, computed on every second voxel."""
    step = 2 if min(brain.shape) > 80 else 1
    coarse_mm = (spacing_mm[0] * step, spacing_mm[1] * step, spacing_mm[2] * step)
    pad = [int(np.ceil((close_mm + reach_mm) / s)) + 1 for s in coarse_mm]
    coarse = np.pad(brain[::step, ::step, ::step], [(p, p) for p in pad])
    if not coarse.any():
        return brain.copy()
    filled = distance_to(coarse, coarse_mm) <= close_mm
    depth = distance_to(~filled, coarse_mm) - (close_mm - reach_mm)
    inner = depth[tuple(slice(p, -p) for p in pad)].astype(np.float32)
    return np.asarray(stretched(inner, step, brain.shape) > 0) | brain


def varied(head: Head, rng: np.random.Generator, strength_mm: float = 4.0) -> Head:
    """Another person's head: mirrored at random, and a painted one gently deformed as well.

    A real head is only mirrored, so that its texture and noise stay real.
    """
    if rng.random() < 0.5:
        images = {name: image[:, :, ::-1].copy() for name, image in head.images.items()}
        head = replace(head, tissues=head.tissues[:, :, ::-1].copy(), images=images)
    if head.images or strength_mm <= 0:
        return head
    shape, spacing = head.tissues.shape, head.grid.spacing_mm
    extent = np.array(shape) * spacing
    strength = min(strength_mm, 0.03 * float(extent.min()))
    scale = 1 + rng.uniform(-0.06, 0.06, 3)
    indices = []
    for axis in range(3):
        shift = SmoothField.draw(rng, 0.2 * float(extent.mean()), modes=12)
        centre = (shape[axis] - 1) / 2
        along = (np.arange(shape[axis], dtype=np.float32) - centre) / scale[axis] + centre
        view = [1, 1, 1]
        view[axis] = -1
        index = shift.on_grid(shape, spacing) * np.float32(strength / spacing[axis])
        index += along.reshape(view) + np.float32(0.5)
        indices.append(np.clip(index, 0, shape[axis] - 1).astype(np.int32))
    first, second, third = indices
    flat = (first * shape[1] + second) * shape[2] + third
    return replace(head, tissues=np.take(head.tissues.ravel(), flat))
