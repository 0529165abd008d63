"""What a model says about itself: the contents of ``model.json``, every value checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ParetoSegLib.core.errors import ModelFolderError
from ParetoSegLib.core.labels import MODALITIES, REGIONS
from ParetoSegLib.data.head_mask import BRAIN, HEAD, Outline
from ParetoSegLib.model.calibration import PRESENCE_KEYS, Calibration
from ParetoSegLib.model.levels import HIGHEST, LOWEST, MIDDLE
from ParetoSegLib.model.networks import check_arguments, check_patch
from ParetoSegLib.model.ranges import Number, Numbers

FORMAT_VERSION = 1
FILE_NAME = "model.json"
LONGEST_NAME = 100


@dataclass(frozen=True)
class ModelDescription:
    """What ``model.json`` says; checked when it is made, so that no wrong one exists.

    Args:
        name: shown to users.
        network: a key of ``networks.NETWORKS``.
        network_arguments: its arguments; those left out take their defaults.
        modalities: the sequences that training has seen, in the order of ``MODALITIES``.
        regions: the regions that training had labels for, in the order of ``REGIONS``.
        spacing_mm: voxel size along (D, H, W) that the network works at.
        normalisation: the name of the preprocessing's normalisation.
        patch: sliding window along (D, H, W), in voxels.
        calibration: from logits to membership.
        levels: region → (certain, possible) membership level.
        assessable: presence key → regions; a set of sequences that is not listed has none.
        label_band: ``band_mm`` and ``beta`` of the fuzzy labels.
        training: provenance, JSON-ready.
        outline: what of a whole head is looked at, ``HEAD`` or ``BRAIN``.

    Raises:
        ModelFolderError: a value is unknown or out of range.
    """

    name: str
    network: str
    network_arguments: Mapping[str, Any]
    modalities: tuple[str, ...]
    regions: tuple[str, ...]
    spacing_mm: tuple[float, float, float]
    normalisation: str
    patch: tuple[int, int, int]
    calibration: Calibration
    levels: Mapping[str, tuple[float, float]]
    assessable: Mapping[str, tuple[str, ...]]
    label_band: Mapping[str, float]
    training: Mapping[str, Any] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION
    outline: Outline = HEAD

    def __post_init__(self) -> None:
        check_version(self.format_version)
        _check_text("name", self.name)
        _check_text("normalisation", self.normalisation)
        if not isinstance(self.network_arguments, Mapping):
            raise ModelFolderError(f"The network_arguments in {FILE_NAME} must be keys and values.")
        arguments = check_arguments(self.network, self.network_arguments)
        object.__setattr__(self, "network_arguments", arguments)
        object.__setattr__(self, "patch", check_patch(self.network, arguments, self.patch))
        for what, given, known in (
            ("modalities", self.modalities, MODALITIES),
            ("regions", self.regions, REGIONS),
        ):
            object.__setattr__(self, what, _ordered(what, given, known))
        spacing = Numbers(Number(0.2, 10.0), 3, 3).check("The spacing_mm", self.spacing_mm)
        object.__setattr__(self, "spacing_mm", spacing)
        object.__setattr__(self, "levels", _checked_levels(self.levels, self.regions))
        object.__setattr__(self, "assessable", _checked_assessable(self.assessable, self.regions))
        if not isinstance(self.label_band, Mapping) or set(self.label_band) != {"band_mm", "beta"}:
            raise ModelFolderError(f"The label_band in {FILE_NAME} must hold band_mm and beta.")
        Number(0.0, 10.0).check("The label_band's band_mm", self.label_band["band_mm"])
        Number(0.0, 1.0).check("The label_band's beta", self.label_band["beta"])
        if self.outline not in (HEAD, BRAIN):
            raise ModelFolderError(
                f"The outline in {FILE_NAME} is {self.outline!r:.60}; it must be {HEAD!r} or "
                f"{BRAIN!r}."
            )
        if not isinstance(self.training, Mapping):
            raise ModelFolderError(f"The training in {FILE_NAME} must be keys and values.")


def usual_assessable(regions: tuple[str, ...] = REGIONS) -> dict[str, tuple[str, ...]]:
    """Every set of sequences with what it can show: enhancement only with a contrast image."""
    return {
        key: tuple(r for r in regions if r != "et" or "t1c" in key.split("+"))
        for key in sorted(PRESENCE_KEYS)
    }


def check_version(version: object) -> None:
    """Refuse a ``model.json`` that another version of this program has written.

    Raises:
        ModelFolderError: ``version`` is not ``FORMAT_VERSION``.
    """
    if type(version) is not int or version != FORMAT_VERSION:
        raise ModelFolderError(
            f"{FILE_NAME} has the format version {version!r:.60}; this program reads version "
            f"{FORMAT_VERSION}, so update it or choose another model."
        )


def _check_text(key: str, value: object) -> None:
    text = isinstance(value, str) and value.strip() and value.isprintable()
    if not text or len(str(value)) > LONGEST_NAME:
        raise ModelFolderError(
            f"The {key} in {FILE_NAME} must be 1 to {LONGEST_NAME} printable characters."
        )


def _ordered(what: str, given: object, known: tuple[str, ...]) -> tuple[str, ...]:
    named = given if isinstance(given, (list, tuple)) else ()
    ordered = tuple(name for name in known if name in named)
    if not ordered or list(ordered) != list(named):
        raise ModelFolderError(
            f"The {what} are {given!r:.80}; they must be some of {', '.join(known)}, in this order."
        )
    return ordered


def _checked_levels(levels: object, regions: tuple[str, ...]) -> dict[str, tuple[float, float]]:
    if not isinstance(levels, Mapping) or set(levels) != set(regions):
        raise ModelFolderError(
            f"The levels must hold the regions {', '.join(regions)} and no more."
        )
    checked = {}
    for region in regions:
        pair = levels[region]
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise ModelFolderError(
                f"The levels of {region} must be two numbers: certain and possible."
            )
        checked[region] = (
            Number(MIDDLE, HIGHEST).check(f"The certain level of {region}", pair[0]),
            Number(LOWEST, MIDDLE).check(f"The possible level of {region}", pair[1]),
        )
    return checked


def _checked_assessable(table: object, regions: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    if not isinstance(table, Mapping) or not table:
        raise ModelFolderError("The assessable regions must be listed for each set of sequences.")
    checked = {}
    for key, named in table.items():
        if key not in PRESENCE_KEYS:
            raise ModelFolderError(
                f"The assessable regions name {key!r:.60}, which is no set of sequences; "
                "write one as in 't1c+t2f'."
            )
        empty = isinstance(named, (list, tuple)) and not named
        checked[key] = () if empty else _ordered(f"assessable regions for {key}", named, regions)
    return checked
