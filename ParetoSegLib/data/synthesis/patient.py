"""One synthetic patient: a head, a seed and settings in; images, truth and raters out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ParetoSegLib.core.errors import ConfigError
from ParetoSegLib.core.labels import MODALITIES, REGIONS, encode_labels
from ParetoSegLib.core.seeds import derive_seed
from ParetoSegLib.data.synthesis import contrast
from ParetoSegLib.data.synthesis.distractors import draw_distractors
from ParetoSegLib.data.synthesis.edema import edema_membership
from ParetoSegLib.data.synthesis.falx import Falx
from ParetoSegLib.data.synthesis.grain import Grain, measured_grain
from ParetoSegLib.data.synthesis.heads import Head
from ParetoSegLib.data.synthesis.lesions import LesionPlan, core_box, core_membership
from ParetoSegLib.data.synthesis.mass_effect import pushed
from ParetoSegLib.data.synthesis.placement import growth_space, place
from ParetoSegLib.data.synthesis.plans import draw_plan
from ParetoSegLib.data.synthesis.raters import outlines, rate
from ParetoSegLib.data.synthesis.records import SyntheticLesion, SyntheticPatient, records
from ParetoSegLib.data.synthesis.scanner import Protocol, acquire, draw_protocols
from ParetoSegLib.data.synthesis.settings import BRAIN_LABEL, SynthesisSettings
from ParetoSegLib.data.synthesis.sizes import draw_radii
from ParetoSegLib.data.synthesis.slabs import in_slabs
from ParetoSegLib.data.synthesis.stripping import brain_outline, draw_cut, stripped, tightened
from ParetoSegLib.data.synthesis.tumour import Canvas, GrownLesion, paint_lesions
from ParetoSegLib.data.synthesis.variation import varied

_SHARED_MM = 2.0
"""Within this distance of a core's surface, the border of a whole tumour is the core's."""

_PUSHES_MM = 5.0
"""Lesions of this radius and more take their place from ventricles."""


def make_patient(
    head: Head,
    seed: int,
    settings: SynthesisSettings | None = None,
    name: str = "ParetoSynth-00001-000",
) -> SyntheticPatient:
    """Grow metastases in a head and image it in four sequences.

    Equal arguments give equal patients. The head itself is not changed; the patient's grid may be
    smaller than the head's, since skull stripping crops.

    Raises:
        ConfigError: the head holds no brain to grow lesions in.
    """
    settings = settings or SynthesisSettings()
    streams = {
        part: np.random.default_rng(derive_seed(seed, part))
        for part in ("head", "plan", "shape", "paint", "distract", "tumour", "scan")
    }
    head = varied(head, streams["head"], settings.deform_mm)
    if head.whole and streams["head"].random() < settings.stripped_share:
        cut = draw_cut(streams["head"]) if settings.rescan else None
        head = stripped(head, cut=cut, rng=streams["head"])
    elif head.images and not head.whole and settings.rescan and streams["head"].random() < 0.5:
        head = tightened(head, streams["head"])
    if not growth_space(head.tissues).any():
        raise ConfigError(f"The head {head.name} holds no brain; choose another background.")

    grown, head = _grow(head, settings, streams["plan"], streams["shape"])
    tissues, grid = head.tissues, head.grid
    tumour = truth = _union(grown, tissues.shape)
    if settings.labels == BRAIN_LABEL:
        none = np.zeros(tissues.shape, np.float32)
        truth = {"et": none, "tc": none, "wt": brain_outline(head).astype(np.float32)}

    if head.images:
        anchors = contrast.measured_anchors(head)
        images = {m: np.array(head.images[m], np.float32) for m in MODALITIES if m in head.images}
        if settings.rescan:
            images, anchors = contrast.remapped(images, anchors, tissues > 0, streams["paint"])
    else:
        palette = contrast.draw_palette(streams["paint"])
        anchors = contrast.anchors_of(palette)
        images = contrast.paint(head, palette, streams["paint"])
    kinds: list[str] = []
    if settings.distractors:
        for distractor in draw_distractors(streams["distract"], tissues, grid.spacing_mm):
            distractor.paint(images, anchors)
            kinds.append(distractor.kind)
    protocols = _protocols(anchors, head, settings, streams["scan"])
    grain = {m: measured_grain(i, tissues) for m, i in images.items()} if head.images else {}
    planned = {m: _noise(protocols.get(m), grain.get(m)) for m in images}
    paint_lesions(
        Canvas(images, anchors, grid.spacing_mm, planned, grain), grown, streams["tumour"]
    )
    if protocols:
        acquire(images, head, protocols, streams["scan"])

    noise = {m: measured_grain(image, tissues).sd for m, image in images.items()}
    lesions = records(grown, grid, images, noise, tissues, tumour["tc"])
    masks = {region: truth[region] >= 0.5 for region in REGIONS}
    raters = []
    if settings.raters:
        doubt = _doubt(grown, lesions, tissues.shape, settings.rater_sd_mm)
        drawn = outlines(truth, grid.spacing_mm)
        for number in range(settings.raters):
            rng = np.random.default_rng(derive_seed(seed, "rater", number))
            raters.append(rate(drawn, doubt, grid.spacing_mm, rng))
    facts: dict[str, object] = {
        "seed": seed,
        "settings": settings.record(),
        "head": head.name,
        "background": {
            "source": head.source,
            "licence": head.licence,
            "images": "real" if head.images else "painted",
            "skull": "whole head" if head.whole else "stripped",
        },
        "distractors": {kind: kinds.count(kind) for kind in sorted(set(kinds))},
        "noise": {m: round(float(v), 4) for m, v in noise.items()},
    }
    labels = encode_labels(masks)
    patient = SyntheticPatient(name, images, grid, truth, labels, raters, lesions, facts)
    return in_slabs(patient, settings.slab_mm)


def _grow(
    head: Head,
    settings: SynthesisSettings,
    plan_rng: np.random.Generator,
    shape_rng: np.random.Generator,
) -> tuple[list[GrownLesion], Head]:
    """Lesions on the head's grid, and the head with its tissue pushed aside by them."""
    tissues, spacing = head.tissues, head.grid.spacing_mm
    radii = draw_radii(plan_rng, settings)
    # Below about 0.9 voxels a radius cannot fill half a voxel.
    smallest = max(settings.radius_mm[0], 0.9 * max(spacing))
    falx = Falx.of(tissues, spacing)
    radii = np.maximum(radii, smallest)
    places = place(plan_rng, tissues, spacing, radii, smallest_mm=smallest, falx=falx)
    plans = [draw_plan(shape_rng, at, radius, settings) for at, radius in places]
    if not head.images:  # tissue can be pushed aside only where it is still to be painted
        for plan in plans:
            if plan.push > 0:
                tissues = pushed(tissues, spacing, plan.centre_mm, plan.radius_mm, plan.push)
    # Where nothing can be pushed aside, what is large grows over a ventricle.
    space, wide = growth_space(tissues), growth_space(tissues, ventricles=True)
    grown = []
    for plan in plans:
        room = wide if head.images and plan.radius_mm > _PUSHES_MM else space
        if falx is not None:
            room = _own_side(room, plan, falx, spacing)
        box, et, tc, depth = core_membership(plan, tissues.shape, spacing, room)
        if tc.max() < 0.5:  # a small one that the brain's border or a pushed ventricle runs through
            box, et, tc, depth = core_membership(plan, tissues.shape, spacing)
        edema = edema_membership(plan, tissues, spacing, falx)
        if edema is None:
            grown.append(GrownLesion(plan, box, et, tc, depth))
        else:
            grown.append(GrownLesion(plan, box, et, tc, depth, *edema))
    return grown, replace(head, tissues=tissues)


