"""Known misalignments are recovered, absurd ones refused, and a run can be repeated."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from ParetoSegLib.core.geometry import Grid
from ParetoSegLib.data import registration
from ParetoSegLib.data.registration import (
    HEADER,
    Rigid,
    _about_origin,
    _turn_degrees,
    covered_share,
    register,
    rigid_transform,
)

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
GRID = Grid((36, 44, 40), (4.0, 4.0, 4.0), (-80.0, -88.0, -72.0), IDENTITY)
LANDMARKS = [(x, y, z) for x in (-40.0, 40) for y in (-45.0, 45) for z in (-35.0, 35)]


@pytest.fixture
def _few_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """The phantom has no fine detail: few samples will do, and take a quarter of the time."""
    monkeypatch.setattr(registration, "SAMPLES", (4_000, 4_000, 5_000))


def phantom(points: np.ndarray, contrast: str) -> np.ndarray:
    """Intensity of a lopsided head at LPS points ``(N, 3)``; two contrasts of one anatomy."""
    x, y, z = points.T
    scalp, brain, ventricle, eye, lesion = {
        "t1": (400.0, 200.0, 60.0, 90.0, 350.0),
        "flair": (150.0, 260.0, 30.0, 60.0, 400.0),
    }[contrast]

    def ball(cx: float, cy: float, cz: float, rx: float, ry: float, rz: float) -> np.ndarray:
        r = np.sqrt(((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 + ((z - cz) / rz) ** 2)
        return np.clip((1 - r) * min(rx, ry, rz) / 4 + 0.5, 0, 1)  # edges 4 mm wide

    value = scalp * ball(0, 0, 0, 66, 78, 62)
    folds = 1 + 0.25 * np.sin(x / 9) * np.sin(y / 11 + 1) * np.sin(z / 8 + 2)
    for weight, where in (
        (brain * folds, ball(0, 2, 4, 56, 68, 50)),
        (ventricle, ball(10, 5, 8, 9, 26, 12)),
        (ventricle, ball(-10, 8, 10, 8, 22, 14)),
        (eye, ball(28, -66, -18, 12, 12, 12)),
        (eye, ball(-28, -66, -18, 12, 12, 12)),
        (lesion, ball(-30, 25, 15, 11, 13, 12)),
    ):
        value = value * (1 - where) + weight * where
    return value


def image(grid: Grid, contrast: str, to_anatomy: sitk.Transform | None = None) -> np.ndarray:
    """The phantom on a grid, with a little noise; ``to_anatomy`` maps the grid's points to it."""
    points = grid.positions(np.argwhere(np.ones(grid.shape, bool)))
    if to_anatomy is not None:
        points = np.array([to_anatomy.TransformPoint(p) for p in points.tolist()])
    noise = np.random.default_rng(1).normal(0, 4, grid.shape)
    return (phantom(points, contrast).reshape(grid.shape) + noise).astype(np.float32)


def largest_error_mm(found: Rigid, truth: sitk.Transform) -> float:
    transform = rigid_transform(found)
    return max(
        float(np.linalg.norm(np.subtract(transform.TransformPoint(p), truth.TransformPoint(p))))
        for p in LANDMARKS
    )


def motion(angles: tuple[float, float, float], shift: tuple[float, float, float]) -> sitk.Transform:
    transform = sitk.Euler3DTransform()
    transform.SetRotation(*angles)
    transform.SetTranslation(shift)
    return transform


MOTIONS = pytest.mark.parametrize(
    ("angles", "shift", "shape", "spacing_mm"),
    [
        ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (36, 44, 40), (4.0, 4.0, 4.0)),
        ((0.1, -0.08, 0.12), (6.0, -8.0, 5.0), (36, 44, 40), (4.0, 4.0, 4.0)),
        ((-0.03, 0.05, 0.2), (-10.0, 4.0, -3.0), (24, 60, 56), (6.0, 3.0, 3.0)),
    ],
    ids=["still", "moved", "thick slices"],
)


def assert_recovered(
    angles: tuple[float, float, float],
    shift: tuple[float, float, float],
    shape: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
) -> None:
    """The transform that is found lands every landmark within a millimetre."""
    truth = motion(angles, shift)
    other = Grid(shape, spacing_mm, (-80.0, -88.0, -72.0), IDENTITY)
    moved = image(other, "flair", truth.GetInverse())
    found, why = register(image(GRID, "t1"), GRID, moved, other, seed=0)
    assert why is None
    assert largest_error_mm(found, truth) < 1.0


