"""What the two lesion-wise rules share: lesions as components, their sizes, a lesion's score."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ParetoSegLib.core.geometry import Box, components
from ParetoSegLib.measure.casewise import dice
from ParetoSegLib.measure.surfaces import surface_distances


@dataclass(frozen=True)
class LesionScore:
    """How one reference lesion, or one false positive, scored.

    Args:
        kind: ``lesion`` (of the reference) or ``false positive`` (of the prediction).
        number: of the component in its label map, from 1, in scan order.
        volume_mm3: of the reference lesion, or of the false positive.
        position: array index ``(d, h, w)`` of the centroid.
        found: whether the rule counts the lesion as found; never for a false positive.
        counted: whether it enters the rule's score (too small a lesion may not).
        matched: numbers of the predicted components that were compared with it.
        dice: of lesion and match; 0 where it was missed.
        hd95_mm: of lesion and match; the rule's penalty where it was missed.
        nsd_05: normalised surface Dice at 0.5 mm.
        nsd_1: normalised surface Dice at 1 mm.
    """

    kind: str
    number: int
    volume_mm3: float
    position: tuple[float, float, float]
    found: bool
    counted: bool
    matched: tuple[int, ...]
    dice: float
    hd95_mm: float
    nsd_05: float
    nsd_1: float


@dataclass(frozen=True)
class LabelledComponents:
    """A mask's 26-connected components with what both rules ask of them.

    Args:
        labels: int32 ``(D, H, W)``, 0 outside, 1…N inside.
        boxes: each component's box, by number − 1.
        voxels: each component's number of voxels, by number − 1.
    """

    labels: np.ndarray
    boxes: list[Box]
    voxels: np.ndarray

    @property
    def count(self) -> int:
        """How many components there are."""
        return len(self.boxes)

    def centroid(self, number: int) -> tuple[float, float, float]:
        """Array index ``(d, h, w)`` of the centroid of component ``number``."""
        box = self.boxes[number - 1]
        inside = np.nonzero(self.labels[box] == number)
        middle = [float(axis.mean()) + part.start for axis, part in zip(inside, box, strict=True)]
        return (middle[0], middle[1], middle[2])


def label_components(mask: np.ndarray) -> LabelledComponents:
    """The 26-connected components of a boolean mask ``(D, H, W)``."""
    labels, boxes = components(mask)
    return of_labels(labels, boxes)


def of_labels(labels: np.ndarray, boxes: list[Box]) -> LabelledComponents:
    """Take ready labels 1…N (components need not be connected) with their boxes."""
    return LabelledComponents(
        labels, boxes, np.bincount(labels.ravel(), minlength=len(boxes) + 1)[1:]
    )


def joint_box(boxes: list[Box]) -> Box:
    """The smallest box that holds all ``boxes``."""
    low = [min(box[axis].start for box in boxes) for axis in range(3)]
    high = [max(box[axis].stop for box in boxes) for axis in range(3)]
    return (slice(low[0], high[0]), slice(low[1], high[1]), slice(low[2], high[2]))


def compare_lesion(
    prediction: LabelledComponents,
    matched: tuple[int, ...],
    reference: LabelledComponents,
    number: int,
    spacing_mm: tuple[float, float, float],
    counted: bool = True,
    found: bool = True,
) -> LesionScore:
    """Score reference lesion ``number`` against the union of the ``matched`` predictions."""
    box = joint_box([reference.boxes[number - 1], *(prediction.boxes[m - 1] for m in matched)])
    theirs = reference.labels[box] == number
    ours = np.isin(prediction.labels[box], matched)
    distances = surface_distances(ours, theirs, spacing_mm)
    return LesionScore(
        kind="lesion",
        number=number,
        volume_mm3=float(reference.voxels[number - 1] * np.prod(spacing_mm)),
        position=reference.centroid(number),
        found=found,
        counted=counted,
        matched=matched,
        dice=dice(ours, theirs),
        hd95_mm=distances.hd95_mm,
        nsd_05=distances.surface_dice(0.5),
        nsd_1=distances.surface_dice(1.0),
    )


def failure(
    kind: str,
    components_: LabelledComponents,
    number: int,
    spacing_mm: tuple[float, float, float],
    penalty_mm: float,
    counted: bool = True,
) -> LesionScore:
    """A missed lesion (``kind`` ``lesion``) or a ``false positive``: 0 / 0 / the penalty."""
    return LesionScore(
        kind=kind,
        number=number,
        volume_mm3=float(components_.voxels[number - 1] * np.prod(spacing_mm)),
        position=components_.centroid(number),
        found=False,
        counted=counted,
        matched=(),
        dice=0.0,
        hd95_mm=penalty_mm,
        nsd_05=0.0,
        nsd_1=0.0,
    )


def in_image(score: LesionScore, box: Box) -> LesionScore:
    """The score with its position counted from the corner of the image ``box`` was cut from."""
    d, h, w = (place + part.start for place, part in zip(score.position, box, strict=True))
    return replace(score, position=(d, h, w))
