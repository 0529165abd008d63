"""Dura: falx, tentorium and the sheet under the skull, each with a thin enhancing line."""

from __future__ import annotations

import numpy as np

from ParetoSegLib.core.geometry import face_voxels
from ParetoSegLib.data.synthesis.distractors import Brightness, Distractor
from ParetoSegLib.data.synthesis.fields import SmoothField
from ParetoSegLib.data.synthesis.landmarks import Frame
from ParetoSegLib.data.synthesis.tissues import BRAIN, INTRACRANIAL, Tissue, belongs
from ParetoSegLib.data.synthesis.tubes import smooth_path, tube

# The tentorium's free edge and its attachment, both from the straight sinus forwards, in MNI mm.
_FREE_EDGE = ((0, -44, 2), (13, -38, -3), (21, -22, -13), (23, -8, -19), (14, 0, -21))
_ATTACHED = (
    *((0, -104, -12), (25, -98, -17), (48, -78, -23), (60, -58, -28), (46, -40, -31)),
    *((30, -22, -26), (16, -5, -23)),
)


def draw_meninges(rng: np.random.Generator, tissues: np.ndarray, frame: Frame) -> list[Distractor]:
    """Draw falx, tentorium and dura; each may hardly enhance."""
    found = [
        _falx(rng, tissues, frame),
        _tentorium(rng, tissues, frame),
        _dura(rng, tissues, frame),
    ]
    return [sheet for sheet in found if sheet is not None]


def _sheet_brightness(gain: float) -> Brightness:
    return {
        "t1n": lambda a: a.grey * 0.9,
        "t1c": lambda a: a.white * (1 + gain),
        "t2w": lambda a: a.white * 0.6,
        "t2f": lambda a: a.white * 0.8,
    }


def _sheet(
    rng: np.random.Generator, tissues: np.ndarray, frame: Frame, points: np.ndarray, kind: str
) -> Distractor | None:
    """A thin sheet through densely sampled points, thicker here than there."""
    thick = rng.uniform(0.25, 0.6) * max(frame.scale, 0.5)
    wavy = SmoothField.draw(rng, 15.0).at(points * np.array(frame.spacing_mm))
    radius = thick * np.clip(1 + 0.5 * wavy, 0.2, 2.0)
    where, share = tube(tissues.shape, frame.spacing_mm, points, radius)
    if not len(where):
        return None
    share *= _near_fluid(tissues, where)
    return Distractor(kind, where, share, _sheet_brightness(float(rng.uniform(0.1, 1.2))))


def _near_fluid(tissues: np.ndarray, where: np.ndarray) -> np.ndarray:
    """1 for voxels beside anything but brain, little within it: sheets lie in fissures."""
    flat = tissues.reshape(-1)
    found = ~belongs(flat[where], BRAIN)
    row, plane = tissues.shape[2], tissues.shape[1] * tissues.shape[2]
    for step in (1, row, plane):
        for shift in (-2 * step, -step, step, 2 * step):
            found |= ~belongs(flat[np.clip(where + shift, 0, len(flat) - 1)], BRAIN)
    return np.where(found, np.float32(1), np.float32(0.15))


def _count(usual: int, frame: Frame) -> int:
    """How many points cover a sheet at a voxel's distance: fewer in a smaller head."""
    finer = 1.0 / min(1.0, float(min(frame.spacing_mm)))
    return max(12, round(usual * frame.scale * finer))


def _falx(rng: np.random.Generator, tissues: np.ndarray, frame: Frame) -> Distractor | None:
    angle = np.linspace(np.deg2rad(-8), np.deg2rad(196), _count(260, frame))
    anterior, superior = np.cos(angle), np.sin(angle)
    rim = np.stack([np.zeros_like(angle), -20 + 85 * anterior, 10 + 70 * superior], axis=1)
    rim_voxels = frame.on_hull(frame.voxels(rim))
    centre = frame.voxels(np.array([0.0, -20.0, 10.0]))[0]
    # It is narrow in front and reaches down to the tentorium behind.
    inner = np.interp(-anterior, [-1, 0, 1], [0.85, rng.uniform(0.7, 0.85), rng.uniform(0.4, 0.55)])
    part = np.linspace(0, 1, _count(70, frame))
    reach = inner[:, None] + (0.99 - inner[:, None]) * part[None]
    points = (centre + (rim_voxels - centre)[:, None] * reach[..., None]).reshape(-1, 3)
    points[:, 2] = frame.x_middle(points[:, 0], points[:, 1])
    return _sheet(rng, tissues, frame, points, "falx")


def _tentorium(rng: np.random.Generator, tissues: np.ndarray, frame: Frame) -> Distractor | None:
    sides = []
    lift = rng.normal(0, 2.0)
    for side in (1, -1):
        edges = []
        for knots in (_FREE_EDGE, _ATTACHED):
            places = np.array(knots, float) * (side, 1, 1) + (0, 0, lift)
            path = smooth_path(frame.voxels(places), step=0.25)
            rows = np.linspace(0, len(path) - 1, _count(110, frame)).astype(int)
            edges.append(path[rows])
        part = np.linspace(0, 1, _count(75, frame))[None, :, None]
        sides.append((edges[0][:, None] * (1 - part) + edges[1][:, None] * part).reshape(-1, 3))
    return _sheet(rng, tissues, frame, np.concatenate(sides), "tentorium")


def _dura(rng: np.random.Generator, tissues: np.ndarray, frame: Frame) -> Distractor | None:
    """A patchy, thin, enhancing sheet under the skull; after stripping only remnants of it."""
    outside = belongs(tissues, (Tissue.BONE, Tissue.MARROW))
    remnants = not outside.any()
    if remnants:
        outside = tissues == Tissue.AIR
    _, rim = face_voxels(outside)
    rim &= belongs(tissues, INTRACRANIAL) & ((tissues == Tissue.CSF) | remnants)
    where = np.flatnonzero(rim)
    if not len(where):
        return None
    points = np.stack(np.unravel_index(where, tissues.shape), axis=1) * np.array(frame.spacing_mm)
    patches = SmoothField.draw(rng, 14.0 * max(frame.scale, 0.3)).at(points)
    cover = rng.uniform(-0.6, 1.6) if not remnants else rng.uniform(-1.8, -0.2)
    share = np.clip(0.8 * (patches + cover), 0, 1) * rng.uniform(0.4, 1.0)
    kept = share > 0.01
    if not kept.any():
        kept = share >= share.max()
        share = np.maximum(share, 0.02)
    brightness = _sheet_brightness(float(rng.uniform(0.1, 1.4)))
    return Distractor("dura", where[kept], share[kept].astype(np.float32), brightness)
