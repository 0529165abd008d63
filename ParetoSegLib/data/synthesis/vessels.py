"""Sinuses, veins and arteries: the brightest things on T1c that are no tumour."""

from __future__ import annotations

import numpy as np

from ParetoSegLib.data.synthesis.distractors import Distractor
from ParetoSegLib.data.synthesis.fields import SmoothField
from ParetoSegLib.data.synthesis.landmarks import Frame
from ParetoSegLib.data.synthesis.tissues import Tissue
from ParetoSegLib.data.synthesis.tubes import smooth_path, tube, walks

Course = tuple[tuple[float, float, float], ...]

# Courses in MNI millimetres (x right, y anterior, z superior); the left side mirrors the right.
SAGITTAL: Course = (
    *((0, 68, 8), (0, 60, 35), (0, 40, 58), (0, 10, 74), (0, -25, 80), (0, -55, 72)),
    *((0, -85, 45), (0, -102, 15), (0, -105, -8)),
)
TRANSVERSE = ((0, -105, -12), (25, -98, -17), (48, -78, -23), (60, -58, -29))
SIGMOID = ((60, -58, -29), (57, -50, -36), (50, -43, -47), (44, -42, -56))
STRAIGHT = ((0, -42, 2), (0, -70, -2), (0, -103, -12))
_DEEP_VEINS = (
    ((1.5, -2, 9), (1.5, -25, 9), (0, -42, 2)),
    ((12, -5, -14), (16, -20, -8), (10, -35, 0), (0, -42, 2)),
)
_INFERIOR = ((0, 20, 32), (0, -5, 38), (0, -30, 28), (0, -43, 4))
_CAVERNOUS = ((13, 8, -22), (14, -5, -23), (15, -15, -26))
_ARTERIES = (
    (((15, -12, -32), (14, -4, -26), (12, 4, -23), (9, 6, -17), (10, 4, -12)), 2.2),
    (((10, 4, -12), (20, 3, -14), (32, 0, -11), (40, -5, -6)), 1.5),
    (((40, -5, -6), (42, -14, 4), (46, -26, 10), (52, -36, 16)), 0.9),
    (((40, -5, -6), (44, -20, -4), (50, -34, 2), (55, -46, 6)), 0.9),
    (((9, 4, -12), (2, 15, -11), (2, 32, -4), (2, 40, 9), (2, 33, 23), (2, 12, 34)), 1.0),
    (((0, -16, -14), (12, -18, -13), (20, -30, -8), (18, -45, -2), (14, -65, 3)), 1.1),
    (((10, -36, -62), (5, -30, -50), (0, -26, -44)), 1.6),
)
_BASILAR = ((0, -26, -44), (0, -22, -32), (0, -18, -20), (0, -16, -14))


def draw_vessels(rng: np.random.Generator, tissues: np.ndarray, frame: Frame) -> list[Distractor]:
    """Draw a head's venous sinuses, its deep and cortical veins and its arteries."""
    bright = float(np.exp(rng.uniform(np.log(0.3), np.log(3.0))))
    found = [
        _sinuses(rng, tissues, frame, bright),
        _arteries(rng, tissues, frame, bright * rng.uniform(0.3, 1.1)),
        _wandering(rng, tissues, frame, bright),
        _medullary(rng, tissues, frame, bright),
    ]
    return [vessels for vessels in found if vessels is not None]


def course(
    rng: np.random.Generator,
    frame: Frame,
    knots: Course,
    side: int = 1,
    jitter_mm: float = 2.0,
    on_hull: bool = False,
) -> np.ndarray:
    """A course in a head's voxels ``(N, 3)``; ``side`` −1 mirrors it.

    Args:
        rng: moves every knot a little, except where the course lies in the middle.
        frame: the head's.
        knots: in MNI millimetres.
        side: 1 or −1.
        jitter_mm: standard deviation of that move.
        on_hull: whether the course runs along the brain's hull.
    """
    from scipy import ndimage

    places = np.array(knots, float) * (side, 1, 1)
    middle = places[:, 0] == 0
    places += rng.normal(0, jitter_mm, places.shape) * np.where(middle[:, None], (0.3, 1, 1), 1)
    path = smooth_path(frame.voxels(places))
    if not on_hull:
        return path
    # The hull is known on a coarse grid only, and a sinus has no stairs.
    return np.asarray(ndimage.gaussian_filter1d(frame.on_hull(path), 8.0, axis=0, mode="nearest"))


