"""Grids that cover what they replace, interpolation that keeps what it can, masks that survive."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from ParetoSegLib.core.geometry import Grid, components
from ParetoSegLib.data.resampling import resample, resample_masks, working_grid

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
ISOTROPIC = (1.0, 1.0, 1.0)


def rotation(angles: tuple[float, float, float], flips: tuple[int, int, int]) -> tuple[float, ...]:
    transform = sitk.Euler3DTransform()
    transform.SetRotation(*angles)
    return tuple((np.array(transform.GetMatrix()).reshape(3, 3) * np.array(flips)).ravel().tolist())


@st.composite
def grids(draw: st.DrawFn, low_mm: float = 0.4, high_mm: float = 6.5) -> Grid:
    shape = tuple(draw(st.integers(1, 14)) for _ in range(3))
    spacing = tuple(draw(st.floats(low_mm, high_mm)) for _ in range(3))
    origin = tuple(draw(st.integers(-2000, 2000)) / 10 for _ in range(3))
    # Whole milliradians: ITK's matrix inverse fails on numbers like 1e-311.
    angles = tuple(draw(st.integers(-500, 500)) / 1000 for _ in range(3))
    flips = tuple(draw(st.sampled_from((-1, 1))) for _ in range(3))
    return Grid(shape, spacing, origin, rotation(angles, flips))  # type: ignore[arg-type]


def corners(grid: Grid) -> np.ndarray:
    """Outer corners of the field of view, in LPS millimetres."""
    ends = [(-0.5, n - 0.5) for n in grid.shape]
    return grid.positions(np.stack(np.meshgrid(*ends, indexing="ij"), -1).reshape(-1, 3))


@given(grids())
@settings(deadline=None)
def test_working_grid_covers_the_old_field_and_little_more(grid: Grid) -> None:
    target = working_grid(grid, ISOTROPIC)
    back = np.linalg.inv(target.affine)
    indices = corners(grid) @ back[:3, :3].T + back[:3, 3]
    assert (indices > -0.51).all()
    assert (indices < np.array(target.shape) - 0.49).all()
    extents = zip(target.shape, target.spacing_mm, grid.shape, grid.spacing_mm, strict=True)
    for n, s, old_n, old_s in extents:
        assert n * s < old_n * old_s + s + 1e-6
    assert target.direction == grid.direction


@given(grids(0.991, 1.009))
@settings(deadline=None)
def test_a_spacing_within_one_percent_is_left_alone(grid: Grid) -> None:
    assert working_grid(grid, ISOTROPIC) is grid


def test_only_the_axes_that_differ_change() -> None:
    target = working_grid(Grid((30, 20, 20), (5.0, 1.0, 1.004), (0, 0, 0), IDENTITY), ISOTROPIC)
    assert target.shape == (150, 20, 20)
    assert target.spacing_mm == (1.0, 1.0, 1.004)
    assert target.origin == pytest.approx((0.0, 0.0, -2.0))


@given(grids(), st.tuples(*[st.integers(-3, 3)] * 4))
@settings(deadline=None)
def test_a_linear_ramp_is_kept_between_voxel_centres(
    grid: Grid, ramp: tuple[int, int, int, int]
) -> None:
    target = working_grid(grid, (0.9, 0.9, 0.9))
    weights = np.array(ramp[:3])

    def values(of: Grid) -> np.ndarray:
        points = of.positions(np.argwhere(np.ones(of.shape, bool)))
        return (points @ weights + ramp[3]).reshape(of.shape)

    got = resample(values(grid), grid, target, antialias=False)
    back = np.linalg.inv(grid.affine)
    points = target.positions(np.argwhere(np.ones(target.shape, bool)))
    indices = (points @ back[:3, :3].T + back[:3, 3]).reshape(*target.shape, 3)
    inner = ((indices >= 0) & (indices <= np.array(grid.shape) - 1)).all(axis=-1)
    np.testing.assert_allclose(got[inner], values(target)[inner], atol=2e-2)


def test_fine_noise_is_smoothed_before_it_gets_coarser() -> None:
    rng = np.random.default_rng(0)
    grid = Grid((48, 48, 48), (0.5, 0.5, 0.5), (0, 0, 0), IDENTITY)
    noise = rng.normal(size=grid.shape)
    target = working_grid(grid, (2.0, 2.0, 2.0))
    smoothed = resample(noise, grid, target)
    plain = resample(noise, grid, target, antialias=False)
    assert smoothed.std() < 0.5 * plain.std()
    stripes = np.broadcast_to(np.arange(48) % 2, grid.shape).astype(np.float32)
    assert np.abs(resample(stripes, grid, target)[:, :, 2:-2] - 0.5).max() < 0.05


def test_smoothing_leaves_the_axes_that_stay_alone() -> None:
    grid = Grid((6, 8, 32), (5.0, 1.0, 0.5), (0, 0, 0), IDENTITY)
    rows = np.random.default_rng(1).normal(size=(6, 8, 1)).repeat(32, axis=2)
    target = working_grid(grid, (5.0, 1.0, 1.0))
    np.testing.assert_allclose(resample(rows, grid, target), rows[:, :, :16], atol=1e-5)


def test_outside_the_field_the_given_value_appears() -> None:
    grid = Grid((4, 4, 4), ISOTROPIC, (0, 0, 0), IDENTITY)
    target = Grid((4, 4, 8), ISOTROPIC, (0, 0, 0), IDENTITY)
    got = resample(np.ones(grid.shape), grid, target, outside=np.nan)
    assert np.isnan(got[:, :, 4:]).all()
    assert (got[:, :, :4] == 1).all()


@given(
    grids(),
    st.integers(0, 2**32 - 1),
    st.sampled_from([(1.0, 1.0, 1.0), (3.0, 3.0, 3.0), (0.7, 2.0, 5.0)]),
)
@settings(max_examples=60, deadline=None)
def test_no_component_of_a_mask_is_lost_and_nesting_stays(
    grid: Grid, seed: int, spacing_mm: tuple[float, float, float]
) -> None:
    rng = np.random.default_rng(seed)
    wt = rng.random(grid.shape) < 0.03
    wt[tuple(rng.integers(0, grid.shape))] = True
    tc = wt & (rng.random(grid.shape) < 0.6)
    et = tc & (rng.random(grid.shape) < 0.6)
    target = working_grid(grid, spacing_mm)
    moved = resample_masks({"et": et, "tc": tc, "wt": wt}, grid, target)
    half_diagonal = np.linalg.norm(target.spacing_mm) / 2
    for name, mask in (("et", et), ("tc", tc), ("wt", wt)):
        assert moved[name].dtype == bool
        assert moved[name].shape == target.shape
        assert moved[name].any() == mask.any()
        kept = target.positions(np.argwhere(moved[name]))
        labelled, boxes = components(mask)
        for number in range(1, len(boxes) + 1):
            own = grid.positions(np.argwhere(labelled == number))
            distance = np.linalg.norm(own[:, None] - kept[None], axis=2)
            assert distance.min() <= half_diagonal + 1e-3
    assert not (moved["et"] & ~moved["tc"]).any()
    assert not (moved["tc"] & ~moved["wt"]).any()


@pytest.mark.parametrize("corner", [(0, 0, 0), (9, 11, 13), (0, 11, 5)])
def test_a_single_voxel_at_the_edge_survives_a_coarser_grid(corner: tuple[int, int, int]) -> None:
    grid = Grid((10, 12, 14), (0.5, 0.5, 0.5), (3, 4, 5), rotation((0.2, -0.1, 0.3), (-1, 1, -1)))
    mask = np.zeros(grid.shape, bool)
    mask[corner] = True
    target = working_grid(grid, (2.0, 2.0, 2.0))
    moved = resample_masks({"tc": mask}, grid, target)["tc"]
    assert moved.sum() == 1
    distance = target.positions(np.argwhere(moved)) - grid.positions(np.array([corner]))
    assert np.linalg.norm(distance) <= 1.75  # half a diagonal of a 2 mm voxel


def test_the_volume_of_a_ball_is_kept() -> None:
    grid = Grid((12, 40, 40), (5.0, 1.0, 1.0), (0, 0, 0), IDENTITY)
    index = np.argwhere(np.ones(grid.shape, bool))
    distance = np.linalg.norm(
        grid.positions(index) - grid.positions(np.array([[6, 20, 20]])), axis=1
    )
    ball = (distance < 13).reshape(grid.shape)
    target = working_grid(grid, ISOTROPIC)
    moved = resample_masks({"tc": ball}, grid, target)["tc"]
    assert moved.sum() * target.voxel_mm3 == pytest.approx(ball.sum() * grid.voxel_mm3, rel=0.08)
