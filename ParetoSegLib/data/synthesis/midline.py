"""Choroid plexus, pituitary and pineal gland, and the fluid that flows past them."""

from __future__ import annotations

import numpy as np

from ParetoSegLib.core.geometry import face_voxels
from ParetoSegLib.data.synthesis.distractors import Brightness, Distractor
from ParetoSegLib.data.synthesis.fields import SmoothField
from ParetoSegLib.data.synthesis.landmarks import Frame
from ParetoSegLib.data.synthesis.tissues import FLUID, Tissue, belongs
from ParetoSegLib.data.synthesis.tubes import tube, walks
from ParetoSegLib.data.synthesis.vessels import merged

_ATRIA = ((25, -42, 8), (-25, -42, 8))
_BODIES = ((11, -12, 17), (-11, -12, 17), (15, -28, 16), (-15, -28, 16), (0, -15, 6))
_FOURTH = ((0, -42, -36), (12, -36, -40), (-12, -36, -40))
_CISTERNS = ((0, -8, -18), (0, -35, -5), (0, -42, -36), (0, -10, 2), (8, -2, 10), (0, -30, -45))


def draw_choroid(rng: np.random.Generator, tissues: np.ndarray, frame: Frame) -> list[Distractor]:
    """Draw the choroid plexus: glomera in the atria, strands along the ventricles' floor."""
    room = (tissues == Tissue.VENTRICLE) | (tissues == Tissue.CHOROID)
    spots = np.argwhere(room)
    if len(spots) < 60:
        return []
    spacing = np.array(frame.spacing_mm)
    walls = np.argwhere(face_voxels(room)[0])
    labelled = np.flatnonzero(tissues == Tissue.CHOROID)
    paths, radii = [], []
    atria = frame.voxels(np.array(_ATRIA, float))
    for home, lobes, thick in ((_ATRIA, 3, 2.6), (_BODIES, 2, 1.1), (_FOURTH, 1, 1.2)):
        for number, place in enumerate(frame.voxels(np.array(home, float))):
            pool = walls if rng.random() < 0.7 else spots
            away = (((pool - place) * spacing) ** 2).sum(axis=1)
            near = np.flatnonzero(away < (9.0 if home is _BODIES else 14.0) ** 2)
            if not len(near):
                continue
            starts = pool[rng.choice(near, lobes)]
            # Strands run along the floor towards the atrium of their side.
            course = np.repeat((atria[number % 2] - place)[None], lobes, axis=0)
            course /= np.linalg.norm(course, axis=1, keepdims=True) + 1.0
            for path in walks(rng, room, starts, int(rng.integers(12, 50)), 1.2, course):
                beads = 1 + 0.4 * np.sin(np.linspace(0, rng.uniform(6, 20), len(path)))
                paths.append(path)
                radii.append(thick * frame.scale * rng.uniform(0.35, 1.1) * beads)
    parts = (labelled, np.full(len(labelled), 0.75, np.float32))
    if paths:
        strands = tube(
            tissues.shape, frame.spacing_mm, np.concatenate(paths), np.concatenate(radii)
        )
        parts = merged(parts, strands)
    where, share = parts
    kept = room.reshape(-1)[where]
    where, share = where[kept], share[kept]
    if not len(where):
        return []
    points = np.stack(np.unravel_index(where, tissues.shape), axis=1) * spacing
    grain = 1 + 0.15 * SmoothField.draw(rng, 2.0, modes=48).at(points)
    gain, wet = np.exp(rng.uniform(np.log(0.1), np.log(2.0))), rng.uniform(0.1, 0.7)
    shine = rng.uniform(0.5, 1.25)
    brightness: Brightness = {
        "t1n": lambda a: a.grey * 0.9,
        "t1c": lambda a: a.white * (0.9 + gain),
        "t2w": lambda a: a.grey + wet * (a.fluid - a.grey),
        "t2f": lambda a: a.grey * shine,
    }
    return [Distractor("choroid plexus", where, share, brightness, grain.astype(np.float32))]


def draw_glands(rng: np.random.Generator, tissues: np.ndarray, frame: Frame) -> list[Distractor]:
    """Draw pituitary gland with its stalk, and pineal gland: small, round and enhancing."""
    size = frame.scale
    wide = rng.uniform(3.0, 6.0) * size
    stalk = frame.voxels(np.array([[0, 3, -14], [0, 1, -29]]) + rng.normal(0, 1, 3))
    bar = frame.voxels(np.array([[-4, 1, -31], [4, 1, -31]]) + rng.normal(0, 1, 3))
    pituitary = np.concatenate([_line(stalk, 24), _line(bar, 9)])
    thick = np.concatenate([np.full(24, 1.2 * size), np.full(9, wide * 0.7)])
    pineal = _line(frame.voxels(np.array([[0, -28, 2], [0, -32, 0]]) + rng.normal(0, 1.2, 3)), 7)
    found = [
        _gland(tissues, frame, pituitary, thick, rng.uniform(0.3, 1.6)),
        _gland(tissues, frame, pineal, np.full(7, rng.uniform(1.5, 4) * size), rng.uniform(0, 1.5)),
    ]
    return [gland for gland in found if len(gland.where)]


def _line(ends: np.ndarray, count: int) -> np.ndarray:
    """Points ``(count, 3)`` from the first to the second of two ends."""
    part = np.linspace(0, 1, count)[:, None]
    return np.asarray(ends[0] + part * (ends[1] - ends[0]))


def _gland(
    tissues: np.ndarray, frame: Frame, path: np.ndarray, radius_mm: np.ndarray, gain: float
) -> Distractor:
    where, share = tube(tissues.shape, frame.spacing_mm, path, radius_mm)
    brightness: Brightness = {
        "t1n": lambda a: a.grey * 1.02,
        "t1c": lambda a: a.white * (0.85 + gain),
        "t2w": lambda a: a.grey,
        "t2f": lambda a: a.grey,
    }
    return Distractor("gland", where, share, brightness)


def draw_flow(rng: np.random.Generator, tissues: np.ndarray, frame: Frame) -> list[Distractor]:
    """Fluid that moves: bright clouds on FLAIR and dark ones on T2 in ventricles and cisterns."""
    if rng.random() < 0.35:
        return []
    fluid = np.flatnonzero(belongs(tissues, FLUID))
    if not len(fluid):
        return []
    spacing = np.array(frame.spacing_mm)
    places = np.stack(np.unravel_index(fluid, tissues.shape), axis=1) * spacing
    reach = rng.uniform(7.0, 22.0) * frame.scale
    near = np.zeros(len(places), np.float32)
    for source in frame.voxels(np.array(_CISTERNS, float)) * spacing:
        if rng.random() < 0.75:
            gap = ((places - source) ** 2).sum(axis=1) / reach**2
            np.maximum(near, np.exp(-gap).astype(np.float32), out=near)
    clouds = np.clip(0.5 + 0.6 * SmoothField.draw(rng, 5.0).at(places), 0, 1)
    share = (near * clouds).astype(np.float32)
    kept = share > 0.03
    if not kept.any():
        return []
    glow, void = rng.uniform(0.4, 1.25), rng.uniform(0.3, 0.95)
    brightness: Brightness = {
        "t2f": lambda a: a.fluid + glow * (a.grey - a.fluid),
        "t2w": lambda a: a.fluid * void,
    }
    return [Distractor("flow", fluid[kept], share[kept], brightness)]
