"""Moving α over a result: each lesion's voxels sorted by membership, so that a move touches only
those that change sides.

Numbers only, no scene. Memberships are kept in whole steps of 1/200, rounded down against the
float32 thresholds, so that {μ ≥ α} is exact for every α that is a multiple of 0.005.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from ParetoSegLib.core.geometry import Box, Grid, bounding_box, padded_box
from ParetoSegLib.core.labels import REGIONS
from ParetoSegLib.measure.confidence import HALF, alpha_cut
from ParetoSegLib.measure.lesions import LesionMap
from ParetoSegLib.measure.territories import CANDIDATE, REACH, nearest_core

STEPS = 200
"""Steps of membership between 0 and 1."""

LOWEST, HIGHEST = 0.05, 0.95
"""The ends of the α slider."""

OFF = STEPS + 1
"""A level that no voxel reaches: the lesion is not shown."""

NOBODY = 0
"""Owner of what belongs to no lesion; it is always shown."""

_THRESHOLDS = (np.arange(STEPS + 2) / STEPS).astype(np.float32)


def quantised(membership: np.ndarray) -> np.ndarray:
    """Membership in steps of 1/200, uint8: q ≥ 200 α where and only where μ ≥ α in float32."""
    membership = np.asarray(membership, np.float32)
    steps = np.clip(membership * np.float32(STEPS), 0, STEPS).astype(np.uint8)
    # The product rounds; the thresholds decide.
    steps += membership >= _THRESHOLDS[steps.astype(np.intp) + 1]
    steps -= membership < _THRESHOLDS[steps]
    return steps


def level_of(alpha: float) -> int:
    """The step at which {μ ≥ α} begins, α rounded to 0.005 and held within the slider's ends."""
    return round(min(max(alpha, LOWEST), HIGHEST) * STEPS)


@dataclass(frozen=True, eq=False)
class Field:
    """The part of a result in which α can change anything.

    Args:
        grid: of the whole image as it was when the result came. Slicer mirrors left-handed images
            when it loads them, so the image's own grid may be another one later.
        box: the part of it that the arrays cover.
        membership: uint8 steps by region, each of the box's shape.
        territories: int32, the number of the lesion or candidate that may reach here, else 0.
        owners: int32, the lesion whose core is nearest wherever any membership is ≥ 0.05 and
            there is a lesion, else 0.
        region: the one in which the lesions were looked for.
    """

    grid: Grid
    box: Box
    membership: Mapping[str, np.ndarray]
    territories: np.ndarray
    owners: np.ndarray
    region: str

    @property
    def crop(self) -> Grid:
        """The grid of the arrays."""
        return self.grid.cropped(self.box)

    @property
    def regions(self) -> tuple[str, ...]:
        """The regions there are, innermost first."""
        return tuple(r for r in REGIONS if r in self.membership)

    def owner_arrays(self, region: str) -> tuple[np.ndarray, np.ndarray]:
        """Who may switch a voxel of ``region`` on: two numbers a voxel, either of them 0 or not.

        A voxel of the lesions' own region, or of one inside it, belongs to the territory alone.
        Outside it (WT around TC) it belongs to the nearest core, and to the territory as well:
        where that shows its core, the regions must stay nested.
        """
        if REGIONS.index(region) <= REGIONS.index(self.region):
            return self.territories, self.territories
        return self.owners, np.where(self.territories > 0, self.territories, self.owners)


def field_of(membership: Mapping[str, np.ndarray], lesions: LesionMap, grid: Grid) -> Field:
    """Crop a result to where its membership reaches 0.05, with a rim of one voxel.

    Args:
        membership: calibrated and nested, float32 ``(D, H, W)`` by assessable region.
        lesions: from ``find_lesions`` on it.
        grid: of the arrays.
    """
    outermost = [r for r in REGIONS if r in membership][-1]
    box = bounding_box(alpha_cut(membership[outermost], REACH))
    box = padded_box(box, (1, 1, 1), grid.shape) if box else (slice(0, 1),) * 3
    steps = {r: quantised(membership[r][box]) for r in REGIONS if r in membership}
    territories = np.ascontiguousarray(lesions.territories[box], np.int32)
    owners = _nearest(steps[outermost], steps[lesions.region], territories, lesions, grid)
    return Field(grid, box, steps, territories, owners, lesions.region)


def _nearest(
    outermost: np.ndarray,
    own_region: np.ndarray,
    territories: np.ndarray,
    lesions: LesionMap,
    grid: Grid,
) -> np.ndarray:
    """The lesion whose ½-core is nearest, wherever the outermost region reaches 0.05."""
    owners = np.zeros(territories.shape, np.int32)
    reached = outermost >= level_of(REACH)
    if not lesions.found:
        return owners
    if len(lesions.found) == 1:
        owners[reached] = lesions.found[0].number
        return owners
    # Candidates do not reach ½, so these are the lesions' cores alone.
    cores = np.where(own_region >= level_of(HALF), territories, 0)
    owners[:] = cores
    voxels = np.argwhere(reached & (cores == 0))
    if voxels.size:
        owners[tuple(voxels.T)] = nearest_core(cores, voxels, grid.spacing_mm)
    return owners


