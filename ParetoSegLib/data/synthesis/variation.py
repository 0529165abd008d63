"""Other people's heads out of one: mirrored, turned, scaled, deformed, fuller or emptier."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ParetoSegLib.core.geometry import bounding_box
from ParetoSegLib.data.synthesis.fields import SmoothField
from ParetoSegLib.data.synthesis.heads import Head
from ParetoSegLib.data.synthesis.tissues import BRAIN, Tissue, belongs


def varied(head: Head, rng: np.random.Generator, strength_mm: float = 4.0) -> Head:
    """Another person's head: mirrored at random, turned, scaled and smoothly deformed.

    Real images are interpolated linearly along with the tissues; with ``strength_mm`` 0 a head is
    only mirrored.

    Args:
        head: not changed.
        rng: of the mirror and the deformation.
        strength_mm: standard deviation of the smooth displacement.
    """
    if rng.random() < 0.5:
        images = {name: image[:, :, ::-1].copy() for name, image in head.images.items()}
        head = replace(head, tissues=head.tissues[:, :, ::-1].copy(), images=images)
    if strength_mm <= 0:
        return head
    source = _displaced(head, rng, strength_mm)
    shape = head.tissues.shape
    nearest = [
        np.clip(index + np.float32(0.5), 0, n - 1).astype(np.int32)
        for index, n in zip(source, shape, strict=True)
    ]
    flat = (nearest[0] * shape[1] + nearest[1]) * shape[2] + nearest[2]
    tissues = np.take(head.tissues.reshape(-1), flat)
    if not head.images:
        head = replace(head, tissues=tissues)
        return fuller(head, rng) if rng.random() < 0.6 else head
    return replace(head, tissues=tissues, images=_moved(head, tissues > 0, source))


def fuller(head: Head, rng: np.random.Generator) -> Head:
    """A painted head with narrower fissures, as younger people have: cortex takes from the CSF.

    What is brain on average over about a millimetre becomes cortex; by how much is drawn.
    """
    from scipy import ndimage

    brain = belongs(head.tissues, BRAIN)
    box = bounding_box(brain)
    if head.images or box is None:
        return head
    sigma = [rng.uniform(0.7, 1.1) / step for step in head.grid.spacing_mm]
    share = ndimage.gaussian_filter(brain[box].astype(np.float32), sigma, truncate=2.6)
    part = head.tissues[box]
    filled = (share > rng.uniform(0.3, 0.5)) & (part == Tissue.CSF)
    tissues = head.tissues.copy()
    tissues[box][filled] = Tissue.CORTEX
    return replace(head, tissues=tissues)


def _displaced(head: Head, rng: np.random.Generator, strength_mm: float) -> list[np.ndarray]:
    """For every voxel the (fractional) index in the head that it comes from, axis by axis."""
    shape, spacing = head.tissues.shape, np.array(head.grid.spacing_mm)
    extent = np.array(shape) * spacing
    strength = min(strength_mm, 0.03 * float(extent.min()))
    scale = np.exp(rng.uniform(-0.03, 0.03)) * (1 + rng.uniform(-0.05, 0.05, 3))
    turn = np.eye(3)
    for axis, angle in enumerate(rng.normal(0, 0.05, 3)):
        first, second = (axis + 1) % 3, (axis + 2) % 3
        step = np.eye(3)
        step[first, first] = step[second, second] = np.cos(angle)
        step[first, second], step[second, first] = -np.sin(angle), np.sin(angle)
        turn = turn @ step
    matrix = np.diag(1 / spacing) @ turn @ np.diag(spacing / scale)
    centre = (np.array(shape) - 1) / 2
    axes = [(np.arange(n, dtype=np.float32) - c) for n, c in zip(shape, centre, strict=True)]
    indices = []
    for axis in range(3):
        broad = SmoothField.draw(rng, 0.2 * float(extent.mean()), modes=12)
        narrow = SmoothField.draw(rng, 0.09 * float(extent.mean()), modes=16)
        index = broad.on_grid(shape, head.grid.spacing_mm)
        index += np.float32(0.2) * narrow.on_grid(shape, head.grid.spacing_mm)
        index *= np.float32(0.8 * strength / spacing[axis])
        index += (axes[0] * np.float32(matrix[axis, 0]) + np.float32(centre[axis]))[:, None, None]
        index += (axes[1] * np.float32(matrix[axis, 1]))[None, :, None]
        index += (axes[2] * np.float32(matrix[axis, 2]))[None, None, :]
        indices.append(index)
    return indices


def _moved(head: Head, inside: np.ndarray, source: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Real images at the places their voxels come from, 0 outside the brain."""
    from scipy import ndimage

    points = np.stack([index[inside] for index in source])
    images = {}
    for name, image in head.images.items():
        moved = np.zeros(image.shape, np.float32)
        values = ndimage.map_coordinates(image, points, np.float32, order=1, mode="nearest")
        moved[inside] = np.maximum(values, 0)
        images[name] = moved
    return images
