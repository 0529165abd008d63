"""From a case to what a network takes, and the way back: align, resample, crop, normalise.

Every step keeps its parameters: ``Prepared`` names the transforms and the mask's source, and
``WayBack`` undoes resampling and cropping exactly.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ParetoSegLib.core.errors import GeometryError
from ParetoSegLib.core.geometry import Box, Grid, bounding_box, padded_box
from ParetoSegLib.core.labels import MODALITIES
from ParetoSegLib.data.case import Case, Image
from ParetoSegLib.data.head_mask import HEAD, STRIPPED, brain_mask, head_mask, stripped_background
from ParetoSegLib.data.normalisation import normalise
from ParetoSegLib.data.registration import HEADER, Rigid, covered_share, register, rigid_transform
from ParetoSegLib.data.resampling import resample, resample_masks, working_grid

SAME_PLACE_MM = 0.1
"""Grids this close are one grid: headers are rounded when formats change."""

LEAST_COVERAGE = 0.01
"""Share of the reference that another image must cover to have anything to do with it."""

BRAIN_SHARE = 0.25
"""A resampled voxel is brain from this share on: a partial edge must not be cut away."""

TISSUE_SHARE = 0.99
"""From this share on it counts for the image's scale: a partial edge holds the background too."""


@dataclass(frozen=True)
class PreprocessingSettings:
    """How a case is prepared.

    Args:
        spacing_mm: of the working grid along ``(D, H, W)``; an axis within 1 % of it stays.
        margin_mm: kept around the brain or head.
        align: register the other images to the reference where their grids differ; otherwise
            trust the headers.
        registration_seed: of the metric's random samples.
    """

    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)
    margin_mm: float = 8.0
    align: bool = True
    registration_seed: int = 0

    def __post_init__(self) -> None:
        if len(self.spacing_mm) != 3 or any(not 0.3 <= s <= 10 for s in self.spacing_mm):
            raise ValueError(
                f"spacing_mm is {self.spacing_mm}; it needs three values between 0.3 and 10."
            )
        if not 0 <= self.margin_mm <= 100:
            raise ValueError(f"margin_mm is {self.margin_mm}; it must lie between 0 and 100.")
        if self.registration_seed < 0:
            raise ValueError(f"registration_seed is {self.registration_seed}; it must not be < 0.")


@dataclass(frozen=True)
class WayBack:
    """What undoes the crop and the resampling.

    Args:
        reference: the case's grid (LPS), to come back to.
        working: the grid before the crop; ``reference`` itself if nothing was resampled.
        box: the crop within ``working``.
    """

    reference: Grid
    working: Grid
    box: Box

    def restore(self, membership: np.ndarray) -> np.ndarray:
        """Bring membership back onto the case's grid.

        Args:
            membership: ``(C, D, H, W)`` on the cropped working grid.

        Returns:
            float32 ``(C, *case.grid.shape)``, 0 outside the crop. Without resampling every value
            is the one given; with it, values are interpolated linearly.
        """
        cropped = self.working.cropped(self.box)
        if membership.shape[1:] != cropped.shape:
            raise ValueError(
                f"membership of shape {membership.shape[1:]} for a crop of {cropped.shape}"
            )
        restored = np.zeros((len(membership), *self.reference.shape), np.float32)
        if self.working == self.reference:
            restored[(slice(None), *self.box)] = membership
            return restored
        # Only reference voxels near the crop can get a value.
        near = _box_around(cropped, self.reference)
        part = self.reference.cropped(near)
        for channel, values in enumerate(membership):
            restored[(channel, *near)] = resample(values, cropped, part, antialias=False)
        return restored


@dataclass(frozen=True, eq=False)
class Prepared:
    """A case as a network takes it.

    Args:
        name: the case's.
        images: float32 ``(4, D, H, W)`` in the order of ``MODALITIES`` on ``grid``, normalised; 0
            outside the mask and where a sequence is absent.
        presence: which sequences are there.
        mask: bool ``(D, H, W)`` on ``grid``: brain or head.
        mask_source: ``"stripped image"``, ``"head outline"`` or, once a network has found it,
            ``"brain outline"``.
        full_grid: the working grid before the crop.
        box: the crop within ``full_grid``.
        grid: ``full_grid`` cropped.
        regions: bool masks on ``full_grid``; a region the labels cannot define is missing;
            ``None`` without labels.
        way_back: brings membership onto the case's grid.
        transforms: for each image whose grid was not the reference's, the rigid motion from the
            reference (``data/registration.py``), all zeros where the headers were kept.
        notes: sentences a user should read.
        unscaled: of a whole head, each image on ``grid`` before it was normalised, NaN where it has
            no data; to be scaled anew once its brain is known (``data/brain.py``).
    """

    name: str
    images: np.ndarray
    presence: tuple[bool, ...]
    mask: np.ndarray
    mask_source: str
    full_grid: Grid
    box: Box
    grid: Grid
    regions: Mapping[str, np.ndarray] | None
    way_back: WayBack
    transforms: Mapping[str, tuple[float, ...]]
    notes: tuple[str, ...] = ()
    unscaled: Mapping[str, np.ndarray] = field(default_factory=dict)


