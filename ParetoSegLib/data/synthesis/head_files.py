"""Heads on disk: the reduced label maps that ship, SynthSeg's own, and real patients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ParetoSegLib.core.errors import GeometryError, LayoutError
from ParetoSegLib.core.geometry import Box, Grid, bounding_box, distance_to, padded_box
from ParetoSegLib.core.images import read_image, read_labels
from ParetoSegLib.core.resources import RESOURCES
from ParetoSegLib.data.synthesis.heads import Head, cropped
from ParetoSegLib.data.synthesis.tissues import BRAIN, Tissue, belongs, reduce_labels

SYNTHSEG_SOURCE = "SynthSeg label maps, BBillot/SynthSeg"
SYNTHSEG_LICENCE = "Apache-2.0"

_SEQUENCES = {"t1n": "T1", "t1c": "T1POST", "t2w": "T2", "t2f": "FLAIR"}
_ENDINGS = (".nii.gz", ".nii")
_BELOW_BRAIN_MM = 25.0
"""How much of the neck is kept under the brain: scanners rarely show more."""


@dataclass(frozen=True)
class HeadFile:
    """A head that can be loaded when it is needed.

    Args:
        name: the file's or folder's name without its ending.
        load: reads it.
    """

    name: str
    load: Callable[[], Head]


def shipped_heads(resources: Path = RESOURCES) -> list[HeadFile]:
    """The heads in ``Resources/Heads``, sorted by name.

    Raises:
        LayoutError: this installation came without them.
    """
    folder = resources / "Heads"
    if not folder.is_dir():
        raise LayoutError(
            "The label maps in Resources/Heads are missing; pass --heads DIR or --size small."
        )
    return find_heads(folder)


def find_heads(folder: Path) -> list[HeadFile]:
    """The heads in a folder: label maps (``*.nii.gz``), and folders with T1, T1POST, T2, FLAIR.

    Raises:
        LayoutError: it holds neither.
    """
    if not folder.is_dir():
        raise LayoutError(f"The folder of heads {folder.name} does not exist; check --heads.")
    found = []
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.name.endswith(_ENDINGS):
            found.append(HeadFile(_stem(path), lambda path=path: read_label_map(path)))  # type: ignore[misc]
        elif path.is_dir() and all(_sequence(path, name) for name in _SEQUENCES.values()):
            found.append(HeadFile(path.name, lambda path=path: read_patient(path)))  # type: ignore[misc]
    if not found:
        raise LayoutError(
            f"{folder.name} holds no heads; it needs SynthSeg label maps (*.nii.gz) or folders "
            "with T1, T1POST, T2 and FLAIR."
        )
    return found


def read_label_map(path: Path) -> Head:
    """A head to be painted, from a label map with SynthSeg's values or already reduced ones.

    Raises:
        LabelError: the map holds other values.
    """
    image = sitk.DICOMOrient(read_labels(path), "LPS")
    grid = Grid.of(image)
    tissues = reduce_labels(sitk.GetArrayFromImage(image), grid.spacing_mm, path.name)
    head = Head(_stem(path), tissues, grid, {}, SYNTHSEG_SOURCE, SYNTHSEG_LICENCE)
    box = _head_box(tissues, grid)
    return head if box is None else cropped(head, box)


def read_patient(folder: Path) -> Head:
    """A real, skull-stripped patient without tumour as a background (T1, T1POST, T2, FLAIR).

    Tissues are estimated from T1 by clustering: good enough to place lesions and steer edema.

    Raises:
        GeometryError: the images are not on one grid.
    """
    images: dict[str, np.ndarray] = {}
    grid: Grid | None = None
    for modality, name in _SEQUENCES.items():
        path = _sequence(folder, name)
        if path is None:
            raise LayoutError(f"The head {folder.name} has no {name}.nii.gz.")
        image = sitk.DICOMOrient(read_image(path), "LPS")
        if grid is not None and not grid.matches(Grid.of(image)):
            raise GeometryError(
                f"{path.name} of {folder.name} is on another grid than {_SEQUENCES['t1n']}; "
                "resample them onto one grid first."
            )
        grid = Grid.of(image)
        images[modality] = sitk.GetArrayFromImage(image).astype(np.float32)
    assert grid is not None
    # A voxel may be 0 or below in one image inside the brain; outside, all of them are 0.
    inside = np.any([image != 0 for image in images.values()], axis=0)
    tissues = _clustered(images["t1n"], inside, grid.spacing_mm)
    head = Head(
        folder.name,
        tissues,
        grid,
        {m: np.where(inside, np.maximum(image, 0), np.float32(0)) for m, image in images.items()},
        f"patient folder {folder.name}",
        "as stated by the data set's owner",
    )
    box = bounding_box(tissues > 0)
    return head if box is None else cropped(head, padded_box(box, (6, 6, 6), tissues.shape))


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".nii")


def _sequence(folder: Path, name: str) -> Path | None:
    for ending in _ENDINGS:
        if (folder / (name + ending)).is_file():
            return folder / (name + ending)
    return None


def _head_box(tissues: np.ndarray, grid: Grid) -> Box | None:
    """The head without most of the neck; the first array axis points up."""
    head = bounding_box(tissues > 0)
    brain = bounding_box(belongs(tissues, (Tissue.WHITE, Tissue.CORTEX, Tissue.DEEP)))
    if head is None or brain is None:
        return None
    below = max(head[0].start, brain[0].start - round(_BELOW_BRAIN_MM / grid.spacing_mm[0]))
    return padded_box((slice(below, head[0].stop), head[1], head[2]), (0, 3, 3), tissues.shape)


def _clustered(
    t1: np.ndarray, inside: np.ndarray, spacing_mm: tuple[float, float, float]
) -> np.ndarray:
    """CSF, grey and white matter of a skull-stripped T1 by one-dimensional k-means."""
    values = t1[inside][::7]  # a seventh of the voxels settles three means
    centres = np.quantile(values, [0.08, 0.4, 0.8])
    for _ in range(20):
        edges = 0.5 * (centres[1:] + centres[:-1])
        group = np.digitize(values, edges)
        centres = np.array([values[group == k].mean() for k in range(3)])
    edges = 0.5 * (centres[1:] + centres[:-1])
    order = np.array([Tissue.CSF, Tissue.CORTEX, Tissue.WHITE], np.uint8)
    tissues = np.where(inside, order[np.digitize(t1, edges)], np.uint8(Tissue.AIR))
    if not (tissues == 0).any():
        return tissues
    depth = distance_to(~inside, spacing_mm)
    tissues[(tissues == Tissue.CSF) & (depth > 22)] = Tissue.VENTRICLE
    deep = (tissues == Tissue.CORTEX) & (depth > 30) & belongs(tissues, BRAIN)
    tissues[deep] = Tissue.DEEP
    return tissues
