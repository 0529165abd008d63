"""The fast way back gives what the general one gives."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ParetoSegLib.core.geometry import Grid
from ParetoSegLib.data.preprocessing import WayBack
from ParetoSegLib.data.resampling import working_grid
from ParetoSegLib.model.way_back import restore

OBLIQUE = (0.96, -0.28, 0.0, 0.28, 0.96, 0.0, 0.0, 0.0, 1.0)
STRAIGHT = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@st.composite
def ways_back(draw):
    shape = draw(st.tuples(*[st.integers(3, 24)] * 3))
    spacing = draw(st.tuples(*[st.sampled_from([0.43, 0.5, 0.9, 1.0, 1.5, 3.0, 5.0])] * 3))
    direction = draw(st.sampled_from([STRAIGHT, OBLIQUE]))
    reference = Grid(shape, spacing, (-31.5, 12.25, 7.0), direction)
    working = working_grid(reference, (1.0, 1.0, 1.0))
    box = []
    for n in working.shape:
        start = draw(st.integers(0, n - 1))
        box.append(slice(start, draw(st.integers(start + 1, n))))
    return WayBack(reference, working, tuple(box))


@settings(max_examples=60)
@given(ways_back(), st.integers(0, 99))
def test_it_equals_the_general_resampler(way_back, seed):
    shape = tuple(s.stop - s.start for s in way_back.box)
    membership = np.random.default_rng(seed).random((2, *shape), np.float32)
    fast, general = restore(membership, way_back), way_back.restore(membership)
    assert fast.dtype == np.float32
    assert fast.shape == general.shape
    # A voxel exactly on the crop's rim may count as inside for one and outside for the other.
    assert not _clear_rim(way_back) or np.abs(fast - general).max() < 1e-4
    assert fast.min() >= 0
    assert fast.max() <= 1


def _clear_rim(way_back):
    """Whether no voxel of the reference lies exactly on a face of the crop."""
    source = way_back.working.cropped(way_back.box)
    back = np.linalg.inv(source.affine)
    for axis, n in enumerate(way_back.reference.shape):
        indices = np.zeros((n, 3))
        indices[:, axis] = np.arange(n)
        place = (way_back.reference.positions(indices) @ back[:3, :3].T + back[:3, 3])[:, axis]
        if np.isclose(place, -0.5, atol=1e-6).any():
            return False
        if np.isclose(place, source.shape[axis] - 0.5, atol=1e-6).any():
            return False
    return True


def test_on_equal_grids_every_value_is_the_one_given():
    grid = Grid((6, 7, 8), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), STRAIGHT)
    box = (slice(1, 4), slice(2, 7), slice(0, 8))
    membership = np.random.default_rng(0).random((3, 3, 5, 8), np.float32)
    found = restore(membership, WayBack(grid, grid, box))
    assert np.array_equal(found[(slice(None), *box)], membership)
    assert np.count_nonzero(found) == membership.size
