"""What segmenting one case gives: everything that files, pictures and tables are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ParetoSegLib.core.labels import REGIONS, encode_labels
from ParetoSegLib.data.case import Case
from ParetoSegLib.measure.confidence import CERTAIN, POSSIBLE, alpha_cut
from ParetoSegLib.measure.lesions import LesionMap


@dataclass(frozen=True)
class Result:
    """One segmented case, on the case's own grid in LPS, uncropped.

    Args:
        case: the images it was made from.
        membership: calibrated and nested, float32 ``(D, H, W)`` on ``case.grid`` by region.
        assessable: the regions that could be judged from the sequences at hand; every other
            region is left out everywhere, which is not the same as empty.
        lesions: from ``find_lesions`` on this membership.
        levels: (certain, possible) by region.
        model_name: of the model that made it.
        facts: what is known of the run (versions, device, seconds, …), ready for JSON, without
            folders or dates.
    """

    case: Case
    membership: Mapping[str, np.ndarray]
    assessable: tuple[str, ...]
    lesions: LesionMap
    levels: Mapping[str, tuple[float, float]]
    model_name: str
    facts: Mapping[str, object]

    @property
    def regions(self) -> tuple[str, ...]:
        """The assessable regions in the order of ``REGIONS``."""
        return tuple(r for r in REGIONS if r in self.assessable)

    @property
    def segmentation(self) -> np.ndarray:
        """The ½-cuts as BraTS-METS labels, uint8 ``(D, H, W)``: ET 3, else TC 1, else WT 2."""
        return encode_labels({r: alpha_cut(self.membership[r]) for r in self.regions})

    def levels_of(self, region: str) -> tuple[float, float]:
        """(certain, possible) of a region; 0.9 and 0.1 where the model has none."""
        return self.levels.get(region, (CERTAIN, POSSIBLE))

    def volume_cc(self, region: str, alpha: float) -> float:
        """Volume of the whole region's α-cut in cc."""
        voxels = np.count_nonzero(alpha_cut(self.membership[region], alpha))
        return voxels * self.case.grid.voxel_mm3 / 1000.0
