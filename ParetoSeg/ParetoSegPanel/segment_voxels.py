"""A segment's voxels as an array that can be read and written in place, wherever Slicer put them.

Segment Editor, saving and loading may trim, grow, merge or retype a segment's labelmap; writing
into it in place keeps every observer and costs only the voxels that change.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import vtk_to_numpy

from ParetoSegLib.core.geometry import Box, Grid
from ParetoSegPanel.case_record import SceneError
from ParetoSegPanel.volumes import array_of, ijk_to_ras, oriented_image

LABELMAP = "Binary labelmap"
SURFACE = "Closed surface"


class SegmentVoxels:
    """One segment of a segmentation, seen on a part of the reference image's grid.

    Args:
        node: the ``vtkMRMLSegmentationNode``.
        segment_id: of the segment.
        grid: of the reference image.
        box: the part that is read and written.
    """

    def __init__(self, node: Any, segment_id: str, grid: Grid, box: Box) -> None:
        self._node = node
        self._id = segment_id
        self._grid = grid
        self._box = box
        self._shape = tuple(s.stop - s.start for s in box)
        self._written = -1

    @property
    def exists(self) -> bool:
        """Whether the segment is still there."""
        return self._node.GetSegmentation().GetSegment(self._id) is not None

    @property
    def touched(self) -> bool:
        """Whether anything may have changed since the last ``write`` or ``keep``."""
        return self._image().GetMTime() != self._written

    def keep(self) -> None:
        """Take the voxels as they are now for known."""
        self._written = self._image().GetMTime()

    def read(self) -> np.ndarray:
        """The segment inside the box, boolean, of the box's shape.

        Raises:
            SceneError: the segmentation no longer lies on its image's grid.
        """
        inside = np.zeros(self._shape, bool)
        voxels, start = self._array()
        if voxels.size:
            here, there = _overlap(self._box, start, voxels.shape)
            inside[here] = voxels[there] == self._value
        return inside

    def write(self, voxels: np.ndarray, values: np.ndarray) -> None:
        """Set some voxels, and tell the views.

        Args:
            voxels: flat indices into the box.
            values: whether each is in the segment.

        Raises:
            SceneError: the segmentation no longer lies on its image's grid.
        """
        if voxels.size:
            self._make_room()
            array, start = self._array()
            numbers = np.where(values, self._value, 0).astype(array.dtype)
            if array.shape == self._shape and start == tuple(s.start for s in self._box):
                array.reshape(-1)[voxels] = numbers
            else:
                indices = np.unravel_index(voxels, self._shape)
                moved = tuple(
                    i + (s.start - at) for i, s, at in zip(indices, self._box, start, strict=True)
                )
                array[moved] = numbers
            image = self._image()
            image.GetPointData().GetScalars().Modified()
            image.Modified()
        self.keep()

    @property
    def _value(self) -> int:
        return int(self._node.GetSegmentation().GetSegment(self._id).GetLabelValue())

    def _image(self) -> Any:
        segmentation = self._node.GetSegmentation()
        image = segmentation.GetSegment(self._id).GetRepresentation(LABELMAP)
        # Compared here: IsSharedBinaryLabelmap of Slicer 5.13 says the opposite.
        sharing = [
            n
            for n in range(segmentation.GetNumberOfSegments())
            if segmentation.GetNthSegment(n).GetRepresentation(LABELMAP) is image
        ]
        if image is not None and len(sharing) > 1:
            segmentation.SeparateSegmentLabelmap(self._id)
            image = segmentation.GetSegment(self._id).GetRepresentation(LABELMAP)
        if image is None:
            raise SceneError(
                _(
                    "{name} no longer holds voxels; set its source representation to binary "
                    "labelmap, or segment again."
                ).format(name=self._node.GetName())
            )
        return image

    def _array(self) -> tuple[np.ndarray, tuple[int, ...]]:
        """The labelmap's voxels, a view, and the grid's index of its first one."""
        image = self._image()
        i0, i1, j0, j1, k0, k1 = image.GetExtent()
        scalars = image.GetPointData().GetScalars()
        shape = (k1 - k0 + 1, j1 - j0 + 1, i1 - i0 + 1)
        if scalars is None or min(shape) <= 0:
            return np.zeros((0, 0, 0), np.uint8), (0, 0, 0)
        offset = self._offset(image)
        start = tuple(int(o + e) for o, e in zip(offset, (k0, j0, i0), strict=True))
        return vtk_to_numpy(scalars).reshape(shape), start

    def _offset(self, image: Any) -> np.ndarray:
        """Whole voxels (D, H, W) from the grid's first to the labelmap's index 0."""
        matrix = vtk.vtkMatrix4x4()
        image.GetImageToWorldMatrix(matrix)
        between = np.linalg.inv(array_of(ijk_to_ras(self._grid))) @ array_of(matrix)
        offset = np.rint(between[:3, 3])
        same_axes = np.allclose(between[:3, :3], np.eye(3), atol=1e-3)
        if not same_axes or np.abs(between[:3, 3] - offset).max() > 1e-2:
            raise SceneError(
                _(
                    "{name} no longer lies on the grid of its image; undo the change of its "
                    "geometry, or segment again."
                ).format(name=self._node.GetName())
            )
        return offset[::-1]

    def _make_room(self) -> None:
        """Grow the labelmap, in place, until it covers the box."""
        voxels, start = self._array()
        if voxels.size:
            held = tuple(slice(a, a + n) for a, n in zip(start, voxels.shape, strict=True))
            covers = all(
                h.start <= s.start and h.stop >= s.stop
                for h, s in zip(held, self._box, strict=True)
            )
            if covers:
                return
        else:
            held = self._box
        d, h, w = (
            slice(min(a.start, b.start), max(a.stop, b.stop))
            for a, b in zip(held, self._box, strict=True)
        )
        grown = oriented_image(self._grid, (d, h, w))
        if voxels.size:
            shape = tuple(s.stop - s.start for s in (d, h, w))
            target = vtk_to_numpy(grown.GetPointData().GetScalars()).reshape(shape)
            place = tuple(
                slice(a.start - b.start, a.stop - b.start)
                for a, b in zip(held, (d, h, w), strict=True)
            )
            target[place] = voxels
        self._image().DeepCopy(grown)


def _overlap(
    box: Box, start: tuple[int, ...], shape: tuple[int, ...]
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Where a box and an array that begins at ``start`` meet: as slices of either."""
    here, there = [], []
    for side, first, size in zip(box, start, shape, strict=True):
        low, high = max(side.start, first), min(side.stop, first + size)
        high = max(high, low)
        here.append(slice(low - side.start, high - side.start))
        there.append(slice(low - first, high - first))
    return tuple(here), tuple(there)
