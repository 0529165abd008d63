"""One synthetic patient: a head, a seed and settings in; images, truth and raters out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from ParetoSegLib.core.errors import ConfigError
from ParetoSegLib.core.geometry import Grid
from ParetoSegLib.core.labels import MODALITIES, REGIONS, encode_labels
from ParetoSegLib.core.seeds import derive_seed
from ParetoSegLib.data.synthesis import contrast, heads
from ParetoSegLib.data.synthesis.distractors import draw_distractors
from ParetoSegLib.data.synthesis.edema import edema_membership
from ParetoSegLib.data.synthesis.heads import Head
from ParetoSegLib.data.synthesis.lesions import core_membership, draw_plan
from ParetoSegLib.data.synthesis.mass_effect import pushed
from ParetoSegLib.data.synthesis.placement import growth_space, place
from ParetoSegLib.data.synthesis.raters import outlines, rate
from ParetoSegLib.data.synthesis.scanner import scan
from ParetoSegLib.data.synthesis.tumour import GrownLesion, paint_lesions

_SHARED_MM = 2.0
"""Within this distance of a core's surface, the border of a whole tumour is the core's."""


@dataclass(frozen=True)
class SynthesisSettings:
    """What a synthetic patient is drawn from.

    Args:
        lesions: fewest and most lesions; the count is log-uniform between them, and 0 (where
            allowed) comes up in one patient of twenty.
        radius_mm: smallest and largest radius; log-uniform, leaning to the small end.
        weak_share: share of lesions that enhance only weakly.
        stripped_share: share of whole heads that are skull-stripped first.
        distractors: whether to draw vessels, choroid plexus, dura and plaques.
        deform_mm: how far a painted head's anatomy is moved, standard deviation.
        noise: least and most noise in a painted image, as a share of brain's brightness.
        raters: how many raters to simulate.
        rater_sd_mm: standard deviation of a rater's margin at high and at low contrast.
    """

    lesions: tuple[int, int] = (0, 40)
    radius_mm: tuple[float, float] = (1.0, 25.0)
    weak_share: float = 0.3
    stripped_share: float = 0.5
    distractors: bool = True
    deform_mm: float = 4.0
    noise: tuple[float, float] = (0.015, 0.07)
    raters: int = 0
    rater_sd_mm: tuple[float, float] = (0.5, 1.0)

    def __post_init__(self) -> None:
        low, high = self.lesions
        if not 0 <= low <= high <= 200:
            raise ConfigError(f"lesions is {low}–{high}; give two counts within 0–200, in order.")
        small, large = self.radius_mm
        if not 0.5 <= small <= large <= 60:
            raise ConfigError(
                f"radius_mm is {small:g}–{large:g}; give two radii within 0.5–60 mm, in order."
            )
        for name in ("weak_share", "stripped_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} is {getattr(self, name):g}; give a share within 0–1.")
        if not 0 < self.noise[0] <= self.noise[1] <= 1:
            raise ConfigError("noise must be two shares within 0–1, in order and not 0.")
        if not 0 <= self.raters <= 20:
            raise ConfigError(f"raters is {self.raters}; give a count within 0–20.")
        if not 0 <= self.rater_sd_mm[0] <= self.rater_sd_mm[1] <= 5:
            raise ConfigError("rater_sd_mm must be two distances within 0–5 mm, in order.")

    def record(self) -> dict[str, object]:
        """The settings as JSON keeps them."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


@dataclass(frozen=True)
class SyntheticLesion:
    """What is true of one lesion, for the record.

    Args:
        number: 1…N, largest radius first.
        kind: one of ``lesions.KINDS``.
        centre_lps: where it was planted, LPS millimetres.
        radius_mm: radius of the undeformed core.
        enhancement: added to T1 in units of white matter's brightness.
        contrast_to_noise: |core − white matter| on T1c over the noise's standard deviation.
        edema_mm: how far edema reaches through white matter.
        volumes_cc: true volume of its own et, tc and wt.
    """

    number: int
    kind: str
    centre_lps: tuple[float, float, float]
    radius_mm: float
    enhancement: float
    contrast_to_noise: float
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
    head = heads.varied(head, streams["head"], settings.deform_mm)
    if head.whole and streams["head"].random() < settings.stripped_share:
        head = heads.stripped(head)
    if not growth_space(head.tissues).any():
        raise ConfigError(f"The head {head.name} holds no brain; choose another background.")

    grown, head = _grow(head, settings, streams["plan"], streams["shape"])
    tissues, grid = head.tissues, head.grid
    truth = _union(grown, tissues.shape)

    if head.images:
        anchors = contrast.measured_anchors(head)
        images = {m: np.array(head.images[m], np.float32) for m in MODALITIES if m in head.images}
    else:
        palette = contrast.draw_palette(streams["paint"])
        anchors = contrast.anchors_of(palette)
        images = contrast.paint(head, palette, streams["paint"])
    kinds: list[str] = []
    if settings.distractors:
        for distractor in draw_distractors(streams["distract"], tissues, grid.spacing_mm):
            distractor.paint(images, anchors)
            kinds.append(distractor.kind)
    paint_lesions(images, anchors, grown, grid.spacing_mm, streams["tumour"])
    noise = _scan_all(images, anchors, head, settings.noise, streams["scan"])

    lesions = _records(grown, grid, anchors, noise)
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
    return SyntheticPatient(name, images, grid, truth, encode_labels(masks), raters, lesions, facts)


