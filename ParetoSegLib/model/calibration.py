"""From logits to membership that means what it says: a scale and a shift for each region.

A network that fits its labels perfectly shows the labels' own soft band, which encodes lesion
size, not doubt. So its logits are scaled and shifted until their sigmoid agrees with *hard* masks
on cases that neither training nor early stopping has seen (Platt 1999, one pair of numbers per
region and set of sequences).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
import torch

from ParetoSegLib.core.errors import ModelFolderError
from ParetoSegLib.core.geometry import grown
from ParetoSegLib.core.labels import MODALITIES, REGIONS, presence_key
from ParetoSegLib.core.seeds import derive_seed
from ParetoSegLib.measure.doubt import LEVELS, SLOPES, doubt_spots
from ParetoSegLib.method.fuzzy import nest
from ParetoSegLib.model.ranges import Number

Array = TypeVar("Array", np.ndarray, torch.Tensor)

ANY = "any"
"""Holds for every set of sequences that has no entry of its own."""

PRESENCE_KEYS = frozenset(
    presence_key(subset)
    for count in range(1, len(MODALITIES) + 1)
    for subset in combinations(MODALITIES, count)
)
"""The fifteen sets of sequences that a case can have."""

OUTSIDE_LOGIT = -15.0
"""Where no window looked: nothing there, whatever the calibration."""

DETECTION = (0.02, 0.98)
"""The range of detection levels; below ½ a level says something of smaller spots than typical."""

NO_DOUBT = (0.5, 0.0)
"""The level that every spot reaches."""

SCALES = (0.1, 10.0)
SHIFTS = (-10.0, 10.0)
STORED_SLOPES = (0.0, SLOPES[1] * SCALES[1])

FARTHEST_OUTSIDE = -6.0
"""Calibrated logit that an untouched voxel must stay below (membership 0.0025), or a shift fitted
for few sequences would raise the whole head above the possible surface."""

SHRINKAGE_CASES = 5.0
"""A set of sequences with so many cases lies half-way between its own fit and the region's."""

PRIOR_WEIGHT = 1e-3
"""Pull towards scale 1 and shift 0, in units of one positive voxel's cross-entropy: keeps the
fit finite where logits separate the classes perfectly."""

NEAR_VOXELS = 3
"""How far from a reference boundary voxels are calibrated, to either side."""


