"""Inside a whole head: a network's outline of the brain cleaned up, and the case cropped to it.

With scalp and skull in the picture, images are scaled by fat, and vessels and glands outside the
brain look like metastases. Once the brain is known, a whole head is what a stripped one is.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import SimpleITK as sitk

from ParetoSegLib.core.geometry import bounding_box, padded_box
from ParetoSegLib.core.labels import MODALITIES
from ParetoSegLib.data.head_mask import BRAIN, LARGEST_BRAIN_CC
from ParetoSegLib.data.normalisation import normalise
from ParetoSegLib.data.preprocessing import Prepared, WayBack

SMALLEST_BRAIN_CC = 300.0
"""Less is no brain, or too little of one to go by."""

CLOSING_MM = 10.0
"""A dark lesion at the surface must not be a bay of the outline."""

NECK_VOXELS = 1
"""What hangs on the brain by less than twice this (a nerve, a vessel) is cut off."""


def solid_brain(found: np.ndarray, spacing_mm: tuple[float, float, float]) -> np.ndarray | None:
    """The largest solid part of what may be brain, closed, its holes filled.

    Args:
        found: bool ``(D, H, W)``, a network's word for each voxel; best on a coarse grid.
        spacing_mm: along ``(D, H, W)``.

    Returns:
        Its mask, or ``None`` where its volume is not that of a brain.
    """
    image = sitk.GetImageFromArray(found.astype(np.uint8))
    core = sitk.BinaryErode(image, [NECK_VOXELS] * 3, sitk.sitkBall, 0, 1, False)
    largest = sitk.RelabelComponent(sitk.ConnectedComponent(core)) == 1
    grown = sitk.BinaryDilate(largest, [NECK_VOXELS + 1] * 3, sitk.sitkBall)
    radius = [max(1, round(CLOSING_MM / s)) for s in spacing_mm[::-1]]
    closed = sitk.BinaryMorphologicalClosing(sitk.And(grown, image), radius, sitk.sitkBall, 1, True)
    solid = sitk.GetArrayFromImage(sitk.BinaryFillhole(closed)) > 0
    volume_cc = np.count_nonzero(solid) * math.prod(spacing_mm) / 1000
    return solid if SMALLEST_BRAIN_CC <= volume_cc <= LARGEST_BRAIN_CC else None


def within_brain(prepared: Prepared, brain: np.ndarray, margin_mm: float) -> Prepared:
    """A prepared whole head as if it had been stripped: scaled by its brain and cropped to it.

    Labels outside the brain widen the crop, not the mask.

    Args:
        prepared: with the head as its mask, and its images as they were before they were scaled.
        brain: bool, not empty, on ``prepared.grid``.
        margin_mm: kept around the brain.

    Returns:
        Another ``Prepared``; the first one is left as it was.
    """
    if brain.shape != prepared.grid.shape or not brain.any():
        raise ValueError(f"a brain of shape {brain.shape} for a head of {prepared.grid.shape}")
    if not prepared.unscaled:
        raise ValueError("the images as they were before they were scaled are gone")
    kept = brain
    if prepared.regions:
        kept = np.logical_or.reduce([brain, *(m[prepared.box] for m in prepared.regions.values())])
    tight = bounding_box(kept)
    assert tight is not None
    pad = [math.ceil(margin_mm / s) for s in prepared.grid.spacing_mm]
    inner = padded_box(tight, (pad[0], pad[1], pad[2]), prepared.grid.shape)
    mask = np.ascontiguousarray(brain[inner])
    images = np.zeros((len(prepared.images), *mask.shape), np.float32)
    for channel, modality in enumerate(MODALITIES):
        if modality in prepared.unscaled:
            images[channel] = normalise(prepared.unscaled[modality][inner], mask, mask)
    first, second, third = (
        slice(outer.start + own.start, outer.start + own.stop)
        for outer, own in zip(prepared.box, inner, strict=True)
    )
    box = (first, second, third)
    return replace(
        prepared,
        images=images,
        mask=mask,
        mask_source=BRAIN,
        box=box,
        grid=prepared.full_grid.cropped(box),
        unscaled={},
        way_back=WayBack(prepared.way_back.reference, prepared.way_back.working, box),
    )
