"""What is known of a synthetic patient, and of every lesion: kind, place, volumes, contrast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ParetoSegLib.core.geometry import Box, Grid, padded_box
from ParetoSegLib.data.synthesis.tissues import BRAIN, Tissue, belongs
from ParetoSegLib.data.synthesis.tumour import GrownLesion

_AROUND = 3
"""Voxels around a core that it is compared with."""


@dataclass(frozen=True)
class SyntheticLesion:
    """What is true of one lesion.

    Args:
        number: 1…N, largest radius first.
        kind: one of ``settings.KINDS``.
        centre_lps: where it was planted, LPS millimetres.
        radius_mm: radius of the main body before it was deformed.
        enhancement: added to T1 in units of white matter's brightness.
        contrast_to_noise: |enhancing part − tissue within 3 voxels of the core| on T1c over the
            noise's standard deviation, measured in the finished image; of the core where nothing
            enhances.
        contrast_rate: the same difference, with its sign, over white matter's brightness.
        edema_mm: how far edema reaches through white matter.
        volumes_cc: true volume of its own et, tc and wt.
    """

    number: int
    kind: str
    centre_lps: tuple[float, float, float]
    radius_mm: float
    enhancement: float
    contrast_to_noise: float
    contrast_rate: float
    edema_mm: float
    volumes_cc: Mapping[str, float]


@dataclass(frozen=True)
class SyntheticPatient:
    """A patient whose truth is known.

    Args:
        name: BraTS-like, e.g. ``ParetoSynth-00001-000``.
        images: float32 ``(D, H, W)`` by modality, never negative.
        grid: the grid of everything here, LPS.
        truth: true membership per region, float32 in [0, 1], et ≤ tc ≤ wt.
        labels: BraTS-METS labels where the truth is at least one half, uint8.
        raters: for each simulated rater boolean masks per region.
        lesions: one record a lesion.
        facts: seed, settings, background and its licence, JSON-ready.
    """

    name: str
    images: Mapping[str, np.ndarray]
    grid: Grid
    truth: Mapping[str, np.ndarray]
    labels: np.ndarray
    raters: list[dict[str, np.ndarray]]
    lesions: list[SyntheticLesion]
    facts: Mapping[str, object] = field(default_factory=dict)


def records(
    grown: list[GrownLesion],
    grid: Grid,
    images: Mapping[str, np.ndarray],
    noise: Mapping[str, float],
    tissues: np.ndarray,
    core: np.ndarray,
) -> list[SyntheticLesion]:
    """One record a lesion.

    Args:
        grown: the lesions.
        grid: of all arrays.
        images: the finished images.
        noise: standard deviation of the noise in each of them.
        tissues: of the head.
        core: true membership of all cores together.
    """
    brain = belongs(tissues, BRAIN)
    white = _white(images["t1c"], tissues) if "t1c" in images else 1.0
    found = []
    for number, lesion in enumerate(grown, start=1):
        plan = lesion.plan
        centre = grid.positions(np.array([plan.centre_mm]) / grid.spacing_mm)[0]
        difference = contrast = 0.0
        if "t1c" in images:
            difference = _difference(lesion, images["t1c"], brain, core)
            contrast = abs(difference) / max(noise["t1c"], 1e-6)
        found.append(
            SyntheticLesion(
                number=number,
                kind=plan.kind,
                centre_lps=(float(centre[0]), float(centre[1]), float(centre[2])),
                radius_mm=plan.radius_mm,
                enhancement=plan.enhancement,
                contrast_to_noise=float(contrast),
                contrast_rate=difference / white,
                edema_mm=plan.edema_mm,
                volumes_cc=_volumes_cc(lesion, grid),
            )
        )
    return found


def _white(image: np.ndarray, tissues: np.ndarray) -> float:
    """Median brightness of white matter; of the brain in a head without any."""
    where = tissues == Tissue.WHITE
    if not where.any():
        where = belongs(tissues, BRAIN)
    return max(float(np.median(image[where])), 1e-6) if where.any() else 1.0


def _difference(
    lesion: GrownLesion, image: np.ndarray, brain: np.ndarray, core: np.ndarray
) -> float:
    from scipy import ndimage

    box = padded_box(lesion.core_box, (_AROUND,) * 3, image.shape)
    own = np.zeros(image[box].shape, np.float32)
    own[_within(lesion.core_box, box)] = lesion.tc
    near = ndimage.binary_dilation(own > 0.3, iterations=_AROUND)
    near &= brain[box] & (core[box] < 0.02)
    # Squared, so that voxels on the border, half of something else, count little.
    weight = lesion.et if float(lesion.et.sum()) > 0.5 else lesion.tc
    weight = weight**2
    if not near.any() or not weight.any():
        return 0.0
    inside = float((image[lesion.core_box] * weight).sum() / weight.sum())
    return inside - float(np.mean(image[box][near]))


def _volumes_cc(lesion: GrownLesion, grid: Grid) -> dict[str, float]:
    enhancing, core = float(lesion.et.sum(dtype=float)), float(lesion.tc.sum(dtype=float))
    whole = core
    if lesion.edema is not None and lesion.edema_box is not None:
        full = lesion.edema.copy()  # its box holds the core's
        part = full[_within(lesion.core_box, lesion.edema_box)]
        np.maximum(part, lesion.tc, out=part)
        whole = max(core, float(full.sum(dtype=float)))  # sums are rounded in their own order
    cc = grid.voxel_mm3 / 1000
    volumes = {"et": min(enhancing, core), "tc": core, "wt": whole}
    return {region: volume * cc for region, volume in volumes.items()}


def _within(inner: Box, outer: Box) -> Box:
    """Where the box ``inner`` is inside an array cut out by ``outer``."""
    sides = [slice(a.start - b.start, a.stop - b.start) for a, b in zip(inner, outer, strict=True)]
    return sides[0], sides[1], sides[2]
