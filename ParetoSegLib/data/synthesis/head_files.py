"""Heads on disk: the reduced label maps that ship, SynthSeg's own, and real patients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ParetoSegLib.core.errors import GeometryError, LayoutError
from ParetoSegLib.core.geometry import Box, Grid, bounding_box, padded_box
from ParetoSegLib.core.images import read_image, read_labels
from ParetoSegLib.core.resources import RESOURCES
from ParetoSegLib.data.synthesis.atlas import mni_head
from ParetoSegLib.data.synthesis.clustering import clustered
from ParetoSegLib.data.synthesis.heads import Head, cropped
from ParetoSegLib.data.synthesis.tissues import Tissue, belongs, reduce_labels

SYNTHSEG_SOURCE = "SynthSeg label maps, BBillot/SynthSeg"
SYNTHSEG_LICENCE = "Apache-2.0"
MNI = "mni"
"""What the average brain is called where heads are listed."""

_SEQUENCES = {"t1n": "T1", "t1c": "T1POST", "t2w": "T2", "t2f": "FLAIR"}
_ENDINGS = (".nii.gz", ".nii")
_LESJAK = "10.1007/s12021-017-9348-7"
"""The publication that the licence file of the open-ms patients asks to cite."""

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


def find_heads(*sources: Path | str) -> list[HeadFile]:
    """The heads in some places, in their order.

    A place is a label map (``*.nii.gz``), a patient's folder with T1, T1POST, T2 and FLAIR, a
    folder of such maps and patients, or the word ``mni`` for nilearn's average brain.

    Raises:
        LayoutError: a place is missing or holds no heads.
    """
    found: list[HeadFile] = []
    for source in sources:
        if str(source) == MNI:
            found.append(HeadFile(MNI, mni_head))
            continue
        place = Path(source)
        if not place.exists():
            raise LayoutError(f"The folder of heads {place.name} does not exist; check --heads.")
        heads = [_head_file(place)]
        if heads == [None] and place.is_dir():
            heads = [_head_file(path) for path in sorted(place.iterdir())]
        here = [head for head in heads if head is not None]
        if not here:
            raise LayoutError(
                f"{place.name} holds no heads; it needs SynthSeg label maps (*.nii.gz) or folders "
                "with T1, T1POST, T2 and FLAIR."
            )
        found += here
    return found


def _head_file(path: Path) -> HeadFile | None:
    if path.is_file() and path.name.endswith(_ENDINGS):
        return HeadFile(_stem(path), lambda: read_label_map(path))
    if path.is_dir() and all(_sequence(path, name) for name in _SEQUENCES.values()):
        return HeadFile(path.name, lambda: read_patient(path))
    return None


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

    Tissues are estimated by clustering: good enough to place lesions and steer edema. A mask
    of plaques beside the images (``lesion_gold``) is taken for what it lies in, white matter.

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
    tissues = clustered(images["t1n"], inside, grid.spacing_mm, images["t2w"])
    plaques = _sequence(folder, "lesion_gold")
    if plaques is not None:
        mask = sitk.DICOMOrient(read_labels(plaques), "LPS")
        if Grid.of(mask).matches(grid):
            tissues[(sitk.GetArrayFromImage(mask) > 0) & inside] = Tissue.WHITE
    head = Head(
        folder.name,
        tissues,
        grid,
        {m: np.where(inside, np.maximum(image, 0), np.float32(0)) for m, image in images.items()},
        *_origin(folder),
    )
    box = bounding_box(tissues > 0)
    return head if box is None else cropped(head, padded_box(box, (10, 10, 10), tissues.shape))


def _origin(folder: Path) -> tuple[str, str]:
    """Source and licence, from the licence file beside or above a patient's images."""
    for place in (folder, folder.parent):
        for name in ("LICENSE.txt", "LICENSE"):
            path = place / name
            if path.is_file() and _LESJAK in path.read_text(encoding="utf-8", errors="replace"):
                return f"open-ms {folder.name}, Lesjak et al. 2017, doi:{_LESJAK}", "CC BY"
    return f"patient folder {folder.name}", "as stated by the data set's owner"


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
