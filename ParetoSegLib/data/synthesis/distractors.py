"""What looks like a metastasis and is none: vessels, choroid plexus, dura, plaques."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ParetoSegLib.core.geometry import Box, bounding_box, distance_to
from ParetoSegLib.data.synthesis.contrast import Anchors
from ParetoSegLib.data.synthesis.fields import SmoothField
from ParetoSegLib.data.synthesis.tissues import BRAIN, Tissue, belongs


@dataclass(frozen=True)
class Distractor:
    """A structure that is painted over a head and belongs to no region.

    Args:
        kind: ``"vessel"``, ``"choroid plexus"``, ``"dura"`` or ``"plaque"``.
        box: where it is.
        share: how much of each voxel of the box it fills, float32 in [0, 1].
        brightness: for each modality its value, a function of that modality's anchors.
    """

    kind: str
    box: Box
    share: np.ndarray
    brightness: Mapping[str, Callable[[Anchors], float]]

    def paint(self, images: Mapping[str, np.ndarray], anchors: Mapping[str, Anchors]) -> None:
        """Mix it into images, in place, by its share of each voxel."""
        for modality, value in self.brightness.items():
            if modality in images:
                part = images[modality][self.box]
                part += self.share * (np.float32(value(anchors[modality])) - part)


def draw_distractors(
    rng: np.random.Generator, tissues: np.ndarray, spacing_mm: tuple[float, float, float]
) -> list[Distractor]:
    """Draw a patient's distractors; each kind appears where its tissue exists."""
    found = [
        _vessels(rng, tissues, spacing_mm, Tissue.CSF, int(rng.integers(8, 40)), (0.5, 1.2)),
        # Medullary veins: hair-thin, through white matter, most visible on good scanners.
        _vessels(rng, tissues, spacing_mm, Tissue.WHITE, int(rng.integers(0, 14)), (0.25, 0.6)),
        _choroid(rng, tissues, spacing_mm),
        _dura(rng, tissues, spacing_mm),
    ]
    found += [_plaque(rng, tissues, spacing_mm) for _ in range(int(rng.integers(0, 9)))]
    return [distractor for distractor in found if distractor is not None]


def _tight(
    kind: str, share: np.ndarray, brightness: Mapping[str, Callable[[Anchors], float]]
) -> Distractor | None:
    """A distractor in the smallest box that holds it; ``None`` if nothing of it is there."""
    box = bounding_box(share > 0)
    return None if box is None else Distractor(kind, box, share[box], brightness)


def _walk(
    rng: np.random.Generator, inside: np.ndarray, length: int, stiffness: float
) -> np.ndarray:
    """A meandering path of voxel positions ``(N, 3)`` that prefers to stay ``inside``."""
    starts = np.flatnonzero(inside)
    place = np.array(np.unravel_index(int(rng.choice(starts)), inside.shape), float)
    heading = rng.standard_normal(3)
    heading /= np.linalg.norm(heading)
    limit = np.array(inside.shape) - 1
    path = [place]
    for _ in range(length):
        turns = heading[None] * stiffness + rng.standard_normal((8, 3))
        turns /= np.linalg.norm(turns, axis=1, keepdims=True)
        ahead = np.clip(place + 2.0 * turns, 0, limit)
        fits = inside[tuple(np.rint(ahead).astype(int).T)]
        if not fits.any():
            break
        heading = turns[int(np.argmax(fits))]
        place = np.clip(place + 0.5 * heading, 0, limit)
        path.append(place)
    return np.array(path)


def _tube(
    shape: tuple[int, ...], spacing_mm: tuple[float, ...], path: np.ndarray, radius_mm: np.ndarray
) -> tuple[Box, np.ndarray]:
    """Share of voxels inside a tube along ``path`` with a radius at each of its points."""
    reach = np.ceil(radius_mm.max() / np.array(spacing_mm)).astype(int) + 1
    low = np.maximum(np.floor(path.min(axis=0)).astype(int) - reach, 0)
    high = np.minimum(np.ceil(path.max(axis=0)).astype(int) + reach + 1, shape)
    share = np.zeros(high - low, np.float32)
    steps = [np.arange(-r, r + 1) for r in reach]
    offsets = np.stack(np.meshgrid(*steps, indexing="ij"), -1).reshape(-1, 3)
    voxels = np.rint(path).astype(int)[:, None] + offsets[None]
    distance = np.linalg.norm((voxels - path[:, None]) * np.array(spacing_mm), axis=2)
    # A tube thinner than a voxel cannot fill it: its share falls with its cross-section.
    step = float(np.mean(spacing_mm))
    peak = np.minimum(1.0, np.pi * radius_mm**2 / step**2)[:, None]
    value = peak * np.clip(
        (np.maximum(radius_mm, 0.5 * step)[:, None] - distance) / step + 0.5, 0, 1
    )
    ok = ((voxels >= low) & (voxels < high)).all(axis=2)
    np.maximum.at(share, tuple((voxels - low)[ok].T), value[ok].astype(np.float32))
    sides = [slice(int(a), int(b)) for a, b in zip(low, high, strict=True)]
    return (sides[0], sides[1], sides[2]), share


