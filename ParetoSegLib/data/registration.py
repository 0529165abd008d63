"""Rigid alignment of one image of a patient to another by mutual information.

Mattes et al., "PET-CT image registration in the chest using free-form deformations" (IEEE TMI
2003), in SimpleITK's implementation; from coarse to fine, starting where the headers say.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import SimpleITK as sitk

from ParetoSegLib.core.geometry import Grid
from ParetoSegLib.data.resampling import resample, working_grid

_log = logging.getLogger(__name__)

_one_thread = threading.Lock()

Rigid = tuple[float, float, float, float, float, float]
"""Rotations about x, y, z (radians; R = Rz·Rx·Ry) and a translation in mm, about the LPS origin:
maps a point of the reference to the same anatomy in the other image, p ↦ R·p + t."""

HEADER: Rigid = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
"""Alignment by the headers alone."""

LARGEST_SHIFT_MM = 30.0
LARGEST_TURN_DEGREES = 30.0
"""Beyond these a patient's images of one session do not differ: the search went astray."""

FINEST_MM = 2.0
SHRINK = (4, 2, 1)
SMOOTHING_MM = (4.0, 2.0, 0.0)
SAMPLES = (15_000, 20_000, 30_000)
"""Per level: shrinking of the 2 mm images, smoothing, and voxels that the metric looks at."""


def rigid_transform(parameters: Rigid) -> sitk.Euler3DTransform:
    """The SimpleITK transform of ``parameters``."""
    transform = sitk.Euler3DTransform()
    transform.SetParameters([float(v) for v in parameters])
    return transform


def covered_share(reference: Grid, other: Grid) -> float:
    """Share of the reference's field of view that lies inside the other's, by their headers."""
    steps = [np.linspace(0, n - 1, min(n, 24)) for n in reference.shape]
    points = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 3)
    back = np.linalg.inv(other.affine)
    indices = reference.positions(points) @ back[:3, :3].T + back[:3, 3]
    inside = (indices >= -0.5) & (indices <= np.array(other.shape) - 0.5)
    return float(inside.all(axis=1).mean())


def register(
    reference: np.ndarray, reference_grid: Grid, other: np.ndarray, other_grid: Grid, seed: int
) -> tuple[Rigid, str | None]:
    """Find the rigid transform from the reference's space to the other image's.

    Equal inputs give equal results, bit for bit: sampling is seeded and the search runs on one
    thread, because several add their parts of the metric in the order in which they finish.

    Args:
        reference: ``(D, H, W)``, any unit.
        reference_grid: where it is.
        other: the image to align, any unit and shape.
        other_grid: where it is.
        seed: of the metric's random samples.

    Returns:
        The transform, and ``None``; or ``HEADER`` and why the headers' alignment was kept: the
        search failed, made the match worse, or moved the head by more than 30 mm or 30°.
    """
    fixed = _coarse(reference, reference_grid)
    moving = _coarse(other, other_grid)
    start = sitk.Euler3DTransform()
    start.SetCenter(_middle_of_mass(fixed))
    method = _method(fixed, seed)
    try:
        with _single_threaded():
            method.SetInitialTransform(start, inPlace=False)
            before = method.MetricEvaluate(fixed, moving)
            found = sitk.Euler3DTransform(method.Execute(fixed, moving).GetBackTransform())
            method.SetInitialTransform(found, inPlace=False)
            after = method.MetricEvaluate(fixed, moving)
    except RuntimeError as error:
        _log.info("registration failed: %s", str(error).strip().splitlines()[-1])
        return HEADER, "registration found no overlap to work with"
    shift_mm = float(np.linalg.norm(found.GetTranslation()))
    turn = _turn_degrees(found)
    if shift_mm > LARGEST_SHIFT_MM or turn > LARGEST_TURN_DEGREES:
        return HEADER, f"registration moved it by {shift_mm:.0f} mm and {turn:.0f}°"
    if not after < before:  # SimpleITK minimises the negative mutual information
        return HEADER, "registration made the match no better"
    return _about_origin(found), None


@contextmanager
def _single_threaded() -> Iterator[None]:
    """Run SimpleITK on one thread; the metric obeys the process's setting, not the method's."""
    with _one_thread:
        threads = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
        try:
            yield
        finally:
            sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)


def _coarse(array: np.ndarray, grid: Grid) -> sitk.Image:
    """The image at ``FINEST_MM``, smoothed as that needs, along its own axes."""
    target = working_grid(grid, (FINEST_MM, FINEST_MM, FINEST_MM))
    low = float(array.min())
    return target.image(resample(array, grid, target, outside=low))


def _middle_of_mass(image: sitk.Image) -> tuple[float, ...]:
    """Mean position of the voxels above the mean: the middle of the head, more or less."""
    array = sitk.GetArrayViewFromImage(image)
    bright = np.argwhere(array > array.mean())
    middle = bright.mean(axis=0) if len(bright) else (np.array(array.shape) - 1) / 2
    return image.TransformContinuousIndexToPhysicalPoint([float(v) for v in middle[::-1]])


def _method(fixed: sitk.Image, seed: int) -> sitk.ImageRegistrationMethod:
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(32)
    method.SetInterpolator(sitk.sitkLinear)
    voxels = fixed.GetNumberOfPixels()
    shares = [min(1.0, n / max(1, voxels // k**3)) for n, k in zip(SAMPLES, SHRINK, strict=True)]
    method.SetMetricSamplingStrategy(method.RANDOM)
    # A seed of 0 means "by the clock" to SimpleITK.
    method.SetMetricSamplingPercentagePerLevel(shares, seed % (2**31 - 2) + 1)
    method.SetShrinkFactorsPerLevel(SHRINK)
    method.SetSmoothingSigmasPerLevel(SMOOTHING_MM)
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    # Steps that shrink faster than by 0.8 stop short of a small rotation; nor may a flat metric
    # end the search, whose scale depends on the images.
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=4.0,
        minStep=0.02,
        numberOfIterations=150,
        relaxationFactor=0.8,
        gradientMagnitudeTolerance=1e-8,
    )
    method.SetOptimizerScalesFromPhysicalShift()
    return method


def _turn_degrees(transform: sitk.Euler3DTransform) -> float:
    """The angle of the whole rotation, whatever its axis."""
    trace = float(np.trace(np.array(transform.GetMatrix()).reshape(3, 3)))
    return math.degrees(math.acos(max(-1.0, min(1.0, (trace - 1) / 2))))


def _about_origin(transform: sitk.Euler3DTransform) -> Rigid:
    """The same motion, written about the LPS origin."""
    x, y, z = transform.TransformPoint((0.0, 0.0, 0.0))
    rx, ry, rz = transform.GetAngleX(), transform.GetAngleY(), transform.GetAngleZ()
    return (rx, ry, rz, x, y, z)
