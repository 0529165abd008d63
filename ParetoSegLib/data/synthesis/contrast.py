"""Appearance: how bright each tissue and each part of a lesion is in the four sequences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ParetoSegLib.core.labels import MODALITIES
from ParetoSegLib.data.synthesis.fields import SmoothField
from ParetoSegLib.data.synthesis.heads import Head
from ParetoSegLib.data.synthesis.tissues import Tissue

# Typical brightness, white matter in T1 = 1, in the order of ``Tissue``: air, white, cortex, deep,
# stem, ventricle, csf, choroid, vein, artery, bone, marrow, muscle, fat, skin, mucosa, eye.
_TYPICAL = {
    "t1n": (
        0,
        1.00,
        0.70,
        0.82,
        0.92,
        0.26,
        0.30,
        0.55,
        0.55,
        0.60,
        0.08,
        0.75,
        0.62,
        1.35,
        0.95,
        0.65,
        0.28,
    ),
    "t1c": (
        0,
        1.00,
        0.74,
        0.84,
        0.92,
        0.27,
        0.36,
        1.45,
        1.75,
        1.45,
        0.09,
        0.85,
        0.70,
        1.35,
        1.05,
        1.45,
        0.30,
    ),
    "t2w": (
        0,
        0.50,
        0.70,
        0.56,
        0.54,
        1.70,
        1.50,
        1.10,
        0.25,
        0.15,
        0.08,
        0.55,
        0.30,
        0.95,
        0.70,
        1.20,
        1.75,
    ),
    "t2f": (
        0,
        0.66,
        0.86,
        0.74,
        0.70,
        0.14,
        0.20,
        0.55,
        0.30,
        0.22,
        0.07,
        0.50,
        0.42,
        0.90,
        0.65,
        0.95,
        0.20,
    ),
}
# How unlike itself a tissue is from place to place, as a share of its brightness.
_GRAIN = (
    0,
    0.025,
    0.035,
    0.035,
    0.03,
    0.02,
    0.10,
    0.15,
    0.08,
    0.12,
    0.30,
    0.28,
    0.20,
    0.16,
    0.15,
    0.25,
    0.06,
)


@dataclass(frozen=True)
class Anchors:
    """Brightness of white matter, grey matter and CSF in one sequence of one patient."""

    white: float
    grey: float
    fluid: float


def draw_palette(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Brightness ``(17,)`` of every tissue for each modality, varied around typical values.

    The order of grey matter, white matter and CSF in each sequence always holds.
    """
    palette = {}
    for modality in MODALITIES:
        values = np.array(_TYPICAL[modality])
        # Contrast between tissues depends on sequence timing, so it varies as a whole, too.
        white = values[Tissue.WHITE]
        values = white + (values - white) * np.exp(rng.normal(0, 0.08))
        values *= np.exp(rng.normal(0, 0.05, len(values)) * (np.arange(len(values)) > 4))
        values *= np.exp(rng.normal(0, 0.012, len(values)))
        values[Tissue.AIR] = 0.0
        palette[modality] = np.maximum(values, 0.02 * (np.arange(len(values)) > 0))
    # Vessels and mucosa take up contrast, so T1c is at least as bright as T1 everywhere.
    drift = np.maximum(palette["t1c"], palette["t1n"] * 0.99)
    palette["t1c"] = drift
    return palette


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
    anchors = {}
    for modality, image in head.images.items():
        values = []
        for tissue in (Tissue.WHITE, Tissue.CORTEX, Tissue.CSF):
            inside = image[head.tissues == tissue]
            values.append(float(np.median(inside)) if inside.size else 0.0)
        anchors[modality] = Anchors(*values)
    return anchors


def paint(
    head: Head, palette: Mapping[str, np.ndarray], rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Paint a head's tissues in every modality, float32, partial volumes at their borders."""
    from scipy import ndimage

    shape, spacing = head.tissues.shape, head.grid.spacing_mm
    coarse = SmoothField.draw(rng, 9.0, modes=48).on_grid(shape, spacing)
    fine = SmoothField.draw(rng, 1.8, modes=160).on_grid(shape, spacing)
    grain = np.array(_GRAIN, np.float32)[head.tissues]
    # A softened label map is what a voxel that straddles two tissues would measure.
    sigma = [0.65 / max(step, 0.65) for step in spacing]
    images = {}
    for modality in MODALITIES:
        mix = rng.dirichlet([2.0, 2.0])
        sign = rng.choice([-1.0, 1.0])
        texture = np.float32(sign * mix[0] ** 0.5) * coarse + np.float32(mix[1] ** 0.5) * fine
        texture *= grain
        texture += 1.0
        image = palette[modality].astype(np.float32)[head.tissues]
        image *= np.maximum(texture, 0.2)
        images[modality] = ndimage.gaussian_filter(image, sigma, mode="nearest", truncate=3)
    return images
