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

    Both SynthSeg's values and already reduced maps are understood; in a reduced map without skin,
    the thin layers (skin, fat, marrow) are laid anew. SynthSeg has one label for
    everything soft outside the skull; here the layer under the skin and around the eyes becomes
    fat and the rest muscle, since the two look opposite on T1.

    Raises:
        LabelError: a value is neither SynthSeg's nor one of ``Tissue``.
    """
    present = np.unique(labels)
    if present[-1] <= max(Tissue) and present[0] >= 0:
        tissues = labels.astype(np.uint8)
        return tissues if Tissue.SKIN in present else _with_layers(tissues, spacing_mm)
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


def without_layers(tissues: np.ndarray) -> np.ndarray:
    """Merge skin and fat into soft tissue and marrow into bone: half the bytes on disk.

    ``reduce_labels`` lays those layers again.
    """
    merged = np.arange(256, dtype=np.uint8)
    merged[[Tissue.SKIN, Tissue.FAT]] = Tissue.MUSCLE
    merged[Tissue.MARROW] = Tissue.BONE
    return merged[tissues]


def _with_layers(tissues: np.ndarray, spacing_mm: tuple[float, float, float]) -> np.ndarray:
    """Lay skin under the air, marrow inside bone, and fat under the skin."""
    soft, bone = tissues == Tissue.MUSCLE, tissues == Tissue.BONE
    tissues[soft & _within(tissues == Tissue.AIR, 1.5, spacing_mm)] = Tissue.SKIN
    tissues[bone & ~_within(~bone, 1.4, spacing_mm)] = Tissue.MARROW
    return _with_fat(tissues, spacing_mm)


def _with_fat(tissues: np.ndarray, spacing_mm: tuple[float, float, float]) -> np.ndarray:
    """Split soft tissue into muscle and fat by its distance to the skin and to the eyes."""
    near = _within(tissues == Tissue.SKIN, 6.0, spacing_mm)
    near |= _within(tissues == Tissue.EYE, 9.0, spacing_mm)
    tissues[near & (tissues == Tissue.MUSCLE)] = Tissue.FAT
    return tissues


def _within(
    seeds: np.ndarray, reach_mm: float, spacing_mm: tuple[float, float, float]
) -> np.ndarray:
    """Voxels within a cube's reach of a seed: good enough for layers that are painted anyway."""
    from scipy import ndimage

    size = [2 * max(1, round(reach_mm / step)) + 1 for step in spacing_mm]
    return np.asarray(ndimage.maximum_filter(seeds.astype(np.uint8), size=size).astype(bool))