def _sinuses(
    rng: np.random.Generator, tissues: np.ndarray, frame: Frame, bright: float
) -> Distractor | None:
    size = frame.scale * rng.uniform(0.75, 1.25)
    parts: list[tuple[np.ndarray, np.ndarray]] = []

    def add(path: np.ndarray, first: float, last: float) -> None:
        parts.append((path, np.linspace(first, last, len(path)) * size))

    sagittal = course(rng, frame, SAGITTAL, on_hull=True)
    # It hangs from the skull: half in the fissure, half where a tight brain mask cuts it away.
    outward = rng.uniform(-2.5, 1.0) * frame.scale / np.mean(frame.spacing_mm)
    centre = frame.voxels(np.array([0.0, -20.0, 10.0]))[0]
    away = (sagittal - centre) / (np.linalg.norm(sagittal - centre, axis=1, keepdims=True) + 1e-9)
    sagittal = sagittal + outward * away
    add(sagittal, rng.uniform(0.8, 1.4), rng.uniform(3.0, 4.8))
    # Triangular in section: a narrower part reaches down into the fissure.
    add(sagittal - (2.2 * size / np.mean(frame.spacing_mm)) * away, 0.5, rng.uniform(1.2, 2.4))
    wide, narrow = rng.uniform(2.6, 4.2), rng.uniform(0.8, 3.2)
    for side, radius in zip(rng.permutation([1, -1]), (wide, narrow), strict=True):
        lateral = (*TRANSVERSE, *SIGMOID[1:])
        add(course(rng, frame, lateral, int(side), on_hull=True), radius, 0.9 * radius)
    add(course(rng, frame, STRAIGHT), rng.uniform(1.2, 2.0), rng.uniform(1.6, 2.8))
    add(course(rng, frame, _INFERIOR), 0.6, 1.0)
    for side in (1, -1):
        for vein in _DEEP_VEINS:
            add(course(rng, frame, vein, side), 0.7, rng.uniform(1.0, 1.7))
        add(course(rng, frame, _CAVERNOUS, side), rng.uniform(2, 4), rng.uniform(2, 4))
    where, share = tube(
        tissues.shape,
        frame.spacing_mm,
        np.concatenate([path for path, _ in parts]),
        np.concatenate([radius for _, radius in parts]),
    )
    labelled = np.flatnonzero(tissues == Tissue.VEIN)
    where, share = merged((where, share), (labelled, np.full(len(labelled), 0.85, np.float32)))
    inflow = rng.uniform(0.95, 1.35) if rng.random() < 0.25 else rng.uniform(0.3, 0.8)
    void, slow = rng.uniform(0.15, 0.8), rng.uniform(0.2, 0.9)
    return Distractor(
        "sinus",
        where,
        share,
        {
            "t1n": lambda a: a.white * inflow,
            "t1c": lambda a: a.white * (1 + bright),
            "t2w": lambda a: a.white * void,
            "t2f": lambda a: a.white * slow,
        },
        mottled(rng, where, tissues.shape, frame, 0.08),
    )


def _arteries(
    rng: np.random.Generator, tissues: np.ndarray, frame: Frame, bright: float
) -> Distractor | None:
    size = frame.scale * rng.uniform(0.7, 1.15)
    paths, radii = [], []
    for knots, radius in (*_ARTERIES, (_BASILAR, 1.7)):
        for side in (1, -1) if knots is not _BASILAR else (1,):
            path = course(rng, frame, knots, side, jitter_mm=3.0)
            paths.append(path)
            radii.append(np.full(len(path), radius * size * rng.uniform(0.6, 1.2)))
    where, share = tube(
        tissues.shape, frame.spacing_mm, np.concatenate(paths), np.concatenate(radii)
    )
    labelled = np.flatnonzero(tissues == Tissue.ARTERY)
    where, share = merged((where, share), (labelled, np.full(len(labelled), 0.8, np.float32)))
    inflow = rng.uniform(0.3, 1.5)
    return Distractor(
        "artery",
        where,
        share,
        {
            "t1n": lambda a: a.white * inflow,
            "t1c": lambda a: a.white * (1 + bright),
            "t2w": lambda a: a.white * 0.25,
            "t2f": lambda a: a.white * 0.3,
        },
        mottled(rng, where, tissues.shape, frame, 0.1),
    )


