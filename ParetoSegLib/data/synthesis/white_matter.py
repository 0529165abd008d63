"""What FLAIR shows in the white matter of people without a tumour: caps, plaques, old strokes."""

from __future__ import annotations

import numpy as np

from ParetoSegLib.core.geometry import bounding_box, distance_to, padded_box
from ParetoSegLib.data.synthesis.distractors import Brightness, Distractor
from ParetoSegLib.data.synthesis.fields import SmoothField, stretched
from ParetoSegLib.data.synthesis.tissues import BRAIN, Tissue, belongs


def draw_white_matter(
    rng: np.random.Generator, tissues: np.ndarray, spacing_mm: tuple[float, float, float]
) -> list[Distractor]:
    """Draw periventricular caps (three heads in four) and up to 40 spots in the white matter."""
    found = [_caps(rng, tissues, spacing_mm)] if rng.random() < 0.75 else []
    count = int(np.exp(rng.uniform(0, np.log(40)))) if rng.random() < 0.75 else 0
    spots = np.flatnonzero(tissues == Tissue.WHITE)
    if len(spots):
        found += [_plaque(rng, tissues, spots, spacing_mm) for _ in range(count)]
    return [change for change in found if change is not None]


def _brightness(wet: float, shine: float, hole: float = 0.0) -> Brightness:
    """Of water in white matter; ``hole`` is the share of the way from there to fluid on T1."""

    def dark(a: object) -> float:
        white, grey, fluid = a.white, a.grey, a.fluid  # type: ignore[attr-defined]
        return float(white + wet * (grey - white) * 1.1 + hole * (fluid - grey))

    return {
        "t1n": dark,
        "t1c": dark,
        "t2w": lambda a: a.white + wet * 0.6 * (a.fluid - a.white),
        "t2f": lambda a: max(a.grey, a.white) * (1.05 + shine),
    }


def _caps(
    rng: np.random.Generator, tissues: np.ndarray, spacing_mm: tuple[float, float, float]
) -> Distractor | None:
    """A smooth bright lining of the ventricles, thickest where the field says."""
    ventricle = tissues == Tissue.VENTRICLE
    box = bounding_box(ventricle)
    if box is None:
        return None
    reach = float(np.exp(rng.uniform(np.log(1.2), np.log(7.0))))
    pad = [int(np.ceil(2.2 * reach / s)) + 2 for s in spacing_mm]
    box = padded_box(box, (pad[0], pad[1], pad[2]), tissues.shape)
    part = ventricle[box]
    step = 2 if part.size > 60_000 else 1
    coarse_mm = (spacing_mm[0] * step, spacing_mm[1] * step, spacing_mm[2] * step)
    coarse = part[::step, ::step, ::step]
    if not coarse.any():
        return None
    distance = stretched(distance_to(coarse, coarse_mm).astype(np.float32), step, part.shape)
    wavy = SmoothField.draw(rng, 11.0).on_grid(tissues.shape, spacing_mm, box)
    wavy *= 0.8
    wavy += rng.uniform(0.1, 1.0)
    np.clip(wavy, 0, 2.2, out=wavy)
    share = np.clip((reach * wavy - distance) / max(1.0, 0.5 * reach) + 0.3, 0, 1)
    share *= (tissues[box] == Tissue.WHITE) & (wavy > 0)
    index = np.argwhere(share > 0.02)
    if not len(index):
        return None
    whole = index + np.array([s.start for s in box])
    where = np.ravel_multi_index(tuple(whole.T), tissues.shape)
    values = share[tuple(index.T)] * np.float32(rng.uniform(0.5, 1.0))
    brightness = _brightness(rng.uniform(0.1, 0.5), rng.uniform(0.05, 0.55))
    return Distractor("cap", where, values.astype(np.float32), brightness)


def _plaque(
    rng: np.random.Generator,
    tissues: np.ndarray,
    spots: np.ndarray,
    spacing_mm: tuple[float, float, float],
) -> Distractor | None:
    """A demyelinating or vascular spot in white matter: bright on FLAIR, no enhancement."""
    centre = np.array(np.unravel_index(int(rng.choice(spots)), tissues.shape), float)
    spacing = np.array(spacing_mm)
    radius = float(np.exp(rng.uniform(np.log(0.8), np.log(8.0))))
    stretch = np.exp(rng.normal(0, 0.35, 3))
    reach = np.ceil(1.8 * radius * stretch.max() / spacing).astype(int) + 1
    low = np.maximum(centre.astype(int) - reach, 0)
    high = np.minimum(centre.astype(int) + reach + 1, tissues.shape)
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    index = np.stack(np.meshgrid(*[np.arange(s.start, s.stop) for s in box], indexing="ij"), -1)
    offset = (index - centre) * spacing
    bump = SmoothField.draw(rng, radius).at(offset.astype(np.float32))
    depth = radius * (1 + 0.25 * bump) - np.linalg.norm(offset / stretch, axis=-1)
    share = np.clip(depth / rng.uniform(1.2, 2.5) + 0.5, 0, 1) * belongs(tissues[box], BRAIN)
    kept = share > 0.01
    if not kept.any():
        return None
    where = np.ravel_multi_index(tuple(index[kept].T), tissues.shape)
    wet = rng.uniform(0.1, 0.7)
    # A lacune: an old stroke's hollow is fluid, and dark on FLAIR.
    if rng.random() < 0.06:
        hollow: Brightness = dict.fromkeys(("t1n", "t1c", "t2w", "t2f"), lambda a: a.fluid)
        return Distractor("lacune", where, share[kept].astype(np.float32), hollow)
    # Old plaques are "black holes" on T1, with and without contrast agent.
    hole = rng.uniform(0.0, 0.45) if rng.random() < 0.4 else 0.0
    brightness = _brightness(wet, wet * rng.uniform(0.4, 1.1), hole)
    return Distractor("plaque", where, share[kept].astype(np.float32), brightness)
