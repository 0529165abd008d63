"""Grids, signed distance and connected components: the geometry that every room shares.

Arrays are ``(D, H, W)``, the reverse of SimpleITK's (x, y, z); every ``spacing_mm`` next to an
array is in the array's own order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk


@dataclass(frozen=True)
class Grid:
    """Where an array's voxels are in space (LPS millimetres, as SimpleITK and ITK use).

    Args:
        shape: voxels along ``(D, H, W)``.
        spacing_mm: voxel size along ``(D, H, W)``.
        origin: LPS position ``(x, y, z)`` of the centre of voxel ``[0, 0, 0]``.
        direction: 3×3 direction cosines, row-major, for axes ``(W, H, D)``, as in ITK.
    """

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    origin: tuple[float, float, float]
    direction: tuple[float, ...]

    @classmethod
    def of(cls, image: sitk.Image) -> Grid:
        """The grid of a 3-D SimpleITK image."""
        x, y, z = image.GetSize()
        sx, sy, sz = image.GetSpacing()
        return cls((z, y, x), (sz, sy, sx), image.GetOrigin(), image.GetDirection())

    def image(self, array: np.ndarray) -> sitk.Image:
        """Put an array of this grid's shape into a SimpleITK image."""
        if array.shape != self.shape:
            raise ValueError(f"array of shape {array.shape} on a grid of shape {self.shape}")
        if array.dtype == bool:
            array = array.astype(np.uint8)
        image = sitk.GetImageFromArray(array)
        image.SetSpacing(self.spacing_mm[::-1])
        image.SetOrigin(self.origin)
        image.SetDirection(self.direction)
        return image

    def matches(self, other: Grid, tolerance_mm: float = 1e-2) -> bool:
        """Whether every voxel of both grids sits in the same place, to ``tolerance_mm``."""
        if self.shape != other.shape:
            return False
        last = tuple(n - 1 for n in self.shape)
        corners = np.array(np.meshgrid(*[(0, n) for n in last], indexing="ij")).reshape(3, -1).T
        distance = np.abs(self.positions(corners) - other.positions(corners)).max()
        return bool(distance <= tolerance_mm)

    @property
    def affine(self) -> np.ndarray:
        """4×4 matrix from array index ``(d, h, w, 1)`` to LPS millimetres."""
        matrix = np.eye(4)
        columns = np.array(self.direction).reshape(3, 3) * np.array(self.spacing_mm[::-1])
        matrix[:3, :3] = columns[:, ::-1]
        matrix[:3, 3] = self.origin
        return matrix

    def positions(self, indices: np.ndarray) -> np.ndarray:
        """LPS millimetres ``(N, 3)`` of array indices ``(N, 3)`` (fractions allowed)."""
        affine = self.affine
        return np.asarray(indices, float) @ affine[:3, :3].T + affine[:3, 3]

    def cropped(self, box: tuple[slice, slice, slice]) -> Grid:
        """The grid of ``array[box]``; the slices need non-negative bounds and step 1."""
        start = np.array([[s.start for s in box]], float)
        shape = tuple(s.stop - s.start for s in box)
        origin = tuple(float(v) for v in self.positions(start)[0])
        return Grid(shape, self.spacing_mm, origin, self.direction)  # type: ignore[arg-type]

    @property
    def voxel_mm3(self) -> float:
        """Volume of one voxel in mm³."""
        return float(np.prod(self.spacing_mm))


Box = tuple[slice, slice, slice]
"""A part of an array ``(D, H, W)``."""


def padded_box(box: Box, pad: tuple[int, int, int], shape: tuple[int, ...]) -> Box:
    """Grow a box by ``pad`` voxels on both sides of each axis, inside ``shape``."""
    grown = [
        slice(max(0, s.start - p), min(n, s.stop + p))
        for s, p, n in zip(box, pad, shape, strict=True)
    ]
    return (grown[0], grown[1], grown[2])