def _wandering(
    rng: np.random.Generator, tissues: np.ndarray, frame: Frame, bright: float
) -> Distractor | None:
    """Cortical veins and arterial branches in the fissures; many climb to the sagittal sinus."""
    fluid = (tissues == Tissue.CSF) | (tissues == Tissue.VEIN)
    spots = np.flatnonzero(fluid)
    if not spots.size:
        return None
    count = int(np.exp(rng.uniform(np.log(25), np.log(130))))
    starts = np.stack(np.unravel_index(rng.choice(spots, count), tissues.shape), axis=1)
    up = frame.on_hull(frame.voxels(np.array([0.0, -30.0, 75.0])))[0] - starts
    up /= np.linalg.norm(up, axis=1, keepdims=True) + 1e-9
    climbs = rng.random(count) < 0.5
    random = rng.standard_normal((count, 3))
    random /= np.linalg.norm(random, axis=1, keepdims=True)
    paths = walks(rng, fluid, starts, 110, 2.5, np.where(climbs[:, None], up, random))
    if not paths:
        return None
    size = max(frame.scale, 0.5)
    cut = [path[: int(rng.integers(8, 111))] for path in paths]
    radii = [
        rng.uniform(0.35, 1.15) ** 1.3 * size * np.linspace(0.7, 1.0, len(path)) for path in cut
    ]
    where, share = tube(tissues.shape, frame.spacing_mm, np.concatenate(cut), np.concatenate(radii))
    gain = bright * rng.uniform(0.5, 1.1)
    return Distractor(
        "vessel",
        where,
        share,
        {
            "t1n": lambda a: a.grey * 0.85,
            "t1c": lambda a: a.white * (1 + gain),
            "t2w": lambda a: a.white * 0.5,
            "t2f": lambda a: a.white * 0.5,
        },
        mottled(rng, where, tissues.shape, frame, 0.15),
    )


def _medullary(
    rng: np.random.Generator, tissues: np.ndarray, frame: Frame, bright: float
) -> Distractor | None:
    """Hair-thin veins through white matter, and now and then a developmental anomaly's trunk."""
    inside = tissues == Tissue.WHITE
    spots = np.flatnonzero(inside)
    count = int(rng.integers(0, 26))
    if not spots.size or count == 0:
        return None
    starts = np.stack(np.unravel_index(rng.choice(spots, count), tissues.shape), axis=1)
    paths = walks(rng, inside, starts, 90, 4.0)
    if not paths:
        return None
    radii = [np.full(len(path), rng.uniform(0.2, 0.5)) for path in paths]
    if rng.random() < 0.15:
        radii[0] = np.full(len(paths[0]), rng.uniform(0.6, 1.2))
    where, share = tube(
        tissues.shape, frame.spacing_mm, np.concatenate(paths), np.concatenate(radii)
    )
    gain = bright * rng.uniform(0.4, 0.9)
    return Distractor(
        "medullary vein",
        where,
        share,
        {
            "t1n": lambda a: a.white * 0.95,
            "t1c": lambda a: a.white * (1 + gain),
            "t2w": lambda a: a.white * 0.8,
            "t2f": lambda a: a.white * 0.85,
        },
    )


def merged(
    first: tuple[np.ndarray, np.ndarray], second: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """The union of two sparse shares; where both are, the larger one."""
    where, place = np.unique(np.concatenate([first[0], second[0]]), return_inverse=True)
    share = np.zeros(len(where), np.float32)
    np.maximum.at(share, place, np.concatenate([first[1], second[1]]))
    return where, share


def mottled(
    rng: np.random.Generator,
    where: np.ndarray,
    shape: tuple[int, ...],
    frame: Frame,
    spread: float,
) -> np.ndarray:
    """Factors around 1 with this standard deviation, alike in neighbours, float32 as ``where``."""
    points = np.stack(np.unravel_index(where, shape), axis=1) * np.array(frame.spacing_mm)
    field = SmoothField.draw(rng, 3.0, modes=16).at(points)
    return np.maximum(1 + np.float32(spread) * field, np.float32(0.3))
