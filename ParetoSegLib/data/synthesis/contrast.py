"""Appearance: how bright each tissue is in the four sequences, painted or as a real scan has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ParetoSegLib.core.labels import MODALITIES
from ParetoSegLib.data.synthesis.fields import SmoothField, grain
from ParetoSegLib.data.synthesis.heads import Head
from ParetoSegLib.data.synthesis.tissues import FLUID, Tissue, belongs

# Typical brightness in t1n, t1c, t2w, t2f (white matter in T1 = 1), and how unlike itself the
# tissue is from place to place, as a share of its brightness.
_TYPICAL: dict[Tissue, tuple[float, float, float, float, float]] = {
    Tissue.AIR: (0.0, 0.0, 0.0, 0.0, 0.0),
    Tissue.WHITE: (1.00, 1.00, 0.50, 0.66, 0.020),
    Tissue.CORTEX: (0.75, 0.80, 0.69, 0.80, 0.035),
    Tissue.DEEP: (0.85, 0.88, 0.56, 0.72, 0.035),
    Tissue.STEM: (0.92, 0.94, 0.54, 0.70, 0.025),
    Tissue.VENTRICLE: (0.27, 0.27, 1.75, 0.14, 0.030),
    Tissue.CSF: (0.31, 0.33, 1.55, 0.18, 0.140),
    Tissue.CHOROID: (0.55, 1.30, 1.10, 0.60, 0.150),
    Tissue.VEIN: (0.55, 1.90, 0.28, 0.32, 0.080),
    Tissue.ARTERY: (0.60, 1.60, 0.15, 0.22, 0.120),
    Tissue.BONE: (0.10, 0.11, 0.09, 0.08, 0.250),
    Tissue.MARROW: (0.80, 0.88, 0.50, 0.48, 0.220),
    Tissue.MUSCLE: (0.60, 0.70, 0.28, 0.40, 0.130),
    Tissue.FAT: (1.40, 1.40, 0.95, 0.90, 0.100),
    Tissue.SKIN: (0.85, 0.95, 0.55, 0.60, 0.120),
    Tissue.MUCOSA: (0.60, 1.40, 1.15, 0.95, 0.220),
    Tissue.EYE: (0.28, 0.29, 1.75, 0.20, 0.050),
}
_TYPICAL_TABLE = np.array([_TYPICAL[tissue][:4] for tissue in Tissue]).T
_GRAIN = np.array([_TYPICAL[tissue][4] for tissue in Tissue], np.float32)
_ENHANCING = (Tissue.CHOROID, Tissue.VEIN, Tissue.ARTERY, Tissue.MUCOSA)
_FATTY = (Tissue.FAT, Tissue.MARROW)
_STEPS = 2048
_FAT_SUPPRESSED = {"t1n": 0.05, "t1c": 0.3, "t2w": 0.35, "t2f": 0.6}


@dataclass(frozen=True)
class Anchors:
    """Brightness of white matter, grey matter and CSF in one sequence of one patient."""

    white: float
    grey: float
    fluid: float


def draw_palette(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Brightness ``(17,)`` of every tissue for each modality, varied around typical values.

    Contrast between grey and white matter, brightness of fluid, of blood and of fat vary on their
    own, since each hangs on the sequence's timing in its own way. The order of grey matter, white
    matter and CSF in each sequence always holds.
    """
    palette = {}
    count = len(_TYPICAL)
    for row, modality in enumerate(MODALITIES):
        values = _TYPICAL_TABLE[row].copy()
        values *= np.exp(rng.normal(0, 0.12, count) * (np.arange(count) > Tissue.CSF))
        white = values[Tissue.WHITE]
        solid = [Tissue.CORTEX, Tissue.DEEP, Tissue.STEM]
        values[solid] = white + (values[solid] - white) * _contrast(rng, modality)
        ratio = _fluid_ratio(rng, modality)
        values[Tissue.VENTRICLE] = values[Tissue.EYE] = white * ratio
        values[Tissue.CSF] = white * ratio * (0.9 if modality == "t2w" else 1.1)
        if modality == "t1c":
            values[list(_ENHANCING)] *= np.exp(rng.normal(0, 0.25))
        if rng.random() < _FAT_SUPPRESSED[modality]:
            values[list(_FATTY)] *= rng.uniform(0.2, 0.6)
        values *= np.exp(rng.normal(0, 0.012, count))
        values[Tissue.AIR] = 0.0
        palette[modality] = np.maximum(values, 0.02 * (np.arange(count) > 0))
    # Vessels and mucosa take up contrast, so they are brighter than before it was given.
    for tissue in _ENHANCING:
        floor = 1.05 * palette["t1n"][tissue]
        palette["t1c"][tissue] = max(palette["t1c"][tissue], floor)
    return palette


def _contrast(rng: np.random.Generator, modality: str) -> float:
    """How far grey matter is from white matter, as a share of the typical distance."""
    if modality in ("t1n", "t1c"):
        return float(rng.uniform(0.5, 1.35))
    return float(rng.uniform(0.55, 1.4) if modality == "t2w" else rng.uniform(0.4, 2.0))


