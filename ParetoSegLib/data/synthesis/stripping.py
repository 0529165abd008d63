"""Skull stripping: a head's brain cut out as tools leave it, some tight, some loose, few clean."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ParetoSegLib.core.geometry import bounding_box, distance_to, padded_box
from ParetoSegLib.data.synthesis.fields import SmoothField, stretched
from ParetoSegLib.data.synthesis.heads import Head, cropped
from ParetoSegLib.data.synthesis.tissues import BRAIN, INTRACRANIAL, Tissue, belongs


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


OUTLINE = Cut(reach_mm=1.5)
"""The cut that a network learns to make: midway between tight and loose ones."""

_EVERYWHERE_MM = 1000.0


def brain_outline(head: Head) -> np.ndarray:
    """The brain with its fluid, bool ``(D, H, W)``: where ``OUTLINE`` would cut; of a head that is
    stripped already, all that is left.
    """
    if not head.whole:
        return head.tissues > Tissue.AIR
    return stripped(head, _EVERYWHERE_MM, OUTLINE).tissues > Tissue.AIR


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
