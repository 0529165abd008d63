"""The MNI ICBM 152 average brain as a head to be painted; it comes with nilearn."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from ParetoSegLib.core.errors import LayoutError
from ParetoSegLib.core.geometry import Grid, bounding_box, distance_to, padded_box
from ParetoSegLib.data.synthesis.fields import SmoothField
from ParetoSegLib.data.synthesis.heads import Head, cropped
from ParetoSegLib.data.synthesis.tissues import Tissue

MNI_SOURCE = "MNI ICBM 152 non-linear 2009 grey and white matter maps, as nilearn ships them"
MNI_LICENCE = "ICBM 152 licence (McConnell Brain Imaging Centre): free to use, copy and modify"

_VENTRICLE_DEPTH_MM = 18.0


def mni_head() -> Head:
    """A skull-stripped head from the MNI average's grey and white matter probabilities, 1 mm.

    An average is too smooth for a brain, so where the maps are undecided a fine random field
    decides, always the same one: what was a blurred fissure becomes a ragged one.

    Raises:
        LayoutError: nilearn is not installed.
    """
    try:
        from nilearn.datasets import (
            load_mni152_brain_mask,
            load_mni152_gm_template,
            load_mni152_wm_template,
        )
    except ImportError as error:
        raise LayoutError(
            "The head 'mni' comes with the package nilearn, which is not installed."
        ) from error
    grey, grid = _oriented(load_mni152_gm_template(resolution=1))
    white, _ = _oriented(load_mni152_wm_template(resolution=1))
    inside = _oriented(load_mni152_brain_mask(resolution=1))[0] > 0.5
    rng = np.random.default_rng(152)
    ragged = 0.25 * SmoothField.draw(rng, 2.2, modes=96).on_grid(grey.shape, grid.spacing_mm)
    fluid = np.clip(1 - grey - white, 0, 1) + 0.12 + ragged * (grey > 0.15)
    tissues = np.full(grey.shape, Tissue.CSF, np.uint8)
    tissues[(grey > fluid) & (grey >= white)] = Tissue.CORTEX
    tissues[(white > fluid) & (white > grey)] = Tissue.WHITE
    tissues[~inside] = Tissue.AIR
    _name_deep_parts(tissues, grid, distance_to(~inside, grid.spacing_mm))
    head = Head("mni", tissues, grid, {}, MNI_SOURCE, MNI_LICENCE)
    box = bounding_box(inside)
    assert box is not None
    return cropped(head, padded_box(box, (8, 8, 8), inside.shape))


def _name_deep_parts(tissues: np.ndarray, grid: Grid, depth: np.ndarray) -> None:
    """Ventricles, deep grey matter and brain stem, by depth and by place in MNI space."""
    index = np.argwhere(tissues > 0)
    place = grid.positions(index)
    x, y, z = np.abs(place[:, 0]), -place[:, 1], place[:, 2]  # LPS: anterior is negative
    here = tuple(index.T)
    found, deep = tissues[here], depth[here] > _VENTRICLE_DEPTH_MM
    lateral = (x < 40) & (y > -60) & (y < 40) & (z > -22) & (z < 36)
    fourth = (x < 8) & (y > -52) & (y < -28) & (z > -45) & (z < -18)
    found[(found == Tissue.CSF) & ((lateral & deep) | fourth)] = Tissue.VENTRICLE
    nuclei = (x < 36) & (y > -36) & (y < 24) & (z > -12) & (z < 22)
    found[(found == Tissue.CORTEX) & nuclei & deep] = Tissue.DEEP
    stem = (x < 17) & (y > -46) & (y < -8) & (z < -10)
    found[((found == Tissue.WHITE) | (found == Tissue.CORTEX)) & stem] = Tissue.STEM
    tissues[here] = found


def _oriented(image: object) -> tuple[np.ndarray, Grid]:
    """A nilearn image as a float32 array ``(D, H, W)`` on an LPS grid."""
    affine = np.array(image.affine, dtype=np.float64)  # type: ignore[attr-defined]
    data = np.array(image.dataobj, dtype=np.float32)  # type: ignore[attr-defined]
    moved = sitk.GetImageFromArray(np.ascontiguousarray(data.transpose(2, 1, 0)))
    spacing = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    flip = np.diag([-1.0, -1.0, 1.0])  # nilearn speaks RAS
    moved.SetSpacing([float(s) for s in spacing])
    moved.SetOrigin([float(v) for v in flip @ affine[:3, 3]])
    moved.SetDirection([float(v) for v in (flip @ affine[:3, :3] / spacing).ravel()])
    image_lps = sitk.DICOMOrient(moved, "LPS")
    return sitk.GetArrayFromImage(image_lps), Grid.of(image_lps)
