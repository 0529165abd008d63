"""Volumes keep their place in space on the way to arrays and back."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import vtk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ParetoSegPanel.volumes import (
    add_volume,
    array_of,
    grid_of,
    ijk_to_ras,
    image_of,
    matrix_of,
    ras_of,
)

from ParetoSegLib.core.errors import GeometryError
from ParetoSegLib.core.geometry import Grid


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    """Any shape, spacing and orientation, mirrored ones among them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    turned, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    direction = tuple(float(v) for v in turned.ravel())
    shape = tuple(int(n) for n in rng.integers(1, 6, 3))
    spacing = tuple(float(v) for v in rng.uniform(0.4, 5.0, 3))
    return Grid(shape, spacing, tuple(float(v) for v in rng.normal(0, 50, 3)), direction)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(grid=grids())
def test_an_image_comes_back_as_it_went_in(scene, grid):
    array = np.random.default_rng(0).normal(size=grid.shape).astype(np.float32)
    node = add_volume(array, grid, "image")
    back, where = image_of(node)
    scene.RemoveNode(node)
    assert np.array_equal(back, array)
    assert back.dtype == np.float32
    assert where.shape == grid.shape
    assert where.matches(grid, 1e-6)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(grid=grids())
def test_a_voxel_lies_where_slicer_says(scene, grid):
    matrix = array_of(ijk_to_ras(grid))
    index = np.array([[n - 1 for n in grid.shape]])
    lps = grid.positions(index)[0]
    ras = (matrix @ [*index[0][::-1], 1])[:3]
    assert np.allclose(ras, ras_of(tuple(lps)))
    assert np.allclose(array_of(matrix_of(matrix)), matrix)


def test_the_array_is_a_copy(scene):
    node = slicer.util.addVolumeFromArray(np.ones((3, 4, 5), np.float32))
    array, _ = image_of(node)
    array[:] = 7
    assert (slicer.util.arrayFromVolume(node) == 1).all()


def test_whole_numbers_become_float(scene):
    node = slicer.util.addVolumeFromArray(np.full((2, 2, 2), 300, np.int16))
    array, _ = image_of(node)
    assert array.dtype == np.float32
    assert (array == 300).all()


def test_a_volume_under_a_transform_is_refused(scene):
    node = slicer.util.addVolumeFromArray(np.ones((3, 3, 3)), name="Moved")
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Shift")
    node.SetAndObserveTransformNodeID(transform.GetID())
    with pytest.raises(GeometryError, match="Moved lies under the transform Shift"):
        image_of(node)


def test_a_tilted_gantry_is_refused(scene):
    node = slicer.util.addVolumeFromArray(np.ones((3, 3, 3)), name="Gantry")
    sheared = np.eye(4)
    sheared[1, 2] = 0.2
    node.SetIJKToRASMatrix(matrix_of(sheared))
    with pytest.raises(GeometryError, match="right angles"):
        grid_of(node)


def test_an_empty_volume_is_refused(scene):
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Nothing")
    with pytest.raises(GeometryError, match="Nothing is empty"):
        image_of(node)


def test_colours_are_refused(scene):
    node = scene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "Photograph")
    image = vtk.vtkImageData()
    image.SetDimensions(3, 3, 3)
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 3)
    node.SetAndObserveImageData(image)
    with pytest.raises(GeometryError, match="Photograph holds 3 values a voxel"):
        image_of(node)


def test_an_array_must_fit_its_grid(scene):
    grid = Grid((2, 3, 4), (1, 1, 1), (0, 0, 0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    with pytest.raises(ValueError, match="shape"):
        add_volume(np.zeros((4, 3, 2)), grid, "image")
