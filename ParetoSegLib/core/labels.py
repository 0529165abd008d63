"""The names everyone uses (sequences, regions) and the only place that knows label values."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from ParetoSegLib.core.errors import LabelError

MODALITIES = ("t1n", "t1c", "t2w", "t2f")
"""Native T1, contrast-enhanced T1, T2, T2-FLAIR: the channel order of every network input."""

REFERENCE_ORDER = ("t1c", "t2f", "t1n", "t2w")
"""The reference grid is the first of these that a case has."""

REGIONS = ("et", "tc", "wt")
"""Enhancing tumour ⊆ tumour core ⊆ whole tumour: the channel order of every network output."""

NETC, SNFH, ET, RC = 1, 2, 3, 4
"""Label values of BraTS-METS: non-enhancing core, FLAIR hyperintensity, enhancing, cavity."""


@dataclass(frozen=True)
class LabelScheme:
    """What the values of a label image mean.

    Args:
        name: shown to users and written to files.
        regions: for each of ``REGIONS`` the values that make it up; a region that the scheme
            cannot define is left out (it is *unlabelled*, which is not the same as empty).
        background: non-zero values that are known and belong to no region, and what they mark.
    """

    name: str
    regions: Mapping[str, frozenset[int]]
    background: Mapping[int, str] = field(default_factory=dict)

    @property
    def values(self) -> frozenset[int]:
        """Every value that may occur, 0 included."""
        return frozenset({0}).union(self.background, *self.regions.values())

    def region_masks(
        self, labels: np.ndarray, file_name: str, ignore: Collection[int] = ()
    ) -> dict[str, np.ndarray]:
        """Split a label array ``(D, H, W)`` into boolean masks of the regions it defines.

        Args:
            labels: array of label values; a float array must hold whole numbers.
            file_name: named in the error.
            ignore: stray values to treat as background.

        Raises:
            LabelError: a value is neither in the scheme nor in ``ignore``.
        """
        present = np.unique(labels)
        stray = [v for v in present.tolist() if v not in self.values and v not in ignore]
        if stray:
            shown = ", ".join(f"{v:g}" for v in stray[:5]) + (" …" if len(stray) > 5 else "")
            known = ", ".join(str(v) for v in sorted(self.values))
            raise LabelError(
                f"{file_name} holds the label {shown}, which {self.name} does not define "
                f"(it knows {known}); correct the file or pass --ignore-labels."
            )
        masks = {}
        for region in REGIONS:
            values = self.regions.get(region)
            if values is not None:
                masks[region] = np.isin(labels, sorted(values))
        return masks


def _scheme(
    name: str, background: Mapping[int, str] | None = None, **regions: Collection[int]
) -> LabelScheme:
    frozen = {region: frozenset(values) for region, values in regions.items()}
    return LabelScheme(name, MappingProxyType(frozen), MappingProxyType(dict(background or {})))


BRATS_METS = _scheme(
    "BraTS-METS", et={3}, tc={1, 3}, wt={1, 2, 3}, background={4: "resection cavity"}
)
BRATS_2018 = _scheme("BraTS 2018", et={4}, tc={1, 4}, wt={1, 2, 4})
CORE_EDEMA = _scheme("core and edema", tc={1}, wt={1, 2})
BINARY_CORE = _scheme("binary tumour core", tc={1})
AURORA = _scheme("AURORA", tc={2}, wt={1, 2})

SCHEMES: Mapping[str, LabelScheme] = MappingProxyType(
    {
        "brats-mets": BRATS_METS,
        "brats-2018": BRATS_2018,
        "core-edema": CORE_EDEMA,
        "binary": BINARY_CORE,
        "aurora": AURORA,
    }
)
"""Schemes by the name a user types."""


def encode_labels(masks: Mapping[str, np.ndarray]) -> np.ndarray:
    """Turn region masks into one BraTS-METS label image, uint8.

    ET becomes 3, else TC 1, else WT 2; a region that is absent from ``masks`` adds nothing.
    """
    shape = next(iter(masks.values())).shape
    labels = np.zeros(shape, np.uint8)
    for region, value in (("wt", SNFH), ("tc", NETC), ("et", ET)):
        if region in masks:
            labels[masks[region]] = value
    return labels


def presence_key(modalities: Collection[str]) -> str:
    """Name a set of sequences, e.g. ``"t1c+t2f"``, in the order of ``MODALITIES``."""
    return "+".join(m for m in MODALITIES if m in modalities)
