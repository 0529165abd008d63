"""What a synthetic patient is drawn from, with every range checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from ParetoSegLib.core.errors import ConfigError

KINDS = ("solid", "ring", "cystic", "necrotic", "haemorrhagic", "hollow")
"""Solid, even or patchy; ring around necrosis; cyst with a thin rim; many-lobed with ragged
necrosis and satellites; with old blood; hardly or not enhancing at all."""


def usual_kinds() -> dict[str, float]:
    """Weights of the kinds among lesions large enough to show one."""
    return {
        "solid": 0.30,
        "ring": 0.24,
        "cystic": 0.18,
        "necrotic": 0.15,
        "haemorrhagic": 0.06,
        "hollow": 0.07,
    }


TUMOUR, BRAIN_LABEL = "tumour", "brain"

_SHARES = (
    "free_share",
    "many_share",
    "weak_share",
    "edema_share",
    "stripped_share",
    "thick_share",
)


@dataclass(frozen=True)
class SynthesisSettings:
    """What a synthetic patient is drawn from.

    Args:
        lesions: fewest and most lesions.
        radius_mm: smallest and largest radius.
        free_share: share of patients without tumour, where ``lesions`` allows it.
        many_share: share of patients with many, mostly small lesions; the others have few, led by
            a medium or large one.
        kinds: weight of each of ``KINDS`` among lesions of more than about 2 mm radius; small ones
            are solid, ring-like or bloody.
        weak_share: share of lesions that enhance only weakly.
        edema_share: share of lesions above 9 mm diameter with edema; fewer of the smaller ones.
        edema_mm: least and most reach of edema through white matter.
        stripped_share: share of whole heads that are skull-stripped first.
        distractors: whether to draw vessels, choroid plexus, dura and plaques.
        deform_mm: how far a head's anatomy is moved, standard deviation; 0 only mirrors it.
        rescan: whether real images get another scanner's contrast, noise and mask, too, and
            stripped heads an uneven mask.
        thick_share: share of patients with thick slices in some or all sequences.
        slice_mm: the thinnest and thickest of those slices.
        slab_mm: thickness of the axial slices that the finished patient is handed over in, images
            and truth alike; 0 for the head's own.
        noise: least and most noise in a painted image, as a share of brain's brightness.
        raters: how many raters to simulate.
        rater_sd_mm: standard deviation of a rater's margin at high and at low contrast.
        labels: what the segmentation shows: ``tumour``, or the ``brain`` under the whole tumour's
            label, for a network that outlines it.
    """

    lesions: tuple[int, int] = (0, 40)
    radius_mm: tuple[float, float] = (1.0, 25.0)
    free_share: float = 0.07
    many_share: float = 0.28
    kinds: Mapping[str, float] = field(default_factory=usual_kinds)
    weak_share: float = 0.2
    edema_share: float = 0.8
    edema_mm: tuple[float, float] = (1.5, 26.0)
    stripped_share: float = 0.5
    distractors: bool = True
    deform_mm: float = 4.0
    rescan: bool = True
    thick_share: float = 0.35
    slice_mm: tuple[float, float] = (2.0, 6.0)
    slab_mm: float = 0.0
    noise: tuple[float, float] = (0.008, 0.06)
    raters: int = 0
    rater_sd_mm: tuple[float, float] = (0.5, 1.0)
    labels: str = TUMOUR

    def __post_init__(self) -> None:
        low, high = self.lesions
        if not 0 <= low <= high <= 200:
            raise ConfigError(f"lesions is {low}–{high}; give two counts within 0–200, in order.")
        small, large = self.radius_mm
        if not 0.5 <= small <= large <= 60:
            raise ConfigError(
                f"radius_mm is {small:g}–{large:g}; give two radii within 0.5–60 mm, in order."
            )
        for name in _SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} is {getattr(self, name):g}; give a share within 0–1.")
        if self.free_share + self.many_share > 1:
            raise ConfigError("free_share and many_share add up to more than 1.")
        self._check_kinds()
        near, far = self.edema_mm
        if not 0 < near <= far <= 40:
            raise ConfigError("edema_mm must be two distances within 0–40 mm, in order and not 0.")
        if not 0 < self.noise[0] <= self.noise[1] <= 1:
            raise ConfigError("noise must be two shares within 0–1, in order and not 0.")
        if not 0 < self.slice_mm[0] <= self.slice_mm[1] <= 20:
            raise ConfigError("slice_mm must be two thicknesses within 0–20 mm, in order.")
        if not 0 <= self.slab_mm <= 20:
            raise ConfigError(f"slab_mm is {self.slab_mm:g}; give a thickness within 0–20 mm.")
        if not 0 <= self.raters <= 20:
            raise ConfigError(f"raters is {self.raters}; give a count within 0–20.")
        if not 0 <= self.rater_sd_mm[0] <= self.rater_sd_mm[1] <= 5:
            raise ConfigError("rater_sd_mm must be two distances within 0–5 mm, in order.")
        if self.labels not in (TUMOUR, BRAIN_LABEL):
            raise ConfigError(f"labels is {self.labels}; it must be {TUMOUR} or {BRAIN_LABEL}.")

    def _check_kinds(self) -> None:
        for kind, weight in self.kinds.items():
            if kind not in KINDS:
                raise ConfigError(f"kinds names {kind}; a lesion can be {', '.join(KINDS)}.")
            if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not weight >= 0:
                raise ConfigError(f"The weight of {kind} in kinds must be a number, 0 or more.")
        if not sum(self.kinds.values()) > 0:
            raise ConfigError("kinds gives every kind the weight 0; at least one must be more.")

    def record(self) -> dict[str, object]:
        """The settings as JSON keeps them.

        ``labels`` is kept only where it is not the tumour: older records lack it.
        """
        kept = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}
        if self.labels == TUMOUR:
            del kept["labels"]
        return kept