@dataclass(frozen=True)
class Calibration:
    """Scale and shift of the logits for each set of sequences and region.

    Args:
        values: presence key or ``"any"`` → region → (scale, shift); ``"any"`` has every region.
        detection: presence key → region → the membership that a spot of typical size must reach to
            be a lesion, and by how many logits less for each e-fold of its volume; ½, which every
            spot reaches, and 0 where there is none. As with ``values``, ``"any"`` holds for every
            set of sequences that has no entry of its own.

    Raises:
        ModelFolderError: unknown key, missing region, or a number out of range.
    """

    values: Mapping[str, Mapping[str, tuple[float, float]]]
    detection: Mapping[str, Mapping[str, tuple[float, float]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if set(self.values.get(ANY, {})) != set(REGIONS):
            raise ModelFolderError(
                f"The calibration needs an entry {ANY!r} with the regions {', '.join(REGIONS)}."
            )
        for key, regions in self.values.items():
            if key != ANY and key not in PRESENCE_KEYS:
                raise ModelFolderError(
                    f"The calibration names {key!r:.60}, which is no set of sequences; "
                    f"write one as in {'t1c+t2f'!r}."
                )
            for region, (scale, shift) in regions.items():
                _check_pair(f"The calibration of {region!s:.20} for {key}", region, scale, shift)
        for key, levels in self.detection.items():
            for region, (level, slope) in levels.items():
                if region not in self.values.get(key, {}):
                    raise ModelFolderError(
                        f"There is a detection level of {region!s:.20} for {key!s:.60} without a "
                        "calibration."
                    )
                Number(*DETECTION).check(f"The detection level of {region} for {key}", level)
                Number(*STORED_SLOPES).check(f"The slope of {region} for {key}", slope)

    @classmethod
    def identity(cls) -> Calibration:
        """Leaves every logit as it is."""
        return cls(MappingProxyType({ANY: MappingProxyType(dict.fromkeys(REGIONS, (1.0, 0.0)))}))

    def pair(self, key: str, region: str) -> tuple[float, float]:
        """Scale and shift of a region for a set of sequences."""
        return self.values.get(key, {}).get(region) or self.values[ANY][region]

    def level(self, key: str, region: str) -> tuple[float, float]:
        """What a spot of typical size must reach, and its slope; see ``measure/doubt.py``."""
        for own in (key, ANY):
            if region in self.values.get(own, {}):
                return self.detection.get(own, {}).get(region, NO_DOUBT)
        return NO_DOUBT

    def apply(self, logits: Array, key: str) -> Array:
        """Calibrated, nested membership.

        Args:
            logits: float32 ``(3, ...)`` in the order of ``REGIONS``, array or tensor.
            key: the case's set of sequences, from ``presence_key``.

        Returns:
            σ(scale · logit + shift), nested so that ET ≤ TC ≤ WT, of the same kind, float32.
        """
        pairs = [self.pair(key, region) for region in REGIONS]
        values = torch.as_tensor(logits, dtype=torch.float32)
        column = torch.tensor(pairs, dtype=torch.float32, device=values.device)
        column = column.reshape(len(REGIONS), 2, *[1] * (values.ndim - 1))
        membership = torch.sigmoid(values * column[:, 0] + column[:, 1])
        if isinstance(logits, torch.Tensor):
            return nest(membership)
        return nest(membership.numpy())

    def settle(self, membership: np.ndarray, key: str, voxel_mm3: float) -> np.ndarray:
        """Hold spots that peak too low for a lesion below ½, in place; see ``doubt_spots``.

        The core decides for the others: what is doubted as core is not enhancing tumour either,
        and where a core is kept, the whole tumour holds it.

        Args:
            membership: float32 ``(3, D, H, W)`` from ``apply``, of the whole case.
            key: the case's set of sequences.
            voxel_mm3: volume of a voxel.

        Returns:
            ``membership``, still nested.
        """
        levels = [self.level(key, region) for region in REGIONS]
        if any(level != NO_DOUBT for level in levels):
            et, tc, wt = membership
            for (level, slope), values in zip(levels, membership, strict=True):
                doubt_spots(values, level, voxel_mm3, slope)
            np.minimum(et, tc, out=et)
            np.maximum(wt, tc, out=wt)
        return membership

    def with_peaks(
        self, logits: Mapping[tuple[str, str], float], slopes: Mapping[str, float] | None = None
    ) -> Calibration:
        """The same with detection levels: what these logits become, by key and region.

        Args:
            logits: from ``fit_peaks``.
            slopes: by region, from ``fit_slopes``, of uncalibrated logits.
        """
        detection: dict[str, dict[str, tuple[float, float]]] = {}
        for (key, region), logit in logits.items():
            scale, shift = self.pair(key, region)
            slope = min(scale * (slopes or {}).get(region, 0.0), STORED_SLOPES[1])
            level = 1 / (1 + math.exp(-(scale * logit + shift)))
            level = min(max(level, DETECTION[0]), DETECTION[1])
            if slope == 0.0:
                level = max(level, LEVELS[0])
            if (level, slope) != NO_DOUBT and region in self.values.get(key, {}):
                detection.setdefault(key, {})[region] = (level, slope)
        return replace(self, detection=detection)

    def to_json(self) -> dict[str, Any]:
        """Plain dicts and lists; ``from_json`` reads them back to an equal calibration."""
        return {
            key: {region: [*pair, *self._own_level(key, region)] for region, pair in own.items()}
            for key, own in self.values.items()
        }

    def _own_level(self, key: str, region: str) -> list[float]:
        levels = self.detection.get(key, {})
        if region not in levels:
            return []
        level, slope = levels[region]
        return [level, slope] if slope else [level]

    @classmethod
    def from_json(cls, tree: object) -> Calibration:
        """Read what ``to_json`` wrote, trusting nothing.

        Raises:
            ModelFolderError: not such a tree, or a number out of range.
        """
        if not isinstance(tree, dict) or not all(isinstance(v, dict) for v in tree.values()):
            raise ModelFolderError("The calibration must hold regions for each set of sequences.")
        values: dict[str, dict[str, tuple[float, float]]] = {}
        detection: dict[str, dict[str, tuple[float, float]]] = {}
        for key, regions in tree.items():
            values[key] = {}
            for region, numbers in regions.items():
                if not isinstance(numbers, list) or len(numbers) not in (2, 3, 4):
                    raise ModelFolderError(
                        f"The calibration of {region!s:.20} for {key!s:.60} must be two to four "
                        "numbers: scale, shift, a lesion's least peak, how that falls with size."
                    )
                values[key][region] = (numbers[0], numbers[1])
                if len(numbers) > 2:
                    slope = numbers[3] if len(numbers) == 4 else 0.0
                    detection.setdefault(key, {})[region] = (numbers[2], slope)
        return cls(values, detection)


def _check_pair(where: str, region: str, scale: object, shift: object) -> None:
    if region not in REGIONS:
        raise ModelFolderError(f"{where} names no region; there are {', '.join(REGIONS)}.")
    a = Number(*SCALES).check(f"{where}, its scale,", scale)
    b = Number(*SHIFTS).check(f"{where}, its shift,", shift)
    if a * OUTSIDE_LOGIT + b > FARTHEST_OUTSIDE + 1e-9:
        raise ModelFolderError(
            f"{where} has scale {a:g} and shift {b:g}, which would find tumour where nothing was "
            "looked at; fit it again."
        )


@dataclass(frozen=True)
class CalibrationSample:
    """Some voxels of one case and region, seen with one set of sequences.

    Args:
        key: from ``presence_key``.
        region: one of ``REGIONS``.
        logits: float ``(N,)``, uncalibrated.
        inside: bool ``(N,)``, the hard mask.
        weights: float ``(N,)``, how many voxels each one stands for.
    """

    key: str
    region: str
    logits: np.ndarray
    inside: np.ndarray
    weights: np.ndarray


def draw_samples(
    logits: np.ndarray,
    regions: Mapping[str, np.ndarray],
    mask: np.ndarray,
    key: str,
    seed: int,
    voxels: int = 20_000,
) -> list[CalibrationSample]:
    """Draw voxels of one case near the boundaries of its regions.

    Near is within three voxels of the hard mask's surface. What membership means is asked there and
    nowhere else: whether a far-off spot is a lesion at all is a matter of detection. Fitted to all
    voxels, false lesions in a few heads lowered the memberships of every true one.

    Args:
        logits: float32 ``(3, D, H, W)``.
        regions: hard masks ``(D, H, W)`` of the labelled regions; others get no sample.
        mask: bool ``(D, H, W)``, the brain or head.
        key: the set of sequences that the logits were made from.
        seed: of the drawing; equal seeds draw equal voxels.
        voxels: at most so many.
    """
    samples = []
    for channel, region in enumerate(REGIONS):
        if region not in regions:
            continue
        inside = np.asarray(regions[region], bool)
        near = grown(inside, NEAR_VOXELS) & grown(~inside, NEAR_VOXELS) & (mask | inside)
        members = np.flatnonzero(near)
        drawn = members
        if members.size > voxels:
            generator = np.random.default_rng(derive_seed(seed, key, region))
            drawn = np.sort(generator.choice(members, voxels, replace=False))
        samples.append(
            CalibrationSample(
                key,
                region,
                logits[channel].ravel()[drawn].astype(np.float32),
                inside.ravel()[drawn],
                np.full(drawn.size, members.size / max(1, drawn.size)),
            )
        )
    return samples


def fit_calibration(
    samples: Iterable[CalibrationSample], largest_move: float = math.inf
) -> Calibration:
    """Fit scale and shift of each region, then of each set of sequences, to hard masks.

    The region's pair (a_r, b_r) is fitted to all its samples. A set of sequences seen in n cases
    with tumour gets the pair of its own samples, shrunk towards the region's:
    log a = s · log a_k + (1 − s) · log a_r, b = s · b_k + (1 − s) · b_r, s = n / (n + 5).

    Args:
        samples: of all cases and sets of sequences.
        largest_move: how far the ½-surface may move, in the network's logits. Cases that are not
            like those a model is meant for should not decide which lesions it finds.

    Returns:
        The calibration; the identity for a region without any sample of tumour.
    """
    pooled: dict[str, list[CalibrationSample]] = {region: [] for region in REGIONS}
    by_key: dict[str, dict[str, list[CalibrationSample]]] = {}
    for sample in samples:
        pooled[sample.region].append(sample)
        by_key.setdefault(sample.key, {}).setdefault(sample.region, []).append(sample)
    values: dict[str, dict[str, tuple[float, float]]] = {ANY: {}}
    for region in REGIONS:
        values[ANY][region] = _kept_inside(*_fit(pooled[region], largest_move))
    for key in sorted(by_key):
        values[key] = {}
        for region, own in by_key[key].items():
            cases = sum(bool(sample.inside.any()) for sample in own)
            share = cases / (cases + SHRINKAGE_CASES)
            scale, shift = _fit(own, largest_move)
            scale_r, shift_r = values[ANY][region]
            scale = math.exp(share * math.log(scale) + (1 - share) * math.log(scale_r))
            values[key][region] = _kept_inside(scale, share * shift + (1 - share) * shift_r)
    return Calibration(values)


def _fit(samples: Sequence[CalibrationSample], largest_move: float) -> tuple[float, float]:
    if not samples:
        return 1.0, 0.0
    logits, inside, weights = (
        np.concatenate([getattr(s, name) for s in samples])
        for name in ("logits", "inside", "weights")
    )
    scale, shift = fit_scale_and_shift(logits, inside, weights)
    if abs(shift) <= largest_move * scale:
        return scale, shift
    # The logit that becomes ½ is held where it may just go, and the scale is fitted again.
    half = -math.copysign(largest_move, shift)
    scale, _ = fit_scale_and_shift(logits - half, inside, weights, shifts=(0.0, 0.0))
    return scale, -half * scale


def fit_scale_and_shift(
    logits: np.ndarray,
    inside: np.ndarray,
    weights: np.ndarray,
    shifts: tuple[float, float] = SHIFTS,
) -> tuple[float, float]:
    """The (scale, shift) that minimise weighted cross-entropy, by Newton's method.

    Minimises Σ w · BCE(a x + b, y) / Σ w y + λ/2 ((a − 1)² + b²) with λ = ``PRIOR_WEIGHT``, which
    is convex, over scales in ``SCALES`` and the given shifts. Without both classes the answer
    is (1, 0): there is nothing to learn from.
    """
    x = np.clip(np.asarray(logits, np.float64), -50.0, 50.0)
    y = np.asarray(inside, np.float64)
    w = np.asarray(weights, np.float64)
    positives = float((w * y).sum())
    if positives <= 0.0 or float((w * (1 - y)).sum()) <= 0.0:
        return 1.0, 0.0
    w = w / positives
    design = np.stack([x, np.ones_like(x)])
    start = np.array([1.0, 0.0])
    low, high = np.array([SCALES, shifts]).T

    def objective(at: np.ndarray) -> float:
        z = at @ design
        entropy = np.logaddexp(0.0, z) - y * z
        return float(w @ entropy) + 0.5 * PRIOR_WEIGHT * float(((at - start) ** 2).sum())

    at, value = start, objective(start)
    for _ in range(100):
        p = 1.0 / (1.0 + np.exp(-np.clip(at @ design, -500, 500)))
        gradient = design @ (w * (p - y)) + PRIOR_WEIGHT * (at - start)
        # A bound that the gradient pushes against is held; the other number moves alone.
        held = ((at <= low) & (gradient > 0)) | ((at >= high) & (gradient < 0))
        gradient[held] = 0.0
        if np.abs(gradient).max() < 1e-9:
            break
        hessian = (design * (w * p * (1 - p))) @ design.T + PRIOR_WEIGHT * np.eye(2)
        hessian[held, :] = hessian[:, held] = 0.0
        hessian[held, held] = 1.0
        step = np.linalg.solve(hessian, gradient)
        length = 1.0
        while length > 1e-8:
            trial = np.clip(at - length * step, low, high)
            trial_value = objective(trial)
            if trial_value < value:
                break
            length /= 2
        else:
            break
        at, value = trial, trial_value
    return float(at[0]), float(at[1])


def _kept_inside(scale: float, shift: float) -> tuple[float, float]:
    """Raise the scale where voxels that no window looked at would be lifted.

    Lowering the shift instead would move the ½-surface, and with it every lesion.
    """
    return max(scale, (shift - FARTHEST_OUTSIDE) / -OUTSIDE_LOGIT), shift
