"""Where each lesion may reach: the watershed of the membership, grown from the ½-components."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ParetoSegLib.core.geometry import Box, bounding_box, components, face_voxels
from ParetoSegLib.measure.confidence import HALF, alpha_cut

REACH = 0.05
"""Territories end where the membership falls below this, the lowest α that can be chosen."""

CANDIDATE = 0.2
"""A candidate peaks at or above this and below ½."""

_STEPS = 1024
"""Flooding levels between membership 0 and 1; sorting exact floats takes five times as long."""


@dataclass(frozen=True)
class Territories:
    """A membership divided among its lesions and candidates.

    Args:
        labels: int32 ``(D, H, W)``: 1…N, or 0 outside every territory. Lesions come first, from
            the largest core to the smallest, then candidates, from the largest {μ ≥ 0.2}.
        cores: int32: the same numbers on {μ ≥ ½} alone; candidates have none.
        boxes: of each territory, in the order of the numbers.
        lesions: how many of the numbers are lesions.
    """

    labels: np.ndarray
    cores: np.ndarray
    boxes: tuple[Box, ...]
    lesions: int


def divide(field: np.ndarray) -> Territories:
    """Divide {μ ≥ 0.05} among the 26-connected components of {μ ≥ ½}.

    A part of {μ ≥ 0.05} with one core belongs to it. A part with several is flooded from all of
    them at once, from high membership to low, and split where the floods meet. A part without a
    core is a candidate if it peaks at 0.2 or above, else it is nobody's. Each territory is
    26-connected and holds exactly the one core; every voxel with μ ≥ ½ is in its core's territory.

    Args:
        field: membership, float32 ``(D, H, W)``.

    Source:
        Beucher and Meyer 1993 (watershed from markers by flooding).
    """
    cores, core_boxes = components(alpha_cut(field, HALF))
    parts, part_boxes = components(alpha_cut(field, REACH))
    members: dict[int, list[int]] = {}
    held = cores > 0
    for code in np.unique(parts[held].astype(np.int64) * (len(core_boxes) + 1) + cores[held]):
        part, core = divmod(int(code), len(core_boxes) + 1)
        members.setdefault(part, []).append(core)

    labels = np.zeros(field.shape, np.int32)
    boxes: dict[int, Box] = {}
    sizes: dict[int, int] = dict(enumerate(np.bincount(cores.ravel())[1:].tolist(), start=1))
    candidates: list[int] = []
    for part, box in enumerate(part_boxes, start=1):
        inside = parts[box] == part
        owners = members.get(part, [])
        if len(owners) > 1:
            flooded = _flood(field[box], inside, cores[box])
            labels[box][inside] = flooded[inside]
            boxes.update((owner, _own_box(flooded, owner, box)) for owner in owners)
            continue
        if owners:
            number = owners[0]
        elif field[box][inside].max() >= np.float32(CANDIDATE):
            number = len(core_boxes) + len(candidates) + 1
            candidates.append(number)
            sizes[number] = int(np.count_nonzero(inside & alpha_cut(field[box], CANDIDATE)))
        else:
            continue
        labels[box][inside] = number
        boxes[number] = box

    by_size = sorted(boxes, key=lambda n: (n > len(core_boxes), -sizes[n], n))
    renumbered = np.zeros(len(core_boxes) + len(candidates) + 1, np.int32)
    renumbered[by_size] = np.arange(1, len(by_size) + 1)
    return Territories(
        renumbered[labels],
        renumbered[cores],
        tuple(boxes[n] for n in by_size),
        len(core_boxes),
    )


def nearest_core(
    cores: np.ndarray, voxels: np.ndarray, spacing_mm: tuple[float, float, float]
) -> np.ndarray:
    """The number of the core that is nearest to each voxel, in mm between voxel centres.

    Args:
        cores: int32 ``(D, H, W)``, at least one voxel above 0.
        voxels: indices ``(N, 3)`` outside all cores; they may lie outside the array.
        spacing_mm: voxel size along ``(D, H, W)``.
    """
    from scipy.spatial import cKDTree

    # Seen from outside, the nearest voxel of a core is one that has an outside neighbour.
    rim, _ = face_voxels(np.pad(cores > 0, 1))
    corners = np.argwhere(rim) - 1
    tree = cKDTree(corners * np.asarray(spacing_mm), compact_nodes=False)
    _, nearest = tree.query(voxels * np.asarray(spacing_mm), workers=-1)
    return cores[tuple(corners[nearest].T)]


def _flood(field: np.ndarray, inside: np.ndarray, cores: np.ndarray) -> np.ndarray:
    """Watershed of 1 − μ inside one part, from the cores in it."""
    depth = np.round((1.0 - np.clip(field, 0.0, 1.0)) * _STEPS).astype(np.uint16)
    # What is outside floods last, when every voxel inside has its owner.
    depth[~inside] = _STEPS + 1
    seeds = np.where(inside, cores, 0).astype(np.uint32)
    flooded = sitk.MorphologicalWatershedFromMarkers(
        sitk.GetImageFromArray(depth),
        sitk.GetImageFromArray(seeds),
        markWatershedLine=False,
        fullyConnected=True,
    )
    return np.where(inside, sitk.GetArrayFromImage(flooded), 0).astype(np.int32)


def _own_box(flooded: np.ndarray, owner: int, box: Box) -> Box:
    own = bounding_box(flooded == owner)
    assert own is not None  # its core is in it
    d, h, w = (slice(s.start + o.start, s.stop + o.start) for s, o in zip(own, box, strict=True))
    return (d, h, w)