@MOTIONS
@pytest.mark.usefixtures("_few_samples")
def test_a_known_motion_is_recovered(
    angles: tuple[float, float, float],
    shift: tuple[float, float, float],
    shape: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
) -> None:
    assert_recovered(angles, shift, shape, spacing_mm)


@pytest.mark.slow
@MOTIONS
def test_a_known_motion_is_recovered_with_all_samples(
    angles: tuple[float, float, float],
    shift: tuple[float, float, float],
    shape: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
) -> None:
    assert_recovered(angles, shift, shape, spacing_mm)


@pytest.mark.usefixtures("_few_samples")
def test_equal_inputs_give_equal_transforms_and_the_seed_matters_little() -> None:
    truth = motion((0.05, 0.02, -0.06), (3.0, 4.0, -2.0))
    reference, moved = image(GRID, "t1"), image(GRID, "flair", truth.GetInverse())
    threads = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    first, _ = register(reference, GRID, moved, GRID, seed=0)
    again, _ = register(reference, GRID, moved, GRID, seed=0)
    assert first == again
    other, _ = register(reference, GRID, moved, GRID, seed=7)
    assert other != first
    assert largest_error_mm(other, rigid_transform(first)) < 1.0
    assert sitk.ProcessObject.GetGlobalDefaultNumberOfThreads() == threads


@pytest.mark.usefixtures("_few_samples")
def test_an_implausible_motion_is_refused() -> None:
    truth = motion((0.0, 0.0, 0.1), (45.0, 0.0, 0.0))
    other = Grid((36, 44, 60), (4.0, 4.0, 4.0), (-80.0, -88.0, -72.0), IDENTITY)
    found, why = register(
        image(GRID, "t1"), GRID, image(other, "t1", truth.GetInverse()), other, seed=0
    )
    assert found == HEADER
    assert why is not None
    assert "moved it by" in why


@pytest.mark.usefixtures("_few_samples")
@pytest.mark.parametrize("far_mm", [0.0, 4000.0])
def test_nothing_to_match_keeps_the_header(far_mm: float) -> None:
    flat = np.zeros(GRID.shape, np.float32)
    other = Grid(GRID.shape, GRID.spacing_mm, (far_mm, 0.0, 0.0), IDENTITY)
    found, why = register(image(GRID, "t1"), GRID, flat, other, seed=0)
    assert found == HEADER
    assert why


@given(
    st.tuples(*[st.floats(-0.6, 0.6)] * 3),
    st.tuples(*[st.floats(-40, 40)] * 3),
    st.tuples(*[st.floats(-300, 300)] * 3),
)
@settings(deadline=None)
def test_a_motion_is_the_same_about_any_centre(
    angles: tuple[float, float, float],
    shift: tuple[float, float, float],
    centre: tuple[float, float, float],
) -> None:
    transform = sitk.Euler3DTransform()
    transform.SetCenter(centre)
    transform.SetRotation(*angles)
    transform.SetTranslation(shift)
    same = rigid_transform(_about_origin(transform))
    for point in LANDMARKS:
        assert same.TransformPoint(point) == pytest.approx(
            transform.TransformPoint(point), abs=1e-6
        )


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_turn_is_the_angle_whatever_the_axis(axis: int) -> None:
    angles = [0.0, 0.0, 0.0]
    angles[axis] = np.radians(20)
    assert _turn_degrees(motion(tuple(angles), (0, 0, 0))) == pytest.approx(20)  # type: ignore[arg-type]


def test_coverage_is_read_off_the_headers() -> None:
    assert covered_share(GRID, GRID) == 1
    turned = tuple(rigid_transform((0.0, 0.0, 0.4, 0.0, 0.0, 0.0)).GetMatrix())
    assert 0.6 < covered_share(GRID, Grid(GRID.shape, GRID.spacing_mm, GRID.origin, turned)) < 1
    far = Grid(GRID.shape, GRID.spacing_mm, (500.0, 0.0, 0.0), IDENTITY)
    assert covered_share(GRID, far) == 0
