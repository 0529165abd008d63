"""Painting lesions: edema first, then every core, mixed by true membership."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ParetoSegLib.core.geometry import Box, bounding_box
from ParetoSegLib.data.synthesis.brightness import Parts, draw_edema, draw_parts
from ParetoSegLib.data.synthesis.contrast import Anchors
from ParetoSegLib.data.synthesis.fields import SmoothField
from ParetoSegLib.data.synthesis.grain import Grain
from ParetoSegLib.data.synthesis.lesions import LesionPlan

_POINT_SPREAD_MM = 0.7
"""Standard deviation of what painting and scanning do together to a point."""

_LEAST_SHOWN = 0.35
"""A lesion that shows less of its brightness than this is not made up for further."""


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
        behind_mm: depth behind the front of the edema, where ``edema`` is defined; far below 0
            where edema cannot be.
    """

    plan: LesionPlan
    core_box: Box
    et: np.ndarray
    tc: np.ndarray
    depth_mm: np.ndarray
    edema_box: Box | None = None
    edema: np.ndarray | None = None
    behind_mm: np.ndarray | None = None


@dataclass(frozen=True)
class Canvas:
    """The images that lesions are painted into, in place.

    Args:
        images: float32 ``(D, H, W)`` by modality.
        anchors: brightness of brain in each.
        spacing_mm: voxel size in array order.
        noise: standard deviation of the noise that the finished images have or will have.
        grain: what real images' texture is like; empty for painted ones, which get theirs later.
    """

    images: Mapping[str, np.ndarray]
    anchors: Mapping[str, Anchors]
    spacing_mm: tuple[float, float, float]
    noise: Mapping[str, float]
    grain: Mapping[str, Grain]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of every image."""
        return next(iter(self.images.values())).shape

    def field(self, rng: np.random.Generator, length_mm: float, box: Box) -> np.ndarray:
        """A smooth random field over a box."""
        return SmoothField.draw(rng, length_mm, modes=40).on_grid(self.shape, self.spacing_mm, box)

    def softened(self, share: np.ndarray) -> np.ndarray:
        """A share as blurred as the images are; painted images are blurred as a whole later."""
        from scipy import ndimage

        if not self.grain:
            return share
        width = float(np.clip(np.mean([g.width for g in self.grain.values()]), 0.35, 0.8))
        return np.asarray(ndimage.gaussian_filter(share, width, mode="nearest", truncate=3))


def paint_lesions(canvas: Canvas, lesions: list[GrownLesion], rng: np.random.Generator) -> None:
    """Paint lesions, in place: all edema at once, since it flows together, then the cores."""
    _paint_edema(canvas, lesions, rng)
    for lesion in lesions:
        _paint_core(canvas, lesion, rng)


def _paint_edema(canvas: Canvas, lesions: list[GrownLesion], rng: np.random.Generator) -> None:
    from scipy import ndimage

    values = draw_edema(rng, canvas.anchors)
    whole = np.zeros(canvas.shape, np.float32)
    for lesion in lesions:
        # The front fades over a fraction of a millimetre or over several, half of it inside the
        # truth and half outside; and it is wetter next to the core than far away, or in pools.
        soft = np.exp(rng.uniform(np.log(0.5), np.log(4.0)))
        even, strength = rng.uniform(0.15, 1.0), rng.uniform(0.7, 1.05)
        if lesion.edema_box is None or lesion.behind_mm is None:
            continue
        behind = lesion.behind_mm
        front = np.clip(0.45 + behind / (2 * soft), 0, 1)
        near = np.clip(behind / max(lesion.plan.edema_mm, 1e-3), 0, 1)
        if rng.random() < 0.5:
            near = np.clip(0.5 + canvas.field(rng, rng.uniform(9.0, 22.0), lesion.edema_box), 0, 1)
        grade = (strength * front * (even + (1 - even) * near)).astype(np.float32)
        part = whole[lesion.edema_box]
        np.maximum(part, grade, out=part)
    box = bounding_box(whole > 0)
    if box is None:
        return
    # Fluid seeps a little into what it spares, cortex above all.
    width = rng.uniform(0.4, 1.1) / np.array(canvas.spacing_mm)
    share = ndimage.gaussian_filter(whole[box], width, mode="nearest", truncate=3)
    patchy = rng.uniform(0.02, 0.10) * canvas.field(rng, 3.0, box)
    patchy += rng.uniform(0.0, 0.32) * canvas.field(rng, rng.uniform(8.0, 16.0), box)
    share *= np.clip(1 + patchy, 0.5, 1.3)
    np.minimum(share, 1.05, out=share)
    for modality, image in canvas.images.items():
        part = image[box]
        lost = np.float32(values[modality]) - part
        if modality in canvas.grain:
            lost += canvas.grain[modality].draw(rng, share.shape)
        lost *= share
        part += lost
        np.maximum(part, 0, out=part)


def _paint_core(canvas: Canvas, lesion: GrownLesion, rng: np.random.Generator) -> None:
    plan, box = lesion.plan, lesion.core_box
    parts = draw_parts(rng, plan, canvas.anchors)
    patch = canvas.field(rng, max(1.5, plan.radius_mm * rng.uniform(0.15, 0.5)), box)
    grain = canvas.field(rng, 1.5, box)
    # One pattern of more and less living tissue shows in every sequence.
    uneven = rng.uniform(0.0, 0.08) if rng.random() < 0.35 else rng.uniform(0.08, 0.35)
    vital = np.clip(uneven * (patch + 0.15 * grain), -0.8, 0.8)
    rough = 0.05 * patch + 0.04 * grain
    blood = _blood(lesion, patch, rng)
    layer = _sediment(lesion, canvas.spacing_mm, rng)
    fresh, old = rng.uniform(0.1, 0.7), rng.uniform(0.3, 0.85)
    thickness = min(plan.rim_mm, plan.radius_mm)
    fade = np.clip(lesion.depth_mm / max(thickness, 0.5), 0, 1)
    inward = rng.uniform(0.1, 0.6) if plan.has_rim else rng.uniform(-0.15, 0.5)
    halo = rng.uniform(0.0, 0.10) if rng.random() < 0.5 else 0.0
    settled = rng.uniform(0.4, 0.85), rng.uniform(0.95, 1.4)
    # Necrosis is soft in one place and fluid in another; a cyst is one fluid.
    mottled = rng.uniform(0.0, 0.06 if plan.kind == "cystic" else 0.3)

    tc, et = canvas.softened(lesion.tc), canvas.softened(lesion.et)
    for modality, image in canvas.images.items():
        a, part = canvas.anchors[modality], image[box]
        tissue, hollow = _with_contrast(canvas, modality, parts[modality], lesion, part)
        solid = tissue * (1 + rough)
        if modality == "t1c":
            # Enhancement is strongest just below the surface and patchy further in.
            uptake = (1 - inward * fade) * (1 + vital)
            gain = max(tissue - parts["t1c"].tissue + plan.enhancement * a.white, 0.0)
            solid = tissue + gain * (uptake - 1) + 0.4 * tissue * rough
            if halo:
                around = np.exp(np.minimum(lesion.depth_mm, 0) / 1.2) * (1 - tc) * (part > 0)
                part += (halo * gain * around * _brain_like(part, a)).astype(np.float32)
        elif modality == "t2w":
            solid = solid - 0.35 * vital * (a.fluid - a.grey)
        elif modality == "t2f":
            solid = solid * (1 - 0.35 * vital)
        inner = hollow * (1 + (0.2 if plan.kind == "cystic" else 0.8) * rough)
        bright_on_t1 = modality in ("t1n", "t1c")
        inner = inner + mottled * patch * (a.fluid - a.grey)
        inner = inner * (1 + layer * (settled[1 if bright_on_t1 else 0] - 1))
        if bright_on_t1:
            solid, inner = (x + blood * fresh * a.white for x in (solid, inner))
        else:
            solid, inner = (x * (1 - old * blood) for x in (solid, inner))
        mixed = part * (1 - tc) + solid * et + inner * (tc - et)
        if modality in canvas.grain:
            mixed += tc * canvas.grain[modality].draw(rng, tc.shape)
        part[...] = np.maximum(mixed, 0)


def _with_contrast(
    canvas: Canvas, modality: str, parts: Parts, lesion: GrownLesion, part: np.ndarray
) -> tuple[float, float]:
    """Brightness of tissue and hollow; a faint lesion's follows what is around it."""
    if modality != "t1c":
        return parts.tissue, parts.hollow
    if lesion.plan.faint is None:
        white = canvas.anchors[modality].white
        lost = 1 / _shown(lesion, canvas.spacing_mm) - 1
        return parts.tissue + lost * lesion.plan.enhancement * white, parts.hollow
    around = (lesion.depth_mm > -4) & (lesion.tc < 0.05) & (part > 0)
    if not around.any():
        return parts.tissue, parts.hollow
    difference = lesion.plan.faint * canvas.noise.get(modality, 0.0)
    return float(np.median(part[around])) + difference, parts.hollow


