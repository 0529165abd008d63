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


@dataclass(frozen=True)
class Cut:
    """How a brain is cut out of its head.

    Args:
        reach_mm: how much around the brain's hull stays; negative cuts into the brain.
        close_mm: radius that closes fissures; a small one follows them.
        wobble_mm: standard deviation of the cut's depth from place to place.
        leaves_dura: whether dura and bone within reach stay, too.
    """

    reach_mm: float = 2.0
    close_mm: float = 9.0
    wobble_mm: float = 0.0
    leaves_dura: bool = False


def draw_cut(rng: np.random.Generator) -> Cut:
    """A cut as real tools make it: some tight, some loose, few clean."""
    return Cut(
        reach_mm=float(rng.uniform(-1.0, 3.5)),
        close_mm=float(rng.uniform(5.0, 14.0)),
        wobble_mm=float(rng.uniform(0.2, 1.8)),
        leaves_dura=bool(rng.random() < 0.35),
    )


def stripped(
    head: Head,
    margin_mm: float = 6.0,
    cut: Cut | None = None,
    rng: np.random.Generator | None = None,
) -> Head:
    """The head without skull and skin, as brain extraction tools leave it, cropped around it.

    Args:
        head: a whole head.
        margin_mm: kept around the brain.
        cut: where the border runs.
        rng: of the cut's wobble; needed if it has one.
    """
    cut = cut or Cut()
    brain = belongs(head.tissues, INTRACRANIAL) & (head.tissues != Tissue.CSF)
    box = bounding_box(brain)
    if box is None:
        return head
    spacing = head.grid.spacing_mm
    pad = [max(1, round(margin_mm / step)) for step in spacing]
    part = cropped(head, padded_box(box, (pad[0], pad[1], pad[2]), brain.shape))
    solid = belongs(part.tissues, (*BRAIN, Tissue.VENTRICLE, Tissue.CHOROID))
    depth = _hull_depth(solid, spacing, cut.reach_mm, cut.close_mm)
    if cut.wobble_mm > 0 and rng is not None:
        wobble = SmoothField.draw(rng, 14.0).on_grid(depth.shape, spacing)
        wobble *= np.float32(cut.wobble_mm)
        depth += wobble
    hull = depth > 0
    if cut.wobble_mm <= 0:
        hull |= solid
    elif not (hull & solid).any():
        hull = solid
    if not cut.leaves_dura:
        hull &= _without_bone(part.tissues, 0.9 if cut.wobble_mm > 0 else 0.0)
    # What is left of the skull is no place to grow in and shows in the picture only.
    foreign = (part.tissues > Tissue.ARTERY) | (part.tissues == Tissue.AIR)
    inner = np.where(foreign, np.uint8(Tissue.CSF), part.tissues)
    tissues = np.where(hull, inner, np.uint8(Tissue.AIR))
    images = {name: np.where(hull, image, np.float32(0)) for name, image in part.images.items()}
    return replace(part, tissues=tissues, images=images, beyond=part.tissues)


def _without_bone(tissues: np.ndarray, sigma: float) -> np.ndarray:
    """Where there is no bone and no air; with ``sigma``, a smooth border and not every speck."""
    from scipy import ndimage

    outer = (tissues > Tissue.ARTERY) | (tissues == Tissue.AIR)
    if sigma <= 0:
        return ~outer
    smooth = ndimage.gaussian_filter(outer.astype(np.float32), sigma, truncate=2.6)
    return np.asarray(smooth < 0.5)


def _hull_depth(
    brain: np.ndarray, spacing_mm: tuple[float, float, float], reach_mm: float, close_mm: float
) -> np.ndarray:
    """Depth in mm inside the morphological closing grown by ``reach_mm``, found coarsely."""
    from scipy import ndimage

    step = 3 if min(brain.shape) > 100 else 2 if min(brain.shape) > 80 else 1
    coarse_mm = (spacing_mm[0] * step, spacing_mm[1] * step, spacing_mm[2] * step)
    pad = [int(np.ceil((close_mm + max(reach_mm, 0)) / s)) + 2 for s in coarse_mm]
    coarse = np.pad(brain[::step, ::step, ::step], [(p, p) for p in pad])
    if not coarse.any():
        return np.where(brain, np.float32(1), np.float32(-1))
    filled = distance_to(coarse, coarse_mm) <= close_mm
    closed = distance_to(~filled, coarse_mm) > close_mm
    closed = ndimage.binary_fill_holes(closed | coarse)
    depth = distance_to(~closed, coarse_mm) - distance_to(closed, coarse_mm)
    inner = depth[tuple(slice(p, -p) for p in pad)].astype(np.float32)
    # Voxels count from their middles, so the border lies half a voxel outside the last one.
    return stretched(np.ascontiguousarray(inner), step, brain.shape) + np.float32(
        reach_mm + 0.5 * min(coarse_mm)
    )


