"""Which patch the network sees next: drawn from (seed, index) alone, small lesions more often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ParetoSegLib.core.labels import MODALITIES, REGIONS
from ParetoSegLib.core.seeds import derive_seed
from ParetoSegLib.method.emphasis import EmphasisSettings, lesion_emphasis
from ParetoSegLib.model.augmentation import QUANTA, AugmentationSettings, augment
from ParetoSegLib.model.cache import CachedCase

_ALL_ALIKE = EmphasisSettings()


@dataclass(frozen=True)
class SamplingSettings:
    """How patches are drawn.

    Args:
        lesion_share: share of patches that are centred near a lesion; the others lie anywhere
            in the head.
        small_lesion_power: a lesion of V voxels is drawn with weight V^-power; 0 draws every
            lesion alike.
        keep_all: share of samples that keep every sequence the case has.
        favourites: sequence sets drawn in ``favourite_share`` of the samples.
    """

    lesion_share: float = 0.7
    small_lesion_power: float = 0.2
    keep_all: float = 0.3
    favourite_share: float = 0.4
    favourites: tuple[str, ...] = ("t1c", "t1c+t2f", "t1n", "t2f")

    def __post_init__(self) -> None:
        for name in ("lesion_share", "keep_all", "favourite_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must lie between 0 and 1.")
        if self.keep_all + self.favourite_share > 1:
            raise ValueError("keep_all and favourite_share together exceed 1.")
        for pattern in self.favourites:
            if not pattern or not set(pattern.split("+")) <= set(MODALITIES):
                raise ValueError(f"favourites holds {pattern!r}, which is no set of sequences.")


@dataclass(frozen=True)
class Patch:
    """One training sample.

    Shapes: ``images (4, D, H, W)``, ``presence (4,)``, ``membership`` and ``emphasis``
    ``(3, D, H, W)``, ``labelled (3,)`` bool.
    """

    images: torch.Tensor
    presence: torch.Tensor
    membership: torch.Tensor
    emphasis: torch.Tensor
    labelled: torch.Tensor


def draw_patch(
    cases: Sequence[CachedCase],
    index: int,
    seed: int,
    size: tuple[int, int, int],
    sampling: SamplingSettings,
    augmentation: AugmentationSettings | None,
    emphasis: EmphasisSettings = _ALL_ALIKE,
) -> Patch:
    """Draw sample number ``index`` of a run; it depends on nothing but its arguments."""
    rng = np.random.default_rng(derive_seed(seed, "patch", index))
    # Rounds over shuffled cases, so that each is seen equally often.
    turn, place = divmod(index, len(cases))
    order = np.random.default_rng(derive_seed(seed, "order", turn)).permutation(len(cases))
    case = cases[int(order[place])]
    start = _corner(case, size, sampling, rng)
    images = torch.from_numpy(_cut(case.array("images"), start, size).astype(np.float32))
    counts = torch.from_numpy(_cut(case.array("membership"), start, size).astype(np.float32))
    membership = counts / QUANTA
    if augmentation is not None:
        draw = derive_seed(seed, "augmentation", index)
        images, membership = augment(images, membership, augmentation, draw)
    kept = draw_presence(case.presence, sampling, rng)
    presence = torch.tensor(kept)
    images = images * presence[:, None, None, None]
    labelled = torch.tensor(case.labelled)
    # Enhancement cannot be seen without contrast agent: nothing is to be learnt about it there.
    labelled[REGIONS.index("et")] &= presence[MODALITIES.index("t1c")]
    weights = torch.from_numpy(lesion_emphasis(membership.numpy(), emphasis))
    return Patch(images, presence.float(), membership, weights, labelled)


def draw_presence(
    present: Sequence[bool], sampling: SamplingSettings, rng: np.random.Generator
) -> tuple[bool, ...]:
    """Draw a non-empty subset of the sequences that a case has."""
    u = rng.random()
    if u < sampling.keep_all:
        return tuple(present)
    if u < sampling.keep_all + sampling.favourite_share and sampling.favourites:
        names = sampling.favourites[rng.integers(len(sampling.favourites))].split("+")
        kept = tuple(p and m in names for p, m in zip(present, MODALITIES, strict=True))
        if any(kept):
            return kept
    while True:
        kept = tuple(bool(p and rng.random() < 0.5) for p in present)
        if any(kept):
            return kept


def _corner(
    case: CachedCase,
    size: tuple[int, int, int],
    sampling: SamplingSettings,
    rng: np.random.Generator,
) -> tuple[int, int, int]:
    """First voxel of the patch; it may lie outside where the case is smaller than the patch."""
    shape = case.shape
    if case.lesions and rng.random() < sampling.lesion_share:
        weights = (
            np.array([le.voxels for le in case.lesions], float) ** -sampling.small_lesion_power
        )
        centre = case.lesions[rng.choice(len(case.lesions), p=weights / weights.sum())].centre
        # Anywhere in the middle half of the patch, so that the network learns no favourite place.
        shift = [int(rng.integers(-(s // 4), s // 4 + 1)) for s in size]
        centre = tuple(c + s for c, s in zip(centre, shift, strict=True))  # type: ignore[assignment]
    else:
        centre = tuple(int(rng.integers(n)) for n in shape)  # type: ignore[assignment]
    corner = []
    for c, s, n in zip(centre, size, shape, strict=True):
        corner.append((n - s) // 2 if n <= s else min(max(c - s // 2, 0), n - s))
    return corner[0], corner[1], corner[2]


def _cut(array: np.ndarray, start: Sequence[int], size: Sequence[int]) -> np.ndarray:
    """Copy ``array[:, start : start + size]``, zero where that lies outside."""
    patch = np.zeros((array.shape[0], *size), array.dtype)
    source, target = [slice(None)], [slice(None)]
    for first, length, n in zip(start, size, array.shape[1:], strict=True):
        low, high = max(first, 0), min(first + length, n)
        source.append(slice(low, high))
        target.append(slice(low - first, high - first))
    patch[tuple(target)] = array[tuple(source)]
    return patch
