"""A case: the images of one visit of one patient, read, turned to LPS, with their regions.

Arrays are turned by flips and permutations only, so nothing is interpolated on the way in and
``Case.to_native`` undoes it exactly. Images that lie on another grid than the reference keep
theirs; preprocessing aligns them.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import permutations
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ParetoSegLib.core.errors import GeometryError, ImageReadError
from ParetoSegLib.core.geometry import Grid, bounding_box
from ParetoSegLib.core.images import file_hash, read_image, read_labels, shown_name
from ParetoSegLib.core.labels import MODALITIES, REFERENCE_ORDER, REGIONS, LabelScheme

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CaseFiles:
    """Where one case lies on disk; nothing has been read yet.

    Args:
        name: unique within a data set; outputs are named after it.
        patient: cases of one patient share it; splits never part them.
        images: a file (or DICOM series folder) for each sequence that is there.
        labels: one label image, several masks whose union counts, or none.
        scheme: what the label values mean; needed where there are labels.
        dataset: the layout it was found in.
    """

    name: str
    patient: str
    images: Mapping[str, Path]
    labels: tuple[Path, ...] = ()
    scheme: LabelScheme | None = None
    dataset: str = ""


@dataclass(frozen=True)
class Orientation:
    """Turns arrays of one native grid to LPS and back, by permutation and flips alone.

    Args:
        order: LPS array axis ``i`` (0 = towards superior, 1 = posterior, 2 = left) is the native
            array axis ``order[i]``.
        flips: whether each axis, after the permutation, runs against LPS and is reversed.
    """

    order: tuple[int, int, int]
    flips: tuple[bool, bool, bool]

    @classmethod
    def of(cls, grid: Grid) -> Orientation:
        """The turn that brings a grid's axes closest to LPS; oblique grids stay oblique."""
        # Rows: superior, posterior, left; columns: array axes. Reversing both turns ITK's
        # (x, y, z) × (W, H, D) matrix into that.
        cosines = np.array(grid.direction).reshape(3, 3)[::-1, ::-1]
        order = max(permutations(range(3)), key=lambda p: abs(cosines[range(3), p]).sum())
        flips = tuple(bool(cosines[row, axis] < 0) for row, axis in enumerate(order))
        return cls(order, flips)  # type: ignore[arg-type]

    def apply(self, array: np.ndarray) -> np.ndarray:
        """Turn a native array ``(…, D, H, W)`` to LPS; a view."""
        lead = array.ndim - 3
        turned = array.transpose(*range(lead), *(lead + axis for axis in self.order))
        return turned[(..., *self._steps)]

    def undo(self, array: np.ndarray) -> np.ndarray:
        """Turn an LPS array ``(…, D, H, W)`` back to the native axes; a view."""
        lead = array.ndim - 3
        back = np.argsort(self.order)
        return array[(..., *self._steps)].transpose(*range(lead), *(lead + int(a) for a in back))

    def turned(self, grid: Grid) -> Grid:
        """The LPS grid of ``apply(array)`` for an array on the native ``grid``."""
        shape = tuple(grid.shape[axis] for axis in self.order)
        spacing = tuple(grid.spacing_mm[axis] for axis in self.order)
        first = np.zeros((1, 3))
        columns = np.array(grid.direction).reshape(3, 3)[:, ::-1][:, list(self.order)]
        for axis, flipped in zip(self.order, self.flips, strict=True):
            if flipped:
                first[0, axis] = grid.shape[axis] - 1
        signs = np.where(self.flips, -1.0, 1.0)
        direction = (columns * signs)[:, ::-1]
        # Adding 0.0 turns -0.0 into 0.0, which headers and comparisons would show.
        return Grid(
            shape,  # type: ignore[arg-type]
            spacing,  # type: ignore[arg-type]
            tuple(float(v) for v in grid.positions(first)[0] + 0.0),  # type: ignore[arg-type]
            tuple(float(v) for v in direction.ravel() + 0.0),
        )

    @property
    def _steps(self) -> tuple[slice, slice, slice]:
        a, b, c = (slice(None, None, -1) if flip else slice(None) for flip in self.flips)
        return a, b, c


@dataclass(frozen=True, eq=False)
class Image:
    """One sequence: ``array`` float32 ``(D, H, W)``, LPS-oriented, on ``grid``."""

    array: np.ndarray
    grid: Grid


