"""What a trial measures on one scan: RANO-BM targets, their diameters and their sum.

Source: Lin et al., Response assessment criteria for brain metastases, Lancet Oncol 2015;16:e270.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ParetoSegLib.measure import diameters
from ParetoSegLib.measure.diameters import Diameters, axial_diameters
from ParetoSegLib.measure.lesionwise import LabelledComponents, label_components

TARGETS = 5
"""At most so many lesions are followed."""

RULE = (
    f"{diameters.RULE}; sum of the longest diameters of up to five measurable lesions, the "
    "largest first"
)


@dataclass(frozen=True)
class MeasuredLesion:
    """One lesion as a radiologist measures it.

    Args:
        number: of the component, from 1, in scan order.
        diameters: axial, with the number of slices and whether RANO-BM lets it be a target.
        volume_cc: of all its voxels.
    """

    number: int
    diameters: Diameters
    volume_cc: float

    @property
    def longest_mm(self) -> float:
        """Longest diameter within an axial slice."""
        return self.diameters.longest_mm


def measure_lesions(
    mask: np.ndarray, spacing_mm: tuple[float, float, float]
) -> tuple[MeasuredLesion, ...]:
    """Measure every 26-connected component of a boolean mask ``(D, H, W)``, D the axial axis."""
    return measure_components(label_components(mask), spacing_mm)


def sum_of_diameters_mm(lesions: Sequence[MeasuredLesion]) -> float:
    """Sum of the longest diameters of the targets: 0 without a measurable lesion."""
    return float(sum(lesion.longest_mm for lesion in targets(lesions)))


def targets(lesions: Sequence[MeasuredLesion]) -> tuple[MeasuredLesion, ...]:
    """Up to five measurable lesions, the largest first."""
    measurable = [lesion for lesion in lesions if lesion.diameters.measurable]
    ranked = sorted(measurable, key=lambda lesion: (-lesion.longest_mm, lesion.number))
    return tuple(ranked[:TARGETS])


def measure_components(
    parts: LabelledComponents, spacing_mm: tuple[float, float, float]
) -> tuple[MeasuredLesion, ...]:
    """As ``measure_lesions``, of components that are labelled already."""
    lesions = []
    for number in range(1, parts.count + 1):
        mask = parts.labels[parts.boxes[number - 1]] == number
        volume_cc = float(parts.voxels[number - 1] * np.prod(spacing_mm)) / 1000.0
        lesions.append(MeasuredLesion(number, axial_diameters(mask, spacing_mm), volume_cc))
    return tuple(lesions)
