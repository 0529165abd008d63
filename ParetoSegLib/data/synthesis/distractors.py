"""What looks like a metastasis and is none: it is painted, and belongs to no region."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ParetoSegLib.data.synthesis.contrast import Anchors

Brightness = Mapping[str, Callable[[Anchors], float]]


@dataclass(frozen=True)
class Distractor:
    """A structure that is painted over a head and belongs to no region.

    Args:
        kind: e.g. ``"sinus"``, ``"vessel"``, ``"choroid plexus"``, ``"dura"`` or ``"plaque"``.
        where: flat indices of the voxels it touches, ``(N,)``.
        share: how much of each of them it fills, float32 in [0, 1], ``(N,)``.
        brightness: for each modality its value, a function of that modality's anchors.
        grain: what each voxel's value is multiplied by, ``(N,)`` or one number.
    """

    kind: str
    where: np.ndarray
    share: np.ndarray
    brightness: Brightness
    grain: np.ndarray | float = 1.0

    def paint(self, images: Mapping[str, np.ndarray], anchors: Mapping[str, Anchors]) -> None:
        """Mix it into contiguous images, in place, by its share of each voxel."""
        for modality, value in self.brightness.items():
            if modality in images:
                flat = images[modality].reshape(-1)
                here = flat[self.where]
                new = np.float32(value(anchors[modality])) * self.grain
                flat[self.where] = here + self.share * (new - here)


def draw_distractors(
    rng: np.random.Generator, tissues: np.ndarray, spacing_mm: tuple[float, float, float]
) -> list[Distractor]:
    """Draw a patient's distractors; each kind appears where its tissue exists.

    Veins, sinuses, arteries, choroid plexus, falx, tentorium, dura, pituitary and pineal gland,
    plaques, caps of the ventricles and fluid that flows.
    """
    from ParetoSegLib.data.synthesis.landmarks import Frame
    from ParetoSegLib.data.synthesis.meninges import draw_meninges
    from ParetoSegLib.data.synthesis.midline import draw_choroid, draw_flow, draw_glands
    from ParetoSegLib.data.synthesis.vessels import draw_vessels
    from ParetoSegLib.data.synthesis.white_matter import draw_white_matter

    frame = Frame.of(tissues, spacing_mm)
    if frame is None:
        return []
    found = draw_flow(rng, tissues, frame)
    found += draw_white_matter(rng, tissues, spacing_mm)
    found += draw_meninges(rng, tissues, frame)
    found += draw_choroid(rng, tissues, frame)
    found += draw_glands(rng, tissues, frame)
    found += draw_vessels(rng, tissues, frame)
    return found