def tightened(head: Head, rng: np.random.Generator) -> Head:
    """A stripped real head, its mask cut back unevenly by up to about 2 mm."""
    spacing = head.grid.spacing_mm
    inside = head.tissues > 0
    if inside.all():
        return head
    step = 2 if min(inside.shape) > 80 else 1
    coarse_mm = (spacing[0] * step, spacing[1] * step, spacing[2] * step)
    outside = ~inside[::step, ::step, ::step]
    if not outside.any():
        return head
    depth = stretched(distance_to(outside, coarse_mm).astype(np.float32), step, inside.shape)
    depth -= rng.uniform(0.0, 2.0) + 0.5
    depth += SmoothField.draw(rng, 14.0).on_grid(depth.shape, spacing) * np.float32(
        rng.uniform(0.2, 1.2)
    )
    kept = inside & (depth > 0)
    images = {name: np.where(kept, image, np.float32(0)) for name, image in head.images.items()}
    return replace(head, tissues=np.where(kept, head.tissues, np.uint8(0)), images=images)


def varied(head: Head, rng: np.random.Generator, strength_mm: float = 4.0) -> Head:
    """Another person's head: mirrored at random, turned, scaled and smoothly deformed.

    Real images are interpolated linearly along with the tissues; with ``strength_mm`` 0 a head is
    only mirrored.

    Args:
        head: not changed.
        rng: of the mirror and the deformation.
        strength_mm: standard deviation of the smooth displacement.
    """
    if rng.random() < 0.5:
        images = {name: image[:, :, ::-1].copy() for name, image in head.images.items()}
        head = replace(head, tissues=head.tissues[:, :, ::-1].copy(), images=images)
    if strength_mm <= 0:
        return head
    source = _displaced(head, rng, strength_mm)
    shape = head.tissues.shape
    nearest = [
        np.clip(index + np.float32(0.5), 0, n - 1).astype(np.int32)
        for index, n in zip(source, shape, strict=True)
    ]
    flat = (nearest[0] * shape[1] + nearest[1]) * shape[2] + nearest[2]
    tissues = np.take(head.tissues.reshape(-1), flat)
    if not head.images:
        head = replace(head, tissues=tissues)
        return fuller(head, rng) if rng.random() < 0.6 else head
    return replace(head, tissues=tissues, images=_moved(head, tissues > 0, source))


def fuller(head: Head, rng: np.random.Generator) -> Head:
    """A painted head with narrower fissures, as younger people have: cortex takes from the CSF.

    What is brain on average over about a millimetre becomes cortex; by how much is drawn.
    """
    from scipy import ndimage

    brain = belongs(head.tissues, BRAIN)
    box = bounding_box(brain)
    if head.images or box is None:
        return head
    sigma = [rng.uniform(0.7, 1.1) / step for step in head.grid.spacing_mm]
    share = ndimage.gaussian_filter(brain[box].astype(np.float32), sigma, truncate=2.6)
    part = head.tissues[box]
    filled = (share > rng.uniform(0.3, 0.5)) & (part == Tissue.CSF)
    tissues = head.tissues.copy()
    tissues[box][filled] = Tissue.CORTEX
    return replace(head, tissues=tissues)


def _displaced(head: Head, rng: np.random.Generator, strength_mm: float) -> list[np.ndarray]:
    """For every voxel the (fractional) index in the head that it comes from, axis by axis."""
    shape, spacing = head.tissues.shape, np.array(head.grid.spacing_mm)
    extent = np.array(shape) * spacing
    strength = min(strength_mm, 0.03 * float(extent.min()))
    scale = np.exp(rng.uniform(-0.03, 0.03)) * (1 + rng.uniform(-0.05, 0.05, 3))
    turn = np.eye(3)
    for axis, angle in enumerate(rng.normal(0, 0.05, 3)):
        first, second = (axis + 1) % 3, (axis + 2) % 3
        step = np.eye(3)
        step[first, first] = step[second, second] = np.cos(angle)
        step[first, second], step[second, first] = -np.sin(angle), np.sin(angle)
        turn = turn @ step
    matrix = np.diag(1 / spacing) @ turn @ np.diag(spacing / scale)
    centre = (np.array(shape) - 1) / 2
    axes = [(np.arange(n, dtype=np.float32) - c) for n, c in zip(shape, centre, strict=True)]
    indices = []
    for axis in range(3):
        broad = SmoothField.draw(rng, 0.2 * float(extent.mean()), modes=12)
        narrow = SmoothField.draw(rng, 0.09 * float(extent.mean()), modes=16)
        index = broad.on_grid(shape, head.grid.spacing_mm)
        index += np.float32(0.2) * narrow.on_grid(shape, head.grid.spacing_mm)
        index *= np.float32(0.8 * strength / spacing[axis])
        index += (axes[0] * np.float32(matrix[axis, 0]) + np.float32(centre[axis]))[:, None, None]
        index += (axes[1] * np.float32(matrix[axis, 1]))[None, :, None]
        index += (axes[2] * np.float32(matrix[axis, 2]))[None, None, :]
        indices.append(index)
    return indices


def _moved(head: Head, inside: np.ndarray, source: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Real images at the places their voxels come from, 0 outside the brain."""
    from scipy import ndimage

    points = np.stack([index[inside] for index in source])
    images = {}
    for name, image in head.images.items():
        moved = np.zeros(image.shape, np.float32)
        values = ndimage.map_coordinates(image, points, np.float32, order=1, mode="nearest")
        moved[inside] = np.maximum(values, 0)
        images[name] = moved
    return images
