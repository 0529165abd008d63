"""A scanner: point spread, motion, receive field, slices, noise and an arbitrary scale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ParetoSegLib.data.synthesis.contrast import Anchors
from ParetoSegLib.data.synthesis.fields import SmoothField, grain
from ParetoSegLib.data.synthesis.heads import Head


@dataclass(frozen=True)
class Protocol:
    """How one sequence is acquired.

    Args:
        noise: standard deviation of the Rician noise, in the image's units; 0 for none.
        bias: standard deviation of the logarithm of the receive field.
        blur_mm: standard deviation of the point spread.
        slice_mm: thickness of the slices; 0 for slices as thin as the grid.
        axis: across which the slices lie.
        nearest: whether slices are repeated instead of interpolated to fill the grid.
        shift: voxels between the two positions of a head that moved; 0 for none.
        ghost: brightness of the ghost along the second axis, as a share of the image.
    """

    noise: float = 0.0
    bias: float = 0.0
    blur_mm: float = 0.0
    slice_mm: float = 0.0
    axis: int = 0
    nearest: bool = False
    shift: int = 0
    ghost: float = 0.0


def draw_protocols(
    rng: np.random.Generator,
    anchors: Mapping[str, Anchors],
    painted: bool,
    noise: tuple[float, float],
    thick_share: float,
    slice_mm: tuple[float, float],
) -> dict[str, Protocol]:
    """Draw one examination: sequences share a field strength and mostly their slices.

    Args:
        rng: of everything.
        anchors: of the images to be scanned.
        painted: whether they are painted; real ones bring noise and blur along.
        noise: least and most noise as a share of brain's brightness.
        thick_share: share of examinations with thick slices in some or all sequences.
        slice_mm: the thinnest and thickest of them.
    """
    # At 1.5 T there is about half the signal of 3 T for the same noise, and less bias.
    weak_field = rng.random() < 0.45
    least, most = np.log(noise)
    middle = 0.5 * (least + most)
    level = rng.uniform(middle, most) if weak_field else rng.uniform(least, middle)
    bias = rng.uniform(0.0, 0.12) if weak_field else rng.uniform(0.02, 0.2)
    thick = rng.random() < thick_share
    thickness = rng.uniform(*slice_mm)
    axis = int(rng.choice(3, p=[0.7, 0.15, 0.15]))
    volumetric = rng.random() < 0.5  # T1c is often a 3D sequence where the others are not
    nearest = bool(rng.random() < 0.15)
    protocols = {}
    for modality, a in anchors.items():
        share = float(np.exp(level + rng.normal(0, 0.25)))
        quiet = 0.0 if rng.random() < 0.5 else 0.5
        sliced = thick and rng.random() < 0.9 and not (volumetric and modality == "t1c")
        other = int(rng.integers(3)) if rng.random() < 0.15 else axis
        protocols[modality] = Protocol(
            noise=share * max(a.white, a.grey) * (1.0 if painted else quiet),
            bias=float(bias * rng.uniform(0.5, 1.2) * (1.0 if painted else 0.7)),
            blur_mm=float(max(0.0, rng.uniform(-0.6, 0.7))),
            slice_mm=float(thickness * rng.uniform(0.85, 1.15)) if sliced else 0.0,
            axis=other,
            nearest=nearest,
            shift=int(rng.integers(1, 4)) if rng.random() < 0.05 else 0,
            ghost=float(rng.uniform(0.02, 0.09)) if rng.random() < 0.07 else 0.0,
        )
    return protocols


def acquire(
    images: dict[str, np.ndarray],
    head: Head,
    protocols: Mapping[str, Protocol],
    rng: np.random.Generator,
) -> None:
    """Scan images in place; outside a stripped brain they become 0."""
    inside = None if head.whole else head.tissues > 0
    # Where a real brain was cut out, zeros around it must not leak into its edge.
    leaks = inside if head.images and inside is not None else None
    for modality, image in images.items():
        image = scan(image, rng, head.grid.spacing_mm, protocols[modality], leaks)
        if not head.images:
            image *= np.float32(np.exp(rng.uniform(np.log(250), np.log(900))))
        if inside is not None:
            image *= inside
        images[modality] = image


def scan(
    image: np.ndarray,
    rng: np.random.Generator,
    spacing_mm: tuple[float, float, float],
    protocol: Protocol,
    inside: np.ndarray | None = None,
) -> np.ndarray:
    """What a scanner would record of an image ``(D, H, W)``; float32, never negative.

    Args:
        image: not changed.
        rng: of bias field, noise and where slices begin.
        spacing_mm: of the grid.
        protocol: the acquisition.
        inside: bool; where given, only these voxels are averaged by blur and slices.
    """
    from scipy import ndimage

    sigma = [protocol.blur_mm / step for step in spacing_mm]
    moved = max(sigma) > 0.15

    def smeared(array: np.ndarray) -> np.ndarray:
        return ndimage.gaussian_filter(array, sigma, mode="nearest", truncate=2.6)

    out = smeared(image) if moved else np.array(image, np.float32)
    weight = None
    if inside is not None:
        weight = smeared(inside.astype(np.float32)) if moved else inside.astype(np.float32)
    if protocol.shift:
        out *= np.float32(0.65)
        out += np.float32(0.35) * np.roll(image, protocol.shift, axis=1)
        if weight is not None:
            weight = 0.65 * weight + 0.35 * np.roll(weight, protocol.shift, axis=1)
    if protocol.ghost > 0:
        echo = np.roll(out, int(rng.integers(out.shape[1] // 4, out.shape[1] // 2 + 1)), axis=1)
        out += np.float32(protocol.ghost) * echo
    if protocol.bias > 0:
        extent = max(n * step for n, step in zip(image.shape, spacing_mm, strict=True))
        length = rng.uniform(0.25, 0.5) * extent
        field = SmoothField.draw(rng, length, modes=12).on_grid(image.shape, spacing_mm)
        field *= np.float32(protocol.bias)
        out *= np.exp(field, out=field)
    thick = round(protocol.slice_mm / spacing_mm[protocol.axis])
    if thick >= 2:
        phase = int(rng.integers(thick))
        size = out.shape[protocol.axis]
        out = _slices(out, protocol.axis, thick, phase)
        if weight is not None:
            weight = _slices(weight, protocol.axis, thick, phase)
            weight = _filled(weight, protocol.axis, thick, phase, size, protocol.nearest)
        _add_noise(out, protocol.noise, rng)
        out = _filled(out, protocol.axis, thick, phase, size, protocol.nearest)
    else:
        _add_noise(out, protocol.noise, rng)
    if weight is not None and inside is not None:
        out = np.where(inside, out / np.maximum(weight, np.float32(0.15)), np.float32(0))
    return out.astype(np.float32, copy=False)


def _add_noise(image: np.ndarray, noise: float, rng: np.random.Generator) -> None:
    """Rician noise, in place: the magnitude of a signal with noise in both of its channels."""
    if noise <= 0:
        return
    real, imaginary = grain(rng, image.shape, 0), grain(rng, image.shape, 0)
    real *= np.float32(noise)
    image += real
    imaginary *= np.float32(noise)
    np.hypot(image, imaginary, out=image)


def _slices(image: np.ndarray, axis: int, thick: int, phase: int) -> np.ndarray:
    """Means over slabs of ``thick`` voxels; the first slab begins ``phase`` voxels early."""
    size = image.shape[axis]
    starts = np.arange(-phase, size, thick).clip(0)
    counts = np.diff(np.append(starts, size)).astype(np.float32)
    view = [1, 1, 1]
    view[axis] = -1
    return np.asarray(np.add.reduceat(image, starts, axis=axis) / counts.reshape(view))


def _filled(
    slabs: np.ndarray, axis: int, thick: int, phase: int, size: int, nearest: bool
) -> np.ndarray:
    """Slabs back on the grid: each repeated, or interpolated linearly between their middles."""
    at = (np.arange(size) + phase - 0.5 * (thick - 1)) / thick
    last = slabs.shape[axis] - 1
    if nearest:
        return np.take(slabs, np.clip(np.rint(at), 0, last).astype(int), axis)
    lower = np.clip(np.floor(at), 0, last).astype(int)
    upper = np.minimum(lower + 1, last)
    view = [1, 1, 1]
    view[axis] = size
    part = np.clip(at - lower, 0, 1).astype(np.float32).reshape(view)
    result = np.take(slabs, lower, axis)
    result *= 1 - part
    result += np.take(slabs, upper, axis) * part
    return result
