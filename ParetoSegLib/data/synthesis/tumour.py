"""Painting lesions: brightness of core, rim, necrosis and edema, mixed by true membership."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ParetoSegLib.core.geometry import Box
from ParetoSegLib.data.synthesis.contrast import Anchors
from ParetoSegLib.data.synthesis.fields import SmoothField
from ParetoSegLib.data.synthesis.lesions import LesionPlan


@dataclass(frozen=True)
class GrownLesion:
    """A lesion on the grid: memberships of its parts inside two boxes.

    Args:
        plan: what was drawn.
        core_box: the box of ``et`` and ``tc``.
        et: share of each voxel that enhances.
        tc: share of each voxel that is core, ≥ ``et``.
        depth_mm: depth below the core's surface.
        edema_box: the box of ``edema``, or ``None`` without edema.
        edema: share of each voxel that is edema or core of this lesion's own.
        behind_mm: depth behind the front of the edema, where ``edema`` is defined.
    """

    plan: LesionPlan
    core_box: Box
    et: np.ndarray
    tc: np.ndarray
    depth_mm: np.ndarray
    edema_box: Box | None = None
    edema: np.ndarray | None = None
    behind_mm: np.ndarray | None = None


def paint_lesions(
    images: Mapping[str, np.ndarray],
    anchors: Mapping[str, Anchors],
    lesions: list[GrownLesion],
    spacing_mm: tuple[float, float, float],
    rng: np.random.Generator,
) -> None:
    """Paint lesions into images, in place: every edema first, then the cores, largest first."""
    # One patient's edema is alike everywhere: it is one sequence and one kind of fluid.
    wet = rng.uniform(0.35, 1.0)
    for lesion in lesions:
        _paint_edema(images, anchors, lesion, spacing_mm, wet * rng.uniform(0.85, 1.1), rng)
    for lesion in lesions:
        _paint_core(images, anchors, lesion, spacing_mm, rng)


def _paint_edema(
    images: Mapping[str, np.ndarray],
    anchors: Mapping[str, Anchors],
    lesion: GrownLesion,
    spacing_mm: tuple[float, float, float],
    wet: float,
    rng: np.random.Generator,
) -> None:
    if lesion.edema is None or lesion.edema_box is None or lesion.behind_mm is None:
        return
    box = lesion.edema_box
    shape = next(iter(images.values())).shape
    mottle = SmoothField.draw(rng, 4.0).on_grid(shape, spacing_mm, box)
    # The front fades over a few millimetres, and it is wetter next to the core than far away.
    front = np.clip(lesion.behind_mm / rng.uniform(1.0, 5.0), 0, 1)
    near = np.clip(lesion.behind_mm / max(lesion.plan.edema_mm, 1e-3), 0, 1)
    grade = 0.45 + 0.35 * front + 0.20 * near
    share = lesion.edema * np.clip(grade * (1 + 0.08 * mottle), 0, 1.1)
    for modality, image in images.items():
        a = anchors[modality]
        value = {
            "t1n": a.grey + (0.35 - 0.5 * wet) * (a.white - a.grey),
            "t1c": a.grey + (0.35 - 0.5 * wet) * (a.white - a.grey),
            "t2w": a.grey + (0.1 + 0.5 * wet) * (a.fluid - a.grey),
            "t2f": a.grey * (1.02 + 0.68 * wet),
        }[modality]
        part = image[box]
        part += (share * (np.float32(value) - part)).astype(np.float32)


def _core_values(
    plan: LesionPlan, a: Mapping[str, Anchors], rng: np.random.Generator
) -> dict[str, tuple[float, float]]:
    """Brightness of (enhancing tissue, necrosis) for each modality there is."""
    cystic = plan.kind == "cystic"
    dark = rng.uniform(0.55, 0.95) if cystic else rng.uniform(0.15, 0.75)
    solid = rng.uniform(-0.35, 0.35)
    wet = rng.uniform(0.6, 1.0) if cystic else rng.uniform(0.05, 0.75)
    cell = rng.uniform(-0.25, 0.35)
    flair, flair_core = rng.uniform(0.85, 1.35), rng.uniform(0.8, 1.5)
    values: dict[str, tuple[float, float]] = {}
    for modality, anchor in a.items():
        white, grey, fluid = anchor.white, anchor.grey, anchor.fluid
        if modality in ("t1n", "t1c"):
            tissue = grey + solid * (white - grey)
            hollow = grey + dark * (fluid - grey)
            if modality == "t1c":
                tissue += plan.enhancement * white
                hollow += 0.05 * plan.enhancement * white
        elif modality == "t2w":
            tissue = grey + cell * (fluid - grey)
            hollow = grey + wet * (fluid - grey)
        else:
            tissue = grey * flair
            hollow = fluid + (1 - dark) * (grey - fluid) if cystic else grey * flair_core
        values[modality] = (tissue, hollow)
    return values


def _paint_core(
    images: Mapping[str, np.ndarray],
    anchors: Mapping[str, Anchors],
    lesion: GrownLesion,
    spacing_mm: tuple[float, float, float],
    rng: np.random.Generator,
) -> None:
    plan, box = lesion.plan, lesion.core_box
    values = _core_values(plan, anchors, rng)
    shape = next(iter(images.values())).shape
    patch = SmoothField.draw(rng, max(1.5, 0.35 * plan.radius_mm)).on_grid(shape, spacing_mm, box)
    grain = SmoothField.draw(rng, 1.5, modes=64).on_grid(shape, spacing_mm, box)
    blood = np.zeros_like(patch)
    if plan.kind == "haemorrhagic":
        blood = np.clip(0.5 + 1.2 * patch + rng.uniform(-0.4, 0.6), 0, 1)
    thickness = min(plan.rim_mm, plan.radius_mm)
    fade = np.clip(lesion.depth_mm / thickness, 0, 1)
    inward = rng.uniform(0.1, 0.65) if np.isfinite(plan.rim_mm) else rng.uniform(-0.15, 0.45)
    fresh, old = rng.uniform(0.1, 0.7), rng.uniform(0.3, 0.85)
    for modality, image in images.items():
        tissue, hollow = values[modality]
        rough = 0.09 * patch + 0.05 * grain
        solid = tissue * (1 + rough)
        if modality == "t1c":
            # Enhancement is strongest just below the surface and patchy further in.
            uptake = (1 - inward * fade) * (1 + 0.16 * patch + 0.06 * grain)
            solid = tissue - plan.enhancement * anchors[modality].white * (1 - uptake)
        inner = hollow * (1 + 0.8 * rough)
        if modality in ("t1n", "t1c"):
            gain = blood * fresh * anchors[modality].white
            solid, inner = solid + gain, inner + gain
        else:
            solid, inner = solid * (1 - old * blood), inner * (1 - old * blood)
        part = image[box]
        hollow_share = lesion.tc - lesion.et
        mixed = part * (1 - lesion.tc) + solid * lesion.et + inner * hollow_share
        part[...] = np.maximum(mixed, 0)