def prepare(case: Case, settings: PreprocessingSettings = PreprocessingSettings()) -> Prepared:
    """Align, resample, crop and normalise a case; each image is interpolated at most once.

    The crop holds every voxel of the mask and of the labels, and ``margin_mm`` around them.

    Raises:
        GeometryError: an image lies elsewhere than the reference.
    """
    transforms, notes = _align(case, settings)
    full_grid = working_grid(case.grid, settings.spacing_mm)
    moved: dict[str, np.ndarray] = {}
    shares: dict[str, np.ndarray] = {}
    for modality in MODALITIES:
        if modality in case.images:
            image = case.images[modality]
            array, share = _on_grid(image, full_grid, case.grid, transforms.get(modality))
            moved[modality] = array
            if share is not None:
                shares[modality] = share
    mask, source, tissue = _mask(moved, shares, full_grid, notes)
    regions = None if case.regions is None else _move_regions(case.regions, case.grid, full_grid)

    # Labels beyond the mask (a loose mask around a tight brain) widen the crop, not the mask.
    kept = np.logical_or.reduce([mask, *(regions or {}).values()])
    pad = [math.ceil(settings.margin_mm / s) for s in full_grid.spacing_mm]
    box = padded_box(
        bounding_box(kept) or _whole(full_grid), (pad[0], pad[1], pad[2]), full_grid.shape
    )
    grid = full_grid.cropped(box)
    mask = np.ascontiguousarray(mask[box])
    images = np.zeros((len(MODALITIES), *grid.shape), np.float32)
    for channel, modality in enumerate(MODALITIES):
        if modality in moved:
            images[channel] = normalise(moved[modality][box], mask, tissue[modality][box])
    return Prepared(
        name=case.name,
        images=images,
        presence=tuple(m in case.images for m in MODALITIES),
        mask=mask,
        mask_source=source,
        full_grid=full_grid,
        box=box,
        grid=grid,
        regions=regions,
        way_back=WayBack(case.grid, full_grid, box),
        transforms=transforms,
        notes=tuple(notes),
        unscaled={m: array[box] for m, array in moved.items()} if source == HEAD else {},
    )


def _align(case: Case, settings: PreprocessingSettings) -> tuple[dict[str, Rigid], list[str]]:
    """The transform of every image that is not on the reference's grid, and what to tell."""
    transforms: dict[str, Rigid] = {}
    notes: list[str] = []
    for modality in MODALITIES:
        image = case.images.get(modality)
        if image is None or image.grid.matches(case.grid, SAME_PLACE_MM):
            continue
        if covered_share(case.grid, image.grid) < LEAST_COVERAGE:
            raise GeometryError(
                f"The {modality} image of {case.name} lies elsewhere than its {case.reference} "
                "image, by their headers; check that both are from one session."
            )
        transforms[modality] = HEADER
        if settings.align:
            reference = case.images[case.reference]
            transforms[modality], why = register(
                reference.array, case.grid, image.array, image.grid, settings.registration_seed
            )
            if why is not None:
                notes.append(f"{modality} is aligned by its header alone: {why}.")
    return transforms, notes


def _on_grid(
    image: Image, target: Grid, reference: Grid, transform: Rigid | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """An image on the working grid, NaN beyond its field, and each voxel's share of brain.

    The share is ``None`` if the image is not stripped, and a bool array if nothing moved.
    """
    background = stripped_background(image.array, image.grid.voxel_mm3)
    brain = None if background is None else image.array != background
    if transform is None and target == reference:
        return image.array, brain
    rigid = None if transform is None else rigid_transform(transform)
    source = reference if transform is None else image.grid
    array = resample(image.array, source, target, rigid, outside=math.nan)
    if brain is None:
        return array, None
    # Smoothing would move the edge by less than the share does, and costs most of the time.
    return array, resample(brain, source, target, rigid, antialias=False)


def _mask(
    images: Mapping[str, np.ndarray],
    shares: Mapping[str, np.ndarray],
    grid: Grid,
    notes: list[str],
) -> tuple[np.ndarray, str, Mapping[str, np.ndarray]]:
    """The mask, what it was read off, and the voxels that set each image's scale."""
    whole = [m for m in images if m not in shares]
    if not shares:
        mask, thresholds = head_mask([images[m] for m in whole], grid)
        levels = zip(whole, thresholds, strict=True)
        return mask, HEAD, {modality: images[modality] > level for modality, level in levels}
    mask = brain_mask([_above(share, BRAIN_SHARE) for share in shares.values()])
    tissue = {modality: _above(share, TISSUE_SHARE) for modality, share in shares.items()}
    for modality in whole:
        tissue[modality] = mask
        notes.append(
            f"{modality} is not skull-stripped as the others are; only the part of it inside "
            "their brain mask is used."
        )
    return mask, STRIPPED, tissue


def _above(share: np.ndarray, level: float) -> np.ndarray:
    """Where a share lies above a level; a mask is its own, whatever the level."""
    return share if share.dtype == bool else share > level


def _move_regions(
    regions: Mapping[str, np.ndarray], source: Grid, target: Grid
) -> Mapping[str, np.ndarray]:
    return regions if source == target else resample_masks(regions, source, target)


def _box_around(part: Grid, grid: Grid) -> Box:
    """The voxels of ``grid`` whose centres may lie inside ``part``."""
    last = np.array(part.shape) - 1
    corners = np.stack(np.meshgrid(*[(-0.5, n + 0.5) for n in last], indexing="ij"), axis=-1)
    back = np.linalg.inv(grid.affine)
    indices = part.positions(corners.reshape(-1, 3)) @ back[:3, :3].T + back[:3, 3]
    low = np.clip(np.floor(indices.min(axis=0)), 0, np.array(grid.shape) - 1).astype(int)
    high = np.clip(np.ceil(indices.max(axis=0)) + 1, low + 1, grid.shape).astype(int)
    first, second, third = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return first, second, third


def _whole(grid: Grid) -> Box:
    d, h, w = grid.shape
    return slice(0, d), slice(0, h), slice(0, w)
