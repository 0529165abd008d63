"""The tissues a head is painted from, and how a SynthSeg label map becomes them."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from ParetoSegLib.core.errors import LabelError


class Tissue(IntEnum):
    """Values of a reduced label map."""

    AIR = 0
    WHITE = 1
    CORTEX = 2
    DEEP = 3
    STEM = 4
    VENTRICLE = 5
    CSF = 6
    CHOROID = 7
    VEIN = 8
    ARTERY = 9
    BONE = 10
    MARROW = 11
    MUSCLE = 12
    FAT = 13
    SKIN = 14
    MUCOSA = 15
    EYE = 16


BRAIN = (Tissue.WHITE, Tissue.CORTEX, Tissue.DEEP, Tissue.STEM)
"""Tissue that a metastasis grows in."""

FLUID = (Tissue.VENTRICLE, Tissue.CSF)
"""What edema never enters."""

INTRACRANIAL = (*BRAIN, *FLUID, Tissue.CHOROID)
"""What remains of a head after skull stripping."""

# FreeSurfer's values inside the brain; values from 500 on are those of SynthSeg's whole-head maps.
_SYNTHSEG: dict[Tissue, tuple[int, ...]] = {
    Tissue.AIR: (0, 501),
    Tissue.WHITE: (2, 7, 25, 41, 46, 57, 77, 78, 79, 85, 251, 252, 253, 254, 255),
    Tissue.CORTEX: (3, 8, 17, 18, 42, 47, 53, 54, 80),
    Tissue.DEEP: (10, 11, 12, 13, 26, 49, 50, 51, 52, 58),
    Tissue.STEM: (16, 28, 60, 512),
    Tissue.VENTRICLE: (4, 5, 14, 15, 43, 44, 72),
    Tissue.CSF: (24, 30, 62),
    Tissue.CHOROID: (31, 63, 136, 137, 163, 164),
    Tissue.VEIN: (514,),
    Tissue.ARTERY: (502,),
    Tissue.BONE: (515,),
    Tissue.MARROW: (516,),
    Tissue.MUSCLE: (507, 508),
    Tissue.SKIN: (511,),
    Tissue.MUCOSA: (509,),
    Tissue.EYE: (506, 530),
}
_HIGHEST = 600


def belongs(tissues: np.ndarray, wanted: tuple[Tissue, ...]) -> np.ndarray:
    """Boolean mask of the voxels whose tissue is one of ``wanted``."""
    table = np.zeros(256, bool)
    table[list(wanted)] = True
    return table[tissues]


def reduce_labels(
    labels: np.ndarray, spacing_mm: tuple[float, float, float], file_name: str
) -> np.ndarray:
    """Turn a label map ``(D, H, W)`` into tissues, uint8.

    Both SynthSeg's values and already reduced maps are understood. SynthSeg has one label for
    everything soft outside the skull; here the layer under the skin and around the eyes becomes
    fat and the rest muscle, since the two look opposite on T1.

    Raises:
        LabelError: a value is neither SynthSeg's nor one of ``Tissue``.
    """
    present = np.unique(labels)
    if present[-1] <= max(Tissue) and present[0] >= 0:
        return labels.astype(np.uint8)
    table = np.full(_HIGHEST, 255, np.uint8)
    for tissue, values in _SYNTHSEG.items():
        table[list(values)] = tissue
    stray = [int(v) for v in present if not 0 <= v < _HIGHEST or table[int(v)] == 255]
    if stray:
        raise LabelError(
            f"{file_name} holds the label {stray[0]}, which SynthSeg's whole-head maps do not "
            "define; give a folder of SynthSeg label maps or of patients."
        )
    tissues = table[labels.astype(np.int32)]
    return _with_fat(tissues, spacing_mm)


def _with_fat(tissues: np.ndarray, spacing_mm: tuple[float, float, float]) -> np.ndarray:
    """Split soft tissue into muscle and fat by its distance to the skin and to the eyes."""
    from scipy import ndimage

    near = np.zeros(tissues.shape, bool)
    for centre, reach_mm in ((Tissue.SKIN, 6.0), (Tissue.EYE, 9.0)):
        # The box filter's reach is a cube's; good enough for a layer that is painted anyway.
        size = [2 * max(1, round(reach_mm / step)) + 1 for step in spacing_mm]
        seeds = (tissues == centre).astype(np.uint8)
        near |= ndimage.maximum_filter(seeds, size=size).astype(bool)
    tissues[near & (tissues == Tissue.MUSCLE)] = Tissue.FAT
    return tissues
