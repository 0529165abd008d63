"""What a lesion is, how far it reaches, and everything that is said of it in one row.

A lesion is a 26-connected component of TC at α = ½ (of WT where TC is not assessable). Its
territory is where the watershed of the membership, inside {μ ≥ 0.05}, flows back to it: moving α
grows or shrinks the lesion inside its territory and never merges, splits or renumbers lesions.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from ParetoSegLib.core.geometry import Box, Grid, bounding_box, padded_box
from ParetoSegLib.core.labels import REGIONS
from ParetoSegLib.measure.confidence import (
    CERTAIN,
    HALF,
    POSSIBLE,
    SHELL_MM,
    Surface,
    alpha_cut,
    shell_confidence,
)
from ParetoSegLib.measure.diameters import axial_diameters
from ParetoSegLib.measure.territories import CANDIDATE, REACH, Territories, divide, nearest_core


@dataclass(frozen=True)
class Lesion:
    """One lesion, or one candidate.

    A candidate has no ½ surface: its volumes are 0, the upper end of its interval tells how large
    it may be, and its centroid, diameters and confidence are those of {μ ≥ 0.2}.

    Args:
        number: 1 for the largest lesion; candidates follow the lesions.
        kind: ``"lesion"`` or ``"candidate"``.
        region: the region in which the lesions were looked for, ``"tc"`` or else ``"wt"``.
        centroid_lps: (x, y, z) in mm.
        box: of the lesion's territory, in the arrays that were given.
        peak: largest membership.
        volumes_cc: at α = ½, for each of ``REGIONS``; ``None`` where not assessable. WT voxels
            belong to the nearest core.
        volume_low_cc: volume of {μ ≥ certain} in the territory, of ``region``.
        volume_high_cc: volume of {μ ≥ possible} in the territory, of ``region``.
        longest_diameter_mm: axial.
        perpendicular_diameter_mm: across the longest, in the same axial slice.
        measurable: RANO-BM's rule; never for a candidate.
        confidence: mean γ within 2 mm of the ½ surface, in [0, 1]; 1 is certain.
        margin_mm: mean distance between the possible and the certain surface; ``None`` without a
            certain core, or where a surface lies outside the image.
        certain_core: whether any voxel reaches the certain level.
        one_sided_margin_mm: mean distance between the possible and the ½ surface; ``None`` for a
            candidate, or where a surface lies outside the image.
    """

    number: int
    kind: str
    region: str
    centroid_lps: tuple[float, float, float]
    box: Box
    peak: float
    volumes_cc: Mapping[str, float | None]
    volume_low_cc: float
    volume_high_cc: float
    longest_diameter_mm: float
    perpendicular_diameter_mm: float
    measurable: bool
    confidence: float
    margin_mm: float | None
    certain_core: bool
    one_sided_margin_mm: float | None

    @property
    def volume_cc(self) -> float:
        """Volume at α = ½ of the region in which the lesion was found."""
        return self.volumes_cc[self.region] or 0.0


@dataclass(frozen=True)
class LesionMap:
    """All lesions of a case and where they may reach.

    Args:
        lesions: lesions from the largest to the smallest, then candidates likewise.
        territories: int32 ``(D, H, W)``: ``Lesion.number``, or 0 outside every territory.
        region: the region in which the lesions were looked for.
    """

    lesions: tuple[Lesion, ...]
    territories: np.ndarray
    region: str

    @property
    def found(self) -> tuple[Lesion, ...]:
        """The lesions alone, largest first."""
        return tuple(lesion for lesion in self.lesions if lesion.kind == "lesion")

    @property
    def candidates(self) -> tuple[Lesion, ...]:
        """The candidates alone, largest first."""
        return tuple(lesion for lesion in self.lesions if lesion.kind == "candidate")


def find_lesions(
    membership: Mapping[str, np.ndarray],
    grid: Grid,
    assessable: Collection[str],
    levels: Mapping[str, tuple[float, float]] | None = None,
) -> LesionMap:
    """Find, delimit and measure every lesion.

    Args:
        membership: calibrated and nested, float32 ``(D, H, W)`` by region; regions that are not
            assessable are not looked at.
        grid: of the arrays, axis 0 from foot to head.
        assessable: regions that can be judged at all; others have no volume, not a volume of 0.
        levels: (certain, possible) by region, 0.9 and 0.1 where missing.

    Returns:
        Lesions whose volumes add up, region by region, to the volume of {μ ≥ ½} (if there is any
        lesion: WT without a core belongs to none).

    Raises:
        ValueError: no region is assessable, one has no membership, or a shape or level is wrong.
    """
    region = region_of_lesions(assessable)
    for name in assessable:
        if name not in membership:
            raise ValueError(f"{name} is called assessable but has no membership")
        if membership[name].shape != grid.shape:
            raise ValueError(f"{name} of shape {membership[name].shape} on a grid {grid.shape}")
    certain, possible = (levels or {}).get(region, (CERTAIN, POSSIBLE))
    if not 0.0 <= possible <= certain <= 1.0:
        raise ValueError(f"levels {certain} and {possible} are not in order within [0, 1]")

    territories = np.zeros(grid.shape, np.int32)
    hull = bounding_box(alpha_cut(membership[region], REACH))
    if hull is None:
        return LesionMap((), territories, region)
    # Shells and surfaces lie partly outside the territories.
    hull = padded_box(hull, _reach_of_shell(grid), grid.shape)
    field = np.asarray(membership[region][hull], np.float32)
    divided = divide(field)
    territories[hull] = divided.labels
    if not divided.boxes:
        return LesionMap((), territories, region)

    cuts = {r: alpha_cut(membership[r]) for r in REGIONS if r in assessable}
    volumes = _volumes_cc(cuts, hull, divided, grid)
    count = len(divided.boxes)
    measured = _Measurement(
        field,
        divided,
        grid.cropped(hull),
        certain,
        possible,
        _counts(divided.labels[alpha_cut(field, certain)], count),
        _counts(divided.labels[alpha_cut(field, possible)], count),
    )
    lesions = []
    for number in range(1, count + 1):
        facts = measured.of(number)
        box = _shifted(divided.boxes[number - 1], hull)
        own = {r: float(volumes[r][number]) if r in volumes else None for r in REGIONS}
        lesions.append(Lesion(number=number, region=region, box=box, volumes_cc=own, **facts))
    return LesionMap(tuple(lesions), territories, region)


def region_of_lesions(assessable: Collection[str]) -> str:
    """The region whose components are the lesions: TC, else WT, else ET.

    Raises:
        ValueError: none is assessable.
    """
    for region in ("tc", "wt", "et"):
        if region in assessable:
            return region
    raise ValueError("lesions need at least one assessable region")


def cut_lesions(
    membership: np.ndarray,
    lesions: LesionMap,
    alpha: float = HALF,
    alphas: Mapping[int, float] | None = None,
) -> np.ndarray:
    """Each lesion cut at its own α inside its territory.

    Args:
        membership: of the lesions' region, ``(D, H, W)``.
        lesions: from ``find_lesions`` on the same membership.
        alpha: for lesions that are not in ``alphas``.
        alphas: α by lesion number. A candidate appears only if it is named here.

    Returns:
        int32 ``(D, H, W)``: the lesion's number where μ ≥ its α, 0 elsewhere.
    """
    cut = np.zeros(lesions.territories.shape, np.int32)
    for lesion in lesions.lesions:
        level = (alphas or {}).get(lesion.number, alpha if lesion.kind == "lesion" else None)
        if level is not None:
            own = lesions.territories[lesion.box] == lesion.number
            own &= alpha_cut(membership[lesion.box], level)
            cut[lesion.box][own] = lesion.number
    return cut


@dataclass(frozen=True)
class _Measurement:
    """Measures one lesion after the other on a crop that holds them all."""

    field: np.ndarray
    divided: Territories
    grid: Grid
    certain: float
    possible: float
    certain_voxels: np.ndarray
    possible_voxels: np.ndarray

    def of(self, number: int) -> dict:  # type: ignore[type-arg]
        """Everything but number, region, box and volumes, named as in ``Lesion``."""
        spacing = self.grid.spacing_mm
        box = padded_box(
            self.divided.boxes[number - 1], _reach_of_shell(self.grid), self.field.shape
        )
        field = self.field[box]
        labels = self.divided.labels[box]
        own = labels == number
        others = (labels > 0) & ~own
        is_lesion = number <= self.divided.lesions
        mask = own & alpha_cut(field, HALF if is_lesion else CANDIDATE)
        surface = Surface(mask, spacing)
        certain_core = bool(self.certain_voxels[number])

        margin = one_sided = None
        if is_lesion:
            wide = alpha_cut(field, self.possible)
            outer = Surface(own & wide, spacing, beyond=others & wide)
            one_sided = surface.gap_mm(outer)
            if certain_core:
                margin = Surface(own & alpha_cut(field, self.certain), spacing).gap_mm(outer)

        diameters = axial_diameters(mask, spacing)
        voxels = np.argwhere(mask)
        centre = voxels.mean(axis=0) + [s.start for s in box]
        x, y, z = (float(v) for v in self.grid.positions(centre[None])[0])
        voxel_cc = self.grid.voxel_mm3 / 1000.0
        return {
            "kind": "lesion" if is_lesion else "candidate",
            "centroid_lps": (x, y, z),
            "peak": float(field[own].max()),
            "volume_low_cc": float(self.certain_voxels[number] * voxel_cc),
            "volume_high_cc": float(self.possible_voxels[number] * voxel_cc),
            "longest_diameter_mm": diameters.longest_mm,
            "perpendicular_diameter_mm": diameters.perpendicular_mm,
            "measurable": is_lesion and diameters.measurable,
            "confidence": shell_confidence(field, surface, excluded=others),
            "margin_mm": margin,
            "certain_core": certain_core,
            "one_sided_margin_mm": one_sided,
        }


def _volumes_cc(
    cuts: Mapping[str, np.ndarray], hull: Box, divided: Territories, grid: Grid
) -> dict[str, np.ndarray]:
    """Volume per region and number (0 unused) of the ½-cuts, voxels outside a core to the nearest.

    Args:
        cuts: {μ ≥ ½} by region on the whole grid: WT may reach beyond the territories.
        hull: the part of the grid that ``divided`` covers.
    """
    highest = len(divided.boxes)
    counts = {}
    for region, cut in cuts.items():
        own = np.zeros(highest + 1, np.int64)
        if divided.lesions == 1:
            own[1] = np.count_nonzero(cut)
        elif divided.lesions > 1:
            own = _counts(divided.cores[cut[hull]], highest)
            own[0] = 0
            loose = cut.copy()
            loose[hull] &= divided.cores == 0
            voxels = np.argwhere(loose)
            if voxels.size:
                voxels -= [s.start for s in hull]
                own += _counts(nearest_core(divided.cores, voxels, grid.spacing_mm), highest)
        counts[region] = own * (grid.voxel_mm3 / 1000.0)
    return counts


def _reach_of_shell(grid: Grid) -> tuple[int, int, int]:
    """Voxels by which a box must grow to hold the shell around all that is in it."""
    d, h, w = (int(np.ceil(SHELL_MM / s)) + 1 for s in grid.spacing_mm)
    return (d, h, w)


def _counts(labels: np.ndarray, highest: int) -> np.ndarray:
    return np.bincount(labels.ravel(), minlength=highest + 1)


def _shifted(box: Box, by: Box) -> Box:
    """A box inside ``array[by]`` as a box of ``array``."""
    d, h, w = (slice(s.start + o.start, s.stop + o.start) for s, o in zip(box, by, strict=True))
    return (d, h, w)