def _fluid_ratio(rng: np.random.Generator, modality: str) -> float:
    """Brightness of CSF over white matter's."""
    if modality in ("t1n", "t1c"):
        return float(rng.uniform(0.05, 0.5))
    if modality == "t2w":
        return float(np.exp(rng.uniform(np.log(2.6), np.log(5.6))))
    return float(rng.uniform(0.05, 0.45))


def anchors_of(palette: Mapping[str, np.ndarray]) -> dict[str, Anchors]:
    """The anchors of a painted head."""
    return {
        modality: Anchors(
            float(v[Tissue.WHITE]), float(v[Tissue.CORTEX]), float(v[Tissue.VENTRICLE])
        )
        for modality, v in palette.items()
    }


def measured_anchors(head: Head) -> dict[str, Anchors]:
    """The anchors of a real head: medians of its images over its tissues."""
    wanted = ((Tissue.WHITE,), (Tissue.CORTEX,), FLUID)
    places = [np.flatnonzero(belongs(head.tissues, tissue))[::3] for tissue in wanted]
    anchors = {}
    for modality, image in head.images.items():
        flat = image.reshape(-1)
        values = [float(np.median(flat[where])) if where.size else 0.0 for where in places]
        anchors[modality] = Anchors(*values)
    return anchors


def remapped(
    images: Mapping[str, np.ndarray],
    anchors: Mapping[str, Anchors],
    inside: np.ndarray,
    rng: np.random.Generator,
) -> tuple[dict[str, np.ndarray], dict[str, Anchors]]:
    """Another scanner's version of real images: a random smooth, rising curve for each sequence.

    The curve stretches or shrinks the distances between the three anchors and above them, so that
    contrast between tissues changes and their order does not.

    Args:
        images: float32 ``(D, H, W)``, not changed.
        anchors: of the images.
        inside: bool, where there is a head; elsewhere values stay 0.
        rng: of the curves.
    """
    from scipy.interpolate import PchipInterpolator

    changed, moved = {}, {}
    for modality, image in images.items():
        a = anchors[modality]
        values = image[inside]
        top = float(values[::11].max()) if values.size else 1.0
        knots = np.array([0.0, *sorted((a.white, a.grey, a.fluid)), top])
        least = 0.02 * max(top, 1e-6)
        gaps = np.maximum(np.diff(knots), least)
        knots = np.concatenate([[0.0], np.cumsum(gaps)])
        gaps = gaps * np.exp(rng.normal(0, 1, 4) * (0.45, 0.28, 0.28, 0.35))
        curve = PchipInterpolator(knots, np.concatenate([[0.0], np.cumsum(gaps)]))
        at = np.linspace(0, knots[-1], _STEPS)
        new = np.zeros(image.shape, np.float32)
        step = np.clip(values * ((_STEPS - 1) / knots[-1]), 0, _STEPS - 1).astype(np.int32)
        # Between steps the curve is a straight line, so that no level of brightness is lost.
        low = curve(at).astype(np.float32)
        slope = (np.diff(low, append=low[-1:]) / at[1]).astype(np.float32)
        rest = values - at.astype(np.float32)[step]
        new[inside] = low[step] + slope[step] * np.clip(rest, 0, np.float32(at[1]))
        changed[modality] = new
        levels = np.interp([a.white, a.grey, a.fluid], at, curve(at))
        moved[modality] = Anchors(*(float(level) for level in levels))
    return changed, moved


def paint(
    head: Head, palette: Mapping[str, np.ndarray], rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Paint a head's tissues in every modality, float32, partial volumes at their borders.

    A stripped head is painted with what was around it, so that its cut edge is no border.
    """
    from scipy import ndimage

    tissues, spacing = head.tissues, head.grid.spacing_mm
    if head.beyond is not None:
        shown = (tissues == Tissue.AIR) | (head.beyond > Tissue.ARTERY)
        tissues = np.where(shown, head.beyond, tissues)
    shape = tissues.shape
    broad = SmoothField.draw(rng, 22.0).on_grid(shape, spacing)
    coarse = SmoothField.draw(rng, 8.0, modes=48).on_grid(shape, spacing)
    fine = grain(rng, shape, 1.3 / float(np.mean(spacing)))
    place = tissues.astype(np.intp)
    roughness = _GRAIN.take(place, mode="clip")
    # A softened label map is what a voxel that straddles two tissues would measure.
    width = rng.uniform(0.6, 0.85)
    sigma = [width / max(step, width) for step in spacing]
    images = {}
    for modality in MODALITIES:
        mix = rng.dirichlet([2.0, 2.0, 2.0]) ** 0.5 * rng.choice([-1.0, 1.0], 3)
        mix *= rng.uniform(0.8, 2.0)  # FLAIR above all is uneven, but any sequence can be
        texture = np.float32(mix[0]) * broad
        texture += np.float32(mix[1]) * coarse
        texture += np.float32(mix[2]) * fine
        texture *= roughness
        texture += 1.0
        image = palette[modality].astype(np.float32).take(place, mode="clip")
        image *= texture
        image = ndimage.gaussian_filter(image, sigma, mode="nearest", truncate=2.6)
        images[modality] = np.maximum(image, 0, out=image)
    return images