@dataclass(frozen=True, eq=False)
class Case:
    """One case in memory.

    Args:
        name: as in ``CaseFiles``.
        patient: as in ``CaseFiles``.
        images: the sequences that are there; those that share the reference's grid hold the very
            same ``Grid``.
        reference: the sequence whose grid the results are on.
        native_grid: the reference file's own grid, axes in the file's order.
        regions: boolean masks on ``grid`` of the regions that the label scheme defines;
            ``None`` where there are no labels.
        hashes: SHA-256 of every file that was read, by sequence (and ``labels``, ``labels-2`` …).
        notes: what a user should know of its labels, one sentence each: voxels that the scheme
            knows and counts as background, such as a resection cavity.
    """

    name: str
    patient: str
    images: Mapping[str, Image]
    reference: str
    native_grid: Grid
    regions: Mapping[str, np.ndarray] | None
    hashes: Mapping[str, str]
    notes: tuple[str, ...] = ()

    @property
    def grid(self) -> Grid:
        """The reference image's grid, turned to LPS."""
        return self.images[self.reference].grid

    @property
    def presence(self) -> tuple[bool, ...]:
        """Which sequences are there, in the order of ``MODALITIES``."""
        return tuple(m in self.images for m in MODALITIES)

    def without_voxels(self) -> Case:
        """The case when only its grids matter any more: every image is one 0, seen everywhere."""
        nothing = np.zeros((), np.float32)
        images = {
            modality: replace(image, array=np.broadcast_to(nothing, image.array.shape))
            for modality, image in self.images.items()
        }
        return replace(self, images=images)

    @cached_property
    def orientation(self) -> Orientation:
        """The turn that brought the reference to LPS."""
        return Orientation.of(self.native_grid)

    def to_native(self, array: np.ndarray) -> np.ndarray:
        """Turn an array ``(…, D, H, W)`` on ``grid`` back to ``native_grid``, exactly."""
        if array.shape[-3:] != self.grid.shape:
            raise ValueError(f"array of shape {array.shape} on a grid of shape {self.grid.shape}")
        return np.ascontiguousarray(self.orientation.undo(array))


def read_case(
    files: CaseFiles, with_labels: bool = True, ignore_labels: Collection[int] = ()
) -> Case:
    """Read a case's images and, if asked and there, its labels.

    Labels on another grid are resampled onto the reference (nearest neighbour, by affine).

    Args:
        files: what to read; at least one image.
        with_labels: leave the labels unread where they are not needed.
        ignore_labels: stray label values to treat as background.

    Raises:
        ImageReadError: a file cannot be read, or there is no image.
        GeometryError: a grid is absurd or lies apart from the reference.
        LabelError: a label value is outside the scheme.
    """
    unknown = sorted(set(files.images) - set(MODALITIES))
    if unknown:
        raise ImageReadError(
            f"Case {files.name} has a sequence called {unknown[0]}; "
            f"the names are {', '.join(MODALITIES)}."
        )
    reference = next((m for m in REFERENCE_ORDER if m in files.images), None)
    if reference is None:
        raise ImageReadError(
            f"Case {files.name} has no image; give at least one of {', '.join(MODALITIES)}."
        )
    images: dict[str, Image] = {}
    hashes: dict[str, str] = {}
    image, native_grid = _turned(_read(files.images[reference], reference))
    images[reference] = image
    for modality in MODALITIES:
        if modality not in files.images:
            continue
        path = files.images[modality]
        hashes[modality] = file_hash(path)
        if modality == reference:
            continue
        other, _ = _turned(_read(path, modality))
        if other.grid.matches(image.grid):
            other = Image(other.array, image.grid)
        elif not overlapping(other.grid, image.grid):
            raise GeometryError(
                f"{shown_name(path)} ({modality}) lies wholly apart from "
                f"{shown_name(files.images[reference])} ({reference}) in space; check that both "
                "show the same patient and visit and that their headers are right."
            )
        images[modality] = other

    regions: dict[str, np.ndarray] | None = None
    notes: tuple[str, ...] = ()
    if with_labels and files.labels:
        regions, notes = _read_regions(files, image.grid, ignore_labels)
        for number, path in enumerate(files.labels, 1):
            hashes["labels" if number == 1 else f"labels-{number}"] = file_hash(path)
    ordered = {m: images[m] for m in MODALITIES if m in images}
    return Case(files.name, files.patient, ordered, reference, native_grid, regions, hashes, notes)