def _shown(lesion: GrownLesion, spacing_mm: tuple[float, float, float]) -> float:
    """How much of a core's brightness its brightest voxel shows once the image is blurred.

    A plan's enhancement is that of the finished image: it is drawn from what was measured in
    lesions that people had seen and outlined, small ones included (Kato et al. 2009: 38 to 57 % of
    white matter's brightness at 4 mm). Painted with it, the smallest would show a third of that.
    """
    from scipy import ndimage

    width = [_POINT_SPREAD_MM / step for step in spacing_mm]
    core = np.pad(lesion.tc, 2)
    peak = float(ndimage.gaussian_filter(core, width, mode="constant", truncate=3).max())
    return min(max(peak, _LEAST_SHOWN), 1.0)


def _brain_like(part: np.ndarray, a: Anchors) -> np.ndarray:
    """1 in brain and 0 in fluid, by brightness: fluid does not take up contrast."""
    return np.clip((part - a.fluid) / max(a.grey - a.fluid, 1e-6), 0, 1)


def _blood(lesion: GrownLesion, patch: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if lesion.plan.kind != "haemorrhagic":
        return np.zeros_like(patch)
    return np.clip(0.5 + 1.2 * patch + np.float32(rng.uniform(-0.4, 0.6)), 0, 1)


def _sediment(
    lesion: GrownLesion, spacing_mm: tuple[float, float, float], rng: np.random.Generator
) -> np.ndarray:
    """What has settled at the back of a cyst, where patients lie on: share of each voxel."""
    plan, box = lesion.plan, lesion.core_box
    level = rng.uniform(0.3, 0.85) * plan.radius_mm
    wanted = rng.random() < (0.3 if plan.kind in ("cystic", "haemorrhagic") else 0.0)
    if not wanted or plan.radius_mm < 4:
        return np.zeros((1, 1, 1), np.float32)
    posterior = np.arange(box[1].start, box[1].stop) * spacing_mm[1] - plan.centre_mm[1]
    share = np.clip((posterior - level) / spacing_mm[1] + 0.5, 0, 1)
    return share.astype(np.float32)[None, :, None]
