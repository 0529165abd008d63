"""Fuzzy labels: binary away from a lesion's boundary, smooth across a band of millimetres on it.

Each lesion gets a band of its own width, from the signed distance to its faces; the memberships
of a region are the maximum over its lesions, and regions stay nested. ``certainty`` of a
membership paces the curriculum, splits the loss into regions and, on calibrated predictions, is
the confidence that a reader sees: one function, three uses. No torch is imported here.

Known limits: a flat face across thick slices has no band where w ≤ h/2 (nothing lies between two
slices), and at 1 × 1 × 3 mm a lesion of 2 mm radius can be half a slice off.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np

from ParetoSegLib.core.geometry import (
    Box,
    bounding_box,
    components,
    padded_box,
    signed_distance,
)
from ParetoSegLib.core.labels import REGIONS

BAND_MM = 1.5
"""Half-width of the band of a lesion large enough to bear it."""

BETA = 0.75
"""Share of a lesion's radius that its band may take from it; below 1 leaves it a certain core."""

Array = TypeVar("Array", bound=Any)
"""A numpy array or a torch tensor: what is given comes back."""

Spacing = tuple[float, float, float]


def fuzzy_labels(
    masks: Mapping[str, np.ndarray],
    spacing_mm: Spacing,
    band_mm: float = BAND_MM,
    beta: float = BETA,
) -> dict[str, np.ndarray]:
    """Memberships of all regions, nested: μ_TC ≥ μ_ET and μ_WT ≥ μ_TC at every voxel.

    Args:
        masks: boolean arrays ``(D, H, W)`` by region, any of ``REGIONS``, uncropped (a crop
            would make a face where it cuts a lesion's band). A region that is left out is
            unlabelled and stays out.
        spacing_mm: voxel size along ``(D, H, W)``.
        band_mm: half-width w of the band.
        beta: largest share of a lesion's radius that the band takes.

    Returns:
        float32 arrays ``(D, H, W)`` in [0, 1]. Where the masks are nested, μ > ½ exactly on each
        mask, and every lesion keeps a voxel with μ = 1.

    Raises:
        ValueError: a region, spacing, band or shape makes no sense.
    """
    unknown = sorted(set(masks) - set(REGIONS))
    if unknown:
        raise ValueError(f"unknown region {unknown[0]}; the regions are {', '.join(REGIONS)}")
    if len({np.shape(mask) for mask in masks.values()}) > 1:
        raise ValueError("the masks of the regions differ in shape")
    nested: dict[str, np.ndarray] = {}
    inner: np.ndarray | None = None
    for region in REGIONS:
        if region in masks:
            membership = membership_of(masks[region], spacing_mm, band_mm, beta)
            if inner is not None:
                np.maximum(membership, inner, out=membership)
            nested[region] = inner = membership
    return nested


def membership_of(
    mask: np.ndarray, spacing_mm: Spacing, band_mm: float = BAND_MM, beta: float = BETA
) -> np.ndarray:
    """Membership of one region: μ(x) = max over lesions l of S((s_l(x) + w_l) / 2w_l).

    s_l is the signed distance of lesion l (a 26-connected component) in mm, w_l its
    ``band_half_width``, S Zadeh's S-function. The maximum, unlike the nearest lesion's band, does
    not depend on the order in which lesions are met, so flips and permutations commute with it.

    Args:
        mask: ``(D, H, W)``, read as boolean.
        spacing_mm: voxel size along ``(D, H, W)``.
        band_mm: half-width w of the band.
        beta: largest share of a lesion's radius that the band takes.

    Returns:
        float32 ``(D, H, W)``: above ½ exactly on the mask, 1 in some voxel of every lesion,
        binary outside the bands.

    Raises:
        ValueError: the mask is not 3-D, or a spacing, ``band_mm`` or ``beta`` is out of range.
    """
    mask = np.asarray(mask, bool)
    _check(mask, spacing_mm, band_mm, beta)
    membership = np.zeros(mask.shape, np.float32)
    hull = bounding_box(mask)
    if hull is None:
        return membership
    labelled, boxes = components(mask[hull])
    for number, box in enumerate(boxes, start=1):
        around = band_box(_shifted(box, hull), spacing_mm, band_mm, mask.shape)
        lesion = np.zeros([s.stop - s.start for s in around], bool)
        lesion[_within(_shifted(box, hull), around)] = labelled[box] == number
        distance = signed_distance(lesion, spacing_mm)
        width = band_half_width(distance[lesion], band_mm, beta)
        here = membership[around]
        np.maximum(here, _across_band(distance, width), out=here)
    return membership