def _vessels(
    rng: np.random.Generator,
    tissues: np.ndarray,
    spacing_mm: tuple[float, float, float],
    home: Tissue,
    count: int,
    radii_mm: tuple[float, float],
) -> Distractor | None:
    inside = tissues == home
    if not inside.any() or count == 0:
        return None
    total = np.zeros(tissues.shape, np.float32)
    for _ in range(count):
        path = _walk(rng, inside, int(rng.integers(30, 140)), stiffness=2.5)
        if len(path) < 8:
            continue
        thick = rng.uniform(*radii_mm) * np.linspace(1.0, 0.6, len(path))
        box, share = _tube(tissues.shape, spacing_mm, path, thick)
        np.maximum(total[box], share, out=total[box])
    total *= tissues != Tissue.AIR
    gain = rng.uniform(0.35, 0.9)
    return _tight(
        "vessel",
        total,
        {
            "t1n": lambda a: a.grey * 0.9,
            "t1c": lambda a: a.white * (1 + gain),
            "t2w": lambda a: a.white * 0.6,
            "t2f": lambda a: a.white * 0.6,
        },
    )


def _choroid(
    rng: np.random.Generator, tissues: np.ndarray, spacing_mm: tuple[float, float, float]
) -> Distractor | None:
    inside = tissues == Tissue.VENTRICLE
    if int(inside.sum()) < 60:
        return None
    total = np.zeros(tissues.shape, np.float32)
    for _ in range(int(rng.integers(2, 6))):
        path = _walk(rng, inside, int(rng.integers(20, 60)), stiffness=1.2)
        if len(path) < 8:
            continue
        thick = rng.uniform(0.6, 1.8) * (
            1 + 0.5 * np.sin(np.linspace(0, rng.uniform(6, 20), len(path)))
        )
        box, share = _tube(tissues.shape, spacing_mm, path, np.maximum(thick, 0.4))
        np.maximum(total[box], share, out=total[box])
    total *= inside
    gain, wet = rng.uniform(0.2, 0.9), rng.uniform(0.2, 0.7)
    return _tight(
        "choroid plexus",
        total,
        {
            "t1n": lambda a: a.grey * 0.85,
            "t1c": lambda a: a.white * (1 + gain),
            "t2w": lambda a: a.grey + wet * (a.fluid - a.grey),
            "t2f": lambda a: a.grey * (0.6 + 0.5 * wet),
        },
    )


def _dura(
    rng: np.random.Generator, tissues: np.ndarray, spacing_mm: tuple[float, float, float]
) -> Distractor | None:
    """A patchy, thin, enhancing sheet where CSF meets the skull; brain extraction takes it off."""
    csf = tissues == Tissue.CSF
    outside = (tissues == Tissue.BONE) | (tissues == Tissue.MARROW)
    if not csf.any() or not outside.any():
        return None
    distance = distance_to(outside, spacing_mm).astype(np.float32)
    step = float(np.mean(spacing_mm))
    thickness = rng.uniform(0.3, 1.0)
    share = np.clip((thickness + 0.9 * step - distance) / step, 0, 1) * csf
    patches = SmoothField.draw(rng, 14.0).on_grid(tissues.shape, spacing_mm)
    share *= np.clip(0.45 + 0.35 * patches, 0.0, 1.0)
    gain = rng.uniform(0.05, 0.6)
    return _tight(
        "dura",
        share.astype(np.float32),
        {
            "t1n": lambda a: a.grey * 0.8,
            "t1c": lambda a: a.white * (1 + gain),
            "t2w": lambda a: a.white * 0.7,
            "t2f": lambda a: a.white * 0.8,
        },
    )


def _plaque(
    rng: np.random.Generator, tissues: np.ndarray, spacing_mm: tuple[float, float, float]
) -> Distractor | None:
    """A demyelinating or vascular spot in white matter: bright on FLAIR, no enhancement."""
    spots = np.flatnonzero(tissues == Tissue.WHITE)
    if not spots.size:
        return None
    centre = np.array(np.unravel_index(int(rng.choice(spots)), tissues.shape), float)
    spacing = np.array(spacing_mm)
    radius = float(np.exp(rng.uniform(np.log(1.0), np.log(5.0))))
    stretch = np.exp(rng.normal(0, 0.3, 3))
    reach = np.ceil(1.8 * radius * stretch.max() / spacing).astype(int) + 1
    low = np.maximum(centre.astype(int) - reach, 0)
    high = np.minimum(centre.astype(int) + reach + 1, tissues.shape)
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    index = np.stack(np.meshgrid(*[np.arange(s.start, s.stop) for s in box], indexing="ij"), -1)
    offset = (index - centre) * spacing
    bump = SmoothField.draw(rng, radius).at(offset.astype(np.float32))
    depth = radius * (1 + 0.15 * bump) - np.linalg.norm(offset / stretch, axis=-1)
    share = np.clip(depth / 1.5 + 0.5, 0, 1) * belongs(tissues[box], BRAIN)
    wet = rng.uniform(0.15, 0.6)
    return Distractor(
        "plaque",
        (box[0], box[1], box[2]),
        share.astype(np.float32),
        {
            "t1n": lambda a: a.white + wet * (a.grey - a.white) * 1.1,
            "t1c": lambda a: a.white + wet * (a.grey - a.white) * 1.1,
            "t2w": lambda a: a.white + wet * 0.6 * (a.fluid - a.white),
            "t2f": lambda a: a.grey * (1.05 + 0.7 * wet),
        },
    )