def bounding_box(mask: np.ndarray) -> Box | None:
    """The smallest box that holds every true voxel of ``mask``; ``None`` if there is none."""
    bounds = []
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        hit = np.flatnonzero(mask.any(axis=others))
        if hit.size == 0:
            return None
        bounds.append(slice(int(hit[0]), int(hit[-1]) + 1))
    return (bounds[0], bounds[1], bounds[2])


def components(mask: np.ndarray) -> tuple[np.ndarray, list[Box]]:
    """Label the 26-connected components of a boolean mask ``(D, H, W)``.

    Returns:
        An int32 array with 0 outside and 1…N inside, in scan order, and each one's box.
    """
    if not mask.any():
        return np.zeros(mask.shape, np.int32), []
    image = sitk.GetImageFromArray(np.ascontiguousarray(mask, np.uint8))
    labelled = sitk.ConnectedComponent(image, True)
    shapes = sitk.LabelShapeStatisticsImageFilter()
    shapes.ComputePerimeterOff()
    shapes.Execute(labelled)
    boxes: list[Box] = []
    for label in shapes.GetLabels():
        x, y, z, nx, ny, nz = shapes.GetBoundingBox(label)
        boxes.append((slice(z, z + nz), slice(y, y + ny), slice(x, x + nx)))
    return sitk.GetArrayFromImage(labelled).astype(np.int32), boxes


def signed_distance(mask: np.ndarray, spacing_mm: tuple[float, float, float]) -> np.ndarray:
    """Distance to the face between inside and outside, in mm, positive inside, float32.

    s(x) = ± ½ (d(x, b_in) + d(x, b_out)), where b_in and b_out are the inside and outside voxels
    that have a 6-neighbour across the face and d is the Euclidean distance between voxel centres
    (Maurer's exact transform). So s is antisymmetric under complement and exact on axis planes.
    A mask without any face (empty or full) gives ∓∞.
    """
    mask = np.asarray(mask, bool)
    inner, outer = face_voxels(mask)
    if not inner.any():
        return np.full(mask.shape, np.inf if mask.all() else -np.inf, np.float32)
    distance = 0.5 * (distance_to(inner, spacing_mm) + distance_to(outer, spacing_mm))
    return np.where(mask, distance, -distance).astype(np.float32)


def face_voxels(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inside and outside voxels that have a 6-neighbour on the other side, as two masks."""
    inner = np.zeros_like(mask)
    outer = np.zeros_like(mask)
    for axis in range(3):
        here = [slice(None)] * 3
        there = [slice(None)] * 3
        here[axis], there[axis] = slice(None, -1), slice(1, None)
        a, b = tuple(here), tuple(there)
        falls = mask[a] & ~mask[b]
        rises = ~mask[a] & mask[b]
        inner[a] |= falls
        outer[b] |= falls
        outer[a] |= rises
        inner[b] |= rises
    return inner, outer


def distance_to(seeds: np.ndarray, spacing_mm: tuple[float, float, float]) -> np.ndarray:
    """Euclidean distance in mm from every voxel centre to the nearest true voxel centre.

    ``seeds`` must hold a true voxel: an empty set has no distance.
    """
    image = sitk.GetImageFromArray(np.ascontiguousarray(seeds, np.uint8))
    image.SetSpacing([float(s) for s in spacing_mm[::-1]])
    # Inside the seeds Maurer's map is the negative distance to their own border; isolated seeds
    # and interiors must both read 0, hence the maximum.
    distance = sitk.SignedMaurerDistanceMap(
        image, insideIsPositive=False, squaredDistance=False, useImageSpacing=True
    )
    return np.maximum(sitk.GetArrayFromImage(distance), 0.0)


def grown(mask: np.ndarray, voxels: int) -> np.ndarray:
    """A boolean mask ``(D, H, W)`` grown by ``voxels`` along each axis, corners included."""
    result = np.array(mask, bool)
    for axis in range(3):  # one axis at a time: a cube of n³ voxels costs 3 n
        line = np.moveaxis(result, axis, 0)
        before = line.copy()
        for step in range(1, min(voxels, len(line) - 1) + 1):
            line[step:] |= before[:-step]
            line[:-step] |= before[step:]
    return result