def _own_side(
    space: np.ndarray, plan: LesionPlan, falx: Falx, spacing_mm: tuple[float, float, float]
) -> np.ndarray:
    """The space of a core without what lies across the falx."""
    box = core_box(plan, space.shape, spacing_mm)
    across = falx.other_side(plan.centre_mm, box)
    if not across.any():
        return space
    space = space.copy()
    space[box] &= ~across
    return space


def _union(grown: list[GrownLesion], shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    """True membership of each region: the maximum over lesions, which keeps them nested."""
    truth = {region: np.zeros(shape, np.float32) for region in REGIONS}
    for lesion in grown:
        for region, share in (("et", lesion.et), ("tc", lesion.tc), ("wt", lesion.tc)):
            part = truth[region][lesion.core_box]
            np.maximum(part, share, out=part)
        if lesion.edema is not None and lesion.edema_box is not None:
            part = truth["wt"][lesion.edema_box]
            np.maximum(part, lesion.edema, out=part)
    return truth


def _protocols(
    anchors: Mapping[str, contrast.Anchors],
    head: Head,
    settings: SynthesisSettings,
    rng: np.random.Generator,
) -> dict[str, Protocol]:
    """How each sequence is scanned; none where real images stay as they were scanned."""
    painted = not head.images
    if not painted and not settings.rescan:
        return {}
    return draw_protocols(
        rng, anchors, painted, settings.noise, settings.thick_share, settings.slice_mm
    )


def _noise(protocol: Protocol | None, grain: Grain | None) -> float:
    """Standard deviation of the noise that an image has and that a scan will add."""
    own = grain.sd if grain is not None else 0.0
    return float(np.hypot(own, protocol.noise if protocol is not None else 0.0))


def _doubt(
    grown: list[GrownLesion],
    lesions: list[SyntheticLesion],
    shape: tuple[int, ...],
    sd_mm: tuple[float, float],
) -> dict[str, np.ndarray]:
    """Standard deviation of a rater's margin at every voxel: larger where contrast is low."""
    low, high = sd_mm
    doubt = {region: np.full(shape, 0.5 * (low + high), np.float32) for region in REGIONS}
    for lesion in grown:  # edema fades out, so its border is never as clear as a rim's
        if lesion.edema_box is not None:
            doubt["wt"][lesion.edema_box] = high
    for lesion, record in zip(grown, lesions, strict=True):
        clear = float(np.clip((record.contrast_to_noise - 2) / 8, 0, 1))
        near = lesion.depth_mm > -_SHARED_MM
        for region in REGIONS:  # where regions share an outline they share its doubt
            doubt[region][lesion.core_box][near] = high + (low - high) * clear
    return doubt
