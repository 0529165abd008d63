"""A segment can be read and written wherever Slicer has put its voxels."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import vtk
from ParetoSegPanel.case_record import SceneError
from ParetoSegPanel.segment_voxels import LABELMAP, SegmentVoxels
from ParetoSegPanel.volumes import oriented_image
from vtk.util.numpy_support import vtk_to_numpy

from ParetoSegLib.core.geometry import Grid

GRID = Grid((6, 8, 10), (2.0, 1.0, 0.5), (3.0, -4.0, 5.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
BOX = (slice(1, 5), slice(2, 7), slice(3, 9))
SHAPE = (4, 5, 6)


@pytest.fixture
def node(scene):
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Result")
    node.CreateDefaultDisplayNodes()
    return node


def add(node, box, array=None):
    """A segment whose labelmap covers ``box`` and holds ``array``."""
    segment = slicer.vtkSegment()
    image = oriented_image(GRID, box)
    if array is not None:
        vtk_to_numpy(image.GetPointData().GetScalars()).reshape(array.shape)[:] = array
    segment.AddRepresentation(LABELMAP, image)
    node.GetSegmentation().AddSegment(segment, "TC")
    return SegmentVoxels(node, "TC", GRID, BOX)


@pytest.mark.parametrize(
    "held",
    [
        BOX,
        (slice(0, 6), slice(0, 8), slice(0, 10)),
        (slice(2, 4), slice(3, 5), slice(4, 6)),
        (slice(0, 2), slice(0, 3), slice(0, 4)),
    ],
    ids=["the same", "larger", "trimmed", "beside"],
)
def test_what_is_written_is_read_and_the_rest_stays(node, held):
    rng = np.random.default_rng(0)
    shape = tuple(s.stop - s.start for s in held)
    before = rng.random(shape) < 0.5
    voxels = add(node, held, before.astype(np.uint8))
    whole = np.zeros(GRID.shape, bool)
    whole[held] = before
    assert np.array_equal(voxels.read(), whole[BOX])

    chosen = rng.choice(np.prod(SHAPE), 30, replace=False)
    values = rng.random(30) < 0.5
    voxels.write(chosen, values)
    expected = whole[BOX].copy()
    expected.ravel()[chosen] = values
    assert np.array_equal(voxels.read(), expected)
    everywhere = SegmentVoxels(node, "TC", GRID, tuple(slice(0, n) for n in GRID.shape))
    whole[BOX] = expected
    assert np.array_equal(everywhere.read(), whole)


def test_an_empty_labelmap_reads_as_nothing_and_can_be_written(node):
    segment = slicer.vtkSegment()
    segment.AddRepresentation(LABELMAP, slicer.vtkOrientedImageData())
    node.GetSegmentation().AddSegment(segment, "TC")
    voxels = SegmentVoxels(node, "TC", GRID, BOX)
    assert not voxels.read().any()
    voxels.write(np.array([7]), np.array([True]))
    assert np.flatnonzero(voxels.read().ravel()).tolist() == [7]


def test_own_writing_is_told_from_others(node):
    voxels = add(node, BOX)
    assert voxels.touched
    voxels.write(np.array([0]), np.array([True]))
    assert not voxels.touched
    node.GetSegmentation().GetSegment("TC").GetRepresentation(LABELMAP).Modified()
    assert voxels.touched


def test_writing_nothing_disturbs_nobody(node):
    voxels = add(node, BOX)
    image = node.GetSegmentation().GetSegment("TC").GetRepresentation(LABELMAP)
    before = image.GetMTime()
    voxels.write(np.empty(0, int), np.empty(0, bool))
    assert image.GetMTime() == before


def test_another_geometry_is_refused(node):
    voxels = add(node, BOX)
    turned = vtk.vtkMatrix4x4()
    turned.SetElement(0, 0, 0.3)
    node.GetSegmentation().GetSegment("TC").GetRepresentation(LABELMAP).SetImageToWorldMatrix(
        turned
    )
    with pytest.raises(SceneError, match="no longer lies on the grid"):
        voxels.read()


def test_a_surface_alone_is_refused(node):
    voxels = add(node, BOX)
    node.GetSegmentation().GetSegment("TC").RemoveRepresentation(LABELMAP)
    with pytest.raises(SceneError, match="no longer holds voxels"):
        voxels.read()


def test_a_removed_segment_is_known_to_be_gone(node):
    voxels = add(node, BOX)
    assert voxels.exists
    node.GetSegmentation().RemoveSegment("TC")
    assert not voxels.exists