def overlapping(a: Grid, b: Grid) -> bool:
    """Whether two grids share any space: their boxes overlap seen along the axes of either."""
    for one, other in ((a, b), (b, a)):
        low, high = -0.5, np.array(one.shape) - 0.5
        ends = [(-0.5, n - 0.5) for n in other.shape]
        corners = np.array(np.meshgrid(*ends, indexing="ij")).reshape(3, -1).T
        inverse = np.linalg.inv(one.affine)
        seen = other.positions(corners) @ inverse[:3, :3].T + inverse[:3, 3]
        if (seen.min(axis=0) >= high).any() or (seen.max(axis=0) <= low).any():
            return False
    return True


def _read(path: Path, modality: str) -> sitk.Image:
    # A folder's name is not for the screen; with four folders, which one it was must be.
    return read_image(path, f"The DICOM folder of {modality}" if path.is_dir() else None)


def _turned(image: sitk.Image) -> tuple[Image, Grid]:
    """An image turned to LPS, and its grid before."""
    native = Grid.of(image)
    turn = Orientation.of(native)
    # The view goes away with the image: copy in any case, once.
    array = np.array(turn.apply(sitk.GetArrayViewFromImage(image)), order="C")
    return Image(array, turn.turned(native)), native


def _read_regions(
    files: CaseFiles, grid: Grid, ignore_labels: Collection[int]
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """The union over the label files of each region that the scheme defines, on ``grid``; notes."""
    if files.scheme is None:
        raise ImageReadError(
            f"Case {files.name} has labels ({shown_name(files.labels[0])}) but nothing says what "
            "their values mean; name a label scheme."
        )
    regions = {
        region: np.zeros(grid.shape, bool) for region in REGIONS if region in files.scheme.regions
    }
    notes = []
    for path in files.labels:
        image = read_labels(path)
        found, _ = _turned(image)
        inside = bounding_box(found.array != 0)
        if inside is None:
            inside = (slice(0, 1), slice(0, 1), slice(0, 1))
        # Before any resampling, in which a stray value could get lost; only the box that holds
        # labels, for speed.
        masks = files.scheme.region_masks(found.array[inside], shown_name(path), ignore_labels)
        notes += _background_notes(found, files.scheme, shown_name(path))
        if found.grid.matches(grid):
            for region, mask in masks.items():
                regions[region][inside] |= mask
            continue
        if not overlapping(found.grid, grid):
            raise GeometryError(
                f"{shown_name(path)} lies wholly apart from the reference image of case "
                f"{files.name} in space; check that it belongs to it and that its header is right."
            )
        _log.info(
            "%s: labels of shape %s are resampled onto the reference's grid %s.",
            shown_name(path),
            found.grid.shape,
            grid.shape,
        )
        values = _resampled(image, grid)
        for region, wanted in files.scheme.regions.items():
            regions[region] |= np.isin(values, sorted(wanted))
    return regions, tuple(notes)


def _background_notes(labels: Image, scheme: LabelScheme, file_name: str) -> list[str]:
    """A sentence for each value that the scheme knows but that belongs to no region."""
    notes = []
    for value in sorted(scheme.background):
        voxels = np.count_nonzero(labels.array == value)
        if voxels:
            cc = voxels * labels.grid.voxel_mm3 / 1000
            notes.append(
                f"{file_name}: {cc:.2f} cc labelled {value} ({scheme.background[value]}) count as "
                "background."
            )
    return notes


def _resampled(labels: sitk.Image, grid: Grid) -> np.ndarray:
    """Label values of the nearest voxel, on ``grid``; 0 outside."""
    x, y, z = grid.shape[::-1]
    values = sitk.Resample(
        labels,
        (x, y, z),
        sitk.Transform(),
        sitk.sitkNearestNeighbor,
        grid.origin,
        grid.spacing_mm[::-1],
        grid.direction,
        0,
        sitk.sitkInt32,
    )
    return sitk.GetArrayFromImage(values)