def draw_radii(rng: np.random.Generator, settings: SynthesisSettings) -> np.ndarray:
    """Radii in mm of a patient's lesions: log-uniform counts and sizes, mostly few and small."""
    low, high = settings.lesions
    if low == 0 and (high == 0 or rng.random() < 0.05):
        count = 0
    else:
        first = max(1, low)
        count = int(np.exp(rng.uniform(np.log(first), np.log(high + 1))))
        count = min(max(count, first), high)
    small, large = settings.radius_mm
    # Who has many metastases has mostly tiny ones.
    return small * (large / small) ** (rng.random(count) ** (1.4 + 0.06 * count))


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
    places = place(plan_rng, tissues, spacing, np.maximum(radii, smallest), smallest_mm=smallest)
    plans = [draw_plan(shape_rng, at, radius, settings.weak_share) for at, radius in places]
    if not head.images:  # tissue can be pushed aside only where it is still to be painted
        for plan in plans:
            if plan.push > 0:
                tissues = pushed(tissues, spacing, plan.centre_mm, plan.radius_mm, plan.push)
    space = growth_space(tissues)
    grown = []
    for plan in plans:
        box, et, tc, depth = core_membership(plan, tissues.shape, spacing, space)
        if tc.max() < 0.5:  # a small one that the brain's border or a pushed ventricle runs through
            box, et, tc, depth = core_membership(plan, tissues.shape, spacing)
        edema = edema_membership(plan, tissues, spacing)
        if edema is None:
            grown.append(GrownLesion(plan, box, et, tc, depth))
        else:
            grown.append(GrownLesion(plan, box, et, tc, depth, *edema))
    return grown, replace(head, tissues=tissues)


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


def _scan_all(
    images: dict[str, np.ndarray],
    anchors: Mapping[str, contrast.Anchors],
    head: Head,
    levels: tuple[float, float],
    rng: np.random.Generator,
) -> dict[str, float]:
    """Scan every image in place; returns each one's noise in the painted image's own units."""
    noise = {}
    air = None if head.whole else head.tissues == 0
    for modality in images:
        if head.images:  # a real image brings its own scanner along
            image = np.maximum(images[modality], 0)
            white = image[head.tissues == 1]
            noise[modality] = float(np.std(white)) if white.size else 0.0
        else:
            level = float(np.exp(rng.uniform(*np.log(levels))))
            noise[modality] = level * max(anchors[modality].white, anchors[modality].grey)
            image = scan(
                images[modality],
                rng,
                head.grid.spacing_mm,
                noise=noise[modality],
                bias=rng.uniform(0.0, 0.12),
                blur_mm=rng.uniform(0.25, 0.6),
            )
            image *= np.float32(np.exp(rng.uniform(np.log(250), np.log(900))))
        if air is not None:
            image[air] = 0.0
        images[modality] = image
    return noise


def _records(
    grown: list[GrownLesion],
    grid: Grid,
    anchors: Mapping[str, contrast.Anchors],
    noise: Mapping[str, float],
) -> list[SyntheticLesion]:
    records = []
    cc = grid.voxel_mm3 / 1000
    for number, lesion in enumerate(grown, start=1):
        plan = lesion.plan
        centre = grid.positions(np.array([plan.centre_mm]) / grid.spacing_mm)[0]
        contrast_to_noise = 0.0
        if "t1c" in anchors:
            core = anchors["t1c"].grey + plan.enhancement * anchors["t1c"].white
            contrast_to_noise = abs(core - anchors["t1c"].white) / max(noise["t1c"], 1e-6)
        wt = float(lesion.tc.sum())
        if lesion.edema is not None and lesion.edema_box is not None:
            whole = np.zeros(grid.shape, np.float32)
            whole[lesion.core_box] = lesion.tc
            part = whole[lesion.edema_box]
            np.maximum(part, lesion.edema, out=part)
            wt = float(whole.sum())
        volumes = {"et": float(lesion.et.sum()), "tc": float(lesion.tc.sum()), "wt": wt}
        records.append(
            SyntheticLesion(
                number=number,
                kind=plan.kind,
                centre_lps=(float(centre[0]), float(centre[1]), float(centre[2])),
                radius_mm=plan.radius_mm,
                enhancement=plan.enhancement,
                contrast_to_noise=float(contrast_to_noise),
                edema_mm=plan.edema_mm,
                volumes_cc={region: volume * cc for region, volume in volumes.items()},
            )
        )
    return records


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