def band_box(box: Box, spacing_mm: Spacing, band_mm: float, shape: tuple[int, ...]) -> Box:
    """The part of an array of ``shape`` in which a lesion's distance and band can be made.

    The lesion's own ``box`` grows by ⌈w/h⌉ + 1 voxels. Every voxel on either side of one of its
    faces then lies inside, so distances in the box are those of the whole volume; and outside
    |s| > w.
    """
    d, h, w = (math.ceil(band_mm / s) + 1 for s in spacing_mm)
    return padded_box(box, (d, h, w), shape)


def band_half_width(
    distance_inside: np.ndarray, band_mm: float = BAND_MM, beta: float = BETA
) -> np.float32:
    """Half-width in mm of one lesion's band: w_l = min(w, β r_l), r_l = min(max s_l, 2 mean s_l).

    The maximum alone would let one nodule set the band for a whole thin rim; twice the mean is
    the half-thickness of a plate exactly, and binds on rims.

    Args:
        distance_inside: signed distance in mm of the lesion's voxels, all positive.
        band_mm: w.
        beta: β.
    """
    thickest = float(distance_inside.max())
    if not math.isfinite(thickest):  # the lesion fills its image: it has no face
        return np.float32(band_mm)
    radius = min(thickest, 2.0 * float(distance_inside.mean(dtype=np.float64)))
    return np.float32(min(band_mm, beta * radius))


def nest(memberships: Array, axis: int = 0) -> Array:
    """Make ET ⊆ TC ⊆ WT hold at every α: μ_TC ← max(μ_TC, μ_ET), μ_WT ← max(μ_WT, μ_TC).

    Args:
        memberships: array or tensor with ET, TC, WT along ``axis``; it is not changed.
        axis: 0 for ``(3, …)``, 1 for ``(B, 3, …)``.
    """
    nested = memberships * 1
    before: tuple[slice, ...] = (slice(None),) * axis
    inner = memberships[(*before, 0)]
    for region in range(1, len(REGIONS)):
        # clip by an array is the maximum that numpy and torch spell alike
        inner = memberships[(*before, region)].clip(inner)
        nested[(*before, region)] = inner
    return nested


def nonmembership(mu: Array) -> Array:
    """ν = (1 − μ)²: Atanassov's degree of not belonging; μ + ν + π = 1."""
    against = mu - 1
    return against * against


def hesitation(mu: Array) -> Array:
    """π = μ (1 − μ): what neither membership nor non-membership claims; at most ¼, at μ = ½."""
    return mu * (1 - mu)


def certainty(mu: Array) -> Array:
    """γ = 1 − 4π = (2μ − 1)²: 1 where the label is binary, 0 exactly at ½, symmetric about it."""
    centred = mu * 2 - 1
    return centred * centred


def _across_band(distance: np.ndarray, width: np.float32) -> np.ndarray:
    """Zadeh's S-function of t = (s + w) / 2w: 0, 2t² up to ½, 1 − 2(1 − t)² up to 1, then 1."""
    # ½ + s/2w, not (s + w)/2w: at s = w it gives 1 and at s > 0 more than ½ in float32 too.
    t = np.clip(np.float32(0.5) + distance / (2 * width), 0, 1)
    rising = 2 * t * t
    falling = 1 - t
    return np.where(t <= 0.5, rising, 1 - 2 * falling * falling)


def _check(mask: np.ndarray, spacing_mm: Spacing, band_mm: float, beta: float) -> None:
    if mask.ndim != 3:
        raise ValueError(f"a mask needs three axes (D, H, W), not shape {mask.shape}")
    if len(spacing_mm) != 3 or not all(0 < s < math.inf for s in spacing_mm):
        raise ValueError(f"spacing_mm is {spacing_mm}; it needs three positive numbers")
    if not 0 < band_mm < math.inf:
        raise ValueError(f"band_mm is {band_mm}; it must be positive")
    if not 0 < beta <= 1:
        raise ValueError(f"beta is {beta}; it must lie in (0, 1]")


def _shifted(box: Box, by: Box) -> Box:
    """A box inside ``array[by]`` as a box of ``array``."""
    d, h, w = (slice(b.start + o.start, b.stop + o.start) for b, o in zip(box, by, strict=True))
    return d, h, w


def _within(box: Box, outer: Box) -> Box:
    """A box of ``array`` as a box inside ``array[outer]``."""
    d, h, w = (slice(b.start - o.start, b.stop - o.start) for b, o in zip(box, outer, strict=True))
    return d, h, w