@dataclass
class Column:
    """Voxels that the same lesions own, from the lowest membership to the highest.

    Args:
        numbers: of the lesions; the voxels follow the lowest of their levels.
        voxels: flat indices into the crop.
        starts: for each level 0 … ``OFF``, how many voxels lie below it.
        level: at which the column is cut now.
    """

    numbers: tuple[int, ...]
    voxels: np.ndarray
    starts: np.ndarray
    level: int = OFF

    def move(self, level: int) -> tuple[np.ndarray, bool]:
        """Cut at another level: the voxels that change, and whether they are now in."""
        before, now = int(self.starts[self.level]), int(self.starts[level])
        self.level = level
        return self.voxels[min(before, now) : max(before, now)], now < before


def columns_of(parts: Field, region: str) -> tuple[Column, ...]:
    """The columns of one region: together every voxel ≥ 0.05 that a lesion or nobody owns."""
    steps = parts.membership[region].ravel()
    first, second = (owner.ravel() for owner in parts.owner_arrays(region))
    reached = steps >= level_of(REACH)
    if REGIONS.index(region) <= REGIONS.index(parts.region):
        reached &= first > 0  # what peaks below 0.2 is nobody's lesion
    voxels = np.flatnonzero(reached)
    width = int(max(first.max(initial=0), second.max(initial=0))) + 1
    keys = first[voxels].astype(np.int64) * width + second[voxels]
    order = np.argsort(keys * (STEPS + 1) + steps[voxels], kind="stable")
    voxels, keys = voxels[order], keys[order]
    edges = np.flatnonzero(np.diff(keys, prepend=-1, append=-1))
    columns = []
    for low, high in pairwise(edges):
        a, b = divmod(int(keys[low]), width)
        starts = np.searchsorted(steps[voxels[low:high]], np.arange(OFF + 1))
        columns.append(Column((a,) if a == b else (a, b), voxels[low:high], starts))
    return tuple(columns)


def levels_of(
    numbers: Iterable[int],
    candidates: Collection[int],
    hidden: Collection[int],
    alpha: float,
    alphas: Mapping[int, float],
) -> dict[int, int]:
    """The level at which each lesion is cut.

    An accepted candidate has no ½ surface: it is cut where it was measured, at 0.2, or at α if
    that is lower.

    Args:
        numbers: of all lesions and candidates.
        candidates: those that are candidates.
        hidden: those that are not shown.
        alpha: for all that are not in ``alphas``.
        alphas: a lesion's own α.
    """
    levels = {NOBODY: level_of(alpha)}
    for number in numbers:
        own = alphas.get(number, alpha)
        if number in candidates:
            own = min(own, CANDIDATE)
        levels[number] = OFF if number in hidden else level_of(own)
    return levels


@dataclass(eq=False)
class LiveCut:
    """The regions' masks at the present levels.

    Args:
        parts: what is cut.
        columns: by region.
        masks: flat uint8 by region.
    """

    parts: Field
    columns: Mapping[str, tuple[Column, ...]]
    masks: dict[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def of(cls, parts: Field) -> LiveCut:
        """All lesions off."""
        columns = {region: columns_of(parts, region) for region in parts.regions}
        size = parts.territories.size
        return cls(parts, columns, {r: np.zeros(size, np.uint8) for r in parts.regions})

    def move(
        self, levels: Mapping[int, int], frozen: Collection[int] = ()
    ) -> dict[str, np.ndarray]:
        """Cut every lesion at its level.

        Args:
            levels: by number, ``NOBODY`` among them.
            frozen: lesions that stay as they are; voxels that they share stay too.

        Returns:
            By region, the flat indices of the voxels that changed.
        """
        changed = {}
        for region, columns in self.columns.items():
            mask, touched = self.masks[region], []
            for column in columns:
                level = min(levels[n] for n in column.numbers)
                if level == column.level or not set(frozen).isdisjoint(column.numbers):
                    continue
                voxels, inside = column.move(level)
                mask[voxels] = inside
                touched.append(voxels)
            changed[region] = np.concatenate(touched) if touched else np.empty(0, np.intp)
        return changed

    def voxels_of(self, number: int, alone: bool = False) -> np.ndarray:
        """Flat indices of every voxel that a lesion may switch on, in any region, sorted.

        Args:
            number: of the lesion.
            alone: only those that no other lesion may switch on as well.
        """
        own = [
            column.voxels
            for region in self.parts.regions
            for column in self.columns[region]
            if column.numbers == (number,) or (number in column.numbers and not alone)
        ]
        return np.unique(np.concatenate(own)) if own else np.empty(0, np.intp)

    def owners_at(self, region: str, voxels: np.ndarray) -> set[int]:
        """The lesions that own any of these voxels of a region."""
        first, second = (owner.ravel() for owner in self.parts.owner_arrays(region))
        reached = self.parts.membership[region].ravel()[voxels] >= level_of(REACH)
        voxels = voxels[reached]
        found = np.union1d(np.unique(first[voxels]), np.unique(second[voxels]))
        return {int(n) for n in found} - {NOBODY}

    def shown(self, region: str, levels: Mapping[int, int]) -> np.ndarray:
        """Where a region's membership may be shown, int32 like the crop.

        Returns:
            The number of the lesion that shows the voxel, or −1 where it belongs to lesions that
            are not shown, or to none.
        """
        label = np.full(self.parts.territories.size, -1, np.int32)
        for column in self.columns[region]:
            on = [n for n in column.numbers if levels[n] < OFF]
            if on:
                label[column.voxels] = on[0]
        return label.reshape(self.parts.territories.shape)
