"""How a patient's lesions changed between two aligned scans, and the category of the response.

Source: Lin et al., Response assessment criteria for brain metastases, Lancet Oncol 2015;16:e270.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ParetoSegLib.core.geometry import distance_to, padded_box
from ParetoSegLib.measure.casewise import check_pair
from ParetoSegLib.measure.clinical import MeasuredLesion, measure_components, targets
from ParetoSegLib.measure.lesionwise import LabelledComponents, label_components

SHRINKS, GROWS, GROWS_MM = -0.30, 0.20, 5.0
"""Partial response; progression relative to the smallest sum, with a lesion grown by so much."""

REACH_MM = 3.0
"""Lesions of two aligned scans are the same one if they come this close."""

RULE = (
    "two aligned scans, lesions are the same if their masks come within 3 mm; targets are those of "
    "the baseline, a lesion that is gone counts 0 mm; PD: sum ≥ +20 % over the smallest sum so far "
    "with a target grown by ≥ 5 mm, or a new lesion; CR: all targets gone; PR: sum ≤ −30 % from "
    "baseline; else SD; n/a without a target and without a new lesion"
)


@dataclass(frozen=True)
class LesionChange:
    """One lesion of the baseline at the later scan.

    Args:
        baseline: as it was.
        later: the lesions it became: none if it is gone, several if it fell apart.
        target: whether it is followed.
        longest_mm: its longest diameter now: the largest of its parts, 0 if it is gone.
    """

    baseline: MeasuredLesion
    later: tuple[MeasuredLesion, ...]
    target: bool

    @property
    def longest_mm(self) -> float:
        """The largest part's longest diameter; 0 if it is gone."""
        return max((lesion.longest_mm for lesion in self.later), default=0.0)

    @property
    def change_mm(self) -> float:
        """Longest diameter now minus at baseline."""
        return self.longest_mm - self.baseline.longest_mm

    @property
    def volume_change_cc(self) -> float:
        """Volume of all parts now minus at baseline."""
        return sum(lesion.volume_cc for lesion in self.later) - self.baseline.volume_cc


@dataclass(frozen=True)
class Response:
    """Two time points compared; see ``RULE``.

    Args:
        changes: one for each lesion of the baseline.
        new: lesions of the later scan that no baseline lesion is near.
        baseline_sum_mm, later_sum_mm: of the targets' longest diameters.
        relative_change: of the sum from baseline; ``None`` without targets.
        category: ``CR``, ``PR``, ``SD``, ``PD`` or ``n/a``.
    """

    changes: tuple[LesionChange, ...]
    new: tuple[MeasuredLesion, ...]
    baseline_sum_mm: float
    later_sum_mm: float
    relative_change: float | None
    category: str


def compare_time_points(
    baseline: np.ndarray,
    later: np.ndarray,
    spacing_mm: tuple[float, float, float],
    smallest_sum_mm: float | None = None,
    smallest_longest_mm: Sequence[float] | None = None,
    reach_mm: float = REACH_MM,
) -> Response:
    """Follow the lesions of one patient from one scan to another on the same, aligned grid.

    Args:
        baseline: boolean ``(D, H, W)``, D the axial axis.
        later: boolean ``(D, H, W)``.
        spacing_mm: voxel size.
        smallest_sum_mm: smallest sum of the same targets between the two scans, if it is smaller
            than at baseline: progression is measured from there.
        smallest_longest_mm: each baseline lesion's smallest longest diameter so far, in the order
            of ``changes``; by default that of the baseline.
        reach_mm: lesions that come this close are the same.

    Raises:
        ValueError: the masks do not fit together, or ``smallest_longest_mm`` the lesions.
    """
    check_pair(baseline, later)
    before, after = label_components(baseline), label_components(later)
    old, now = measure_components(before, spacing_mm), measure_components(after, spacing_mm)
    followed = {lesion.number for lesion in targets(old)}
    near = [
        _near(before, number, after, spacing_mm, reach_mm) for number in range(1, before.count + 1)
    ]
    owner = _owners(near)
    changes = tuple(
        LesionChange(
            lesion,
            tuple(one for one in now if owner.get(one.number) == lesion.number),
            lesion.number in followed,
        )
        for lesion in old
    )
    if smallest_longest_mm is not None and len(smallest_longest_mm) != len(changes):
        raise ValueError(f"{len(smallest_longest_mm)} diameters for {len(changes)} lesions")
    touched = {number for distances in near for number in distances}
    new = tuple(lesion for lesion in now if lesion.number not in touched)
    first = sum(c.baseline.longest_mm for c in changes if c.target)
    second = sum(c.longest_mm for c in changes if c.target)
    lowest = first if smallest_sum_mm is None else min(first, smallest_sum_mm)
    lows = smallest_longest_mm or [c.baseline.longest_mm for c in changes]
    growths = [c.longest_mm - low for c, low in zip(changes, lows, strict=True) if c.target]
    return Response(
        changes=changes,
        new=new,
        baseline_sum_mm=float(first),
        later_sum_mm=float(second),
        relative_change=float(second / first - 1) if first else None,
        category=categorise(first, second, lowest, max(growths, default=0.0), bool(new)),
    )


def categorise(
    baseline_sum_mm: float,
    sum_mm: float,
    smallest_sum_mm: float,
    largest_growth_mm: float,
    new_lesions: bool,
) -> str:
    """The category of ``RULE``.

    Args:
        baseline_sum_mm: sum of the targets' longest diameters at baseline; 0 = no target.
        sum_mm: now.
        smallest_sum_mm: the smallest so far, baseline included.
        largest_growth_mm: of a single target, from its own smallest.
        new_lesions: whether there are any.
    """
    slack = 1e-6
    if new_lesions:
        return "PD"
    if baseline_sum_mm == 0:
        return "n/a"
    grown = sum_mm >= smallest_sum_mm * (1 + GROWS) - slack
    if grown and largest_growth_mm >= GROWS_MM - slack:
        return "PD"
    if sum_mm == 0:
        return "CR"
    if sum_mm <= baseline_sum_mm * (1 + SHRINKS) + slack:
        return "PR"
    return "SD"


def _near(
    before: LabelledComponents,
    number: int,
    after: LabelledComponents,
    spacing_mm: tuple[float, float, float],
    reach_mm: float,
) -> dict[int, tuple[float, int]]:
    """Later lesions within reach of a baseline lesion: their distance and minus their overlap."""
    d, h, w = (int(np.ceil(reach_mm / s)) + 1 for s in spacing_mm)
    box = padded_box(before.boxes[number - 1], (d, h, w), before.labels.shape)
    lesion, others = before.labels[box] == number, after.labels[box]
    if not others.any():
        return {}
    distance = distance_to(lesion, spacing_mm)
    near: dict[int, tuple[float, int]] = {}
    for other in np.unique(others[(others > 0) & (distance <= reach_mm + 1e-5)]).tolist():
        voxels = others == other
        near[other] = (float(distance[voxels].min()), -int((voxels & lesion).sum()))
    return near


def _owners(near: Sequence[dict[int, tuple[float, int]]]) -> dict[int, int]:
    """The baseline lesion that each later lesion belongs to: the nearest, then most overlapping."""
    owner: dict[int, tuple[float, int, int]] = {}
    for number, reached in enumerate(near, start=1):
        for later, (distance, minus_overlap) in reached.items():
            claim = (distance, minus_overlap, number)
            owner[later] = min(owner.get(later, claim), claim)
    return {later: number for later, (_, _, number) in owner.items()}
