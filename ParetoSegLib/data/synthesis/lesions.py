"""The shape of a metastasis: a level set in space, and its exact share of every voxel.

A core is the inside of a level set that is known as a function of position: ellipsoids that melt
into one another, their surface moved by smooth random fields. Its share of a voxel is counted on
a finer grid of sample points and not interpolated from voxels' own values.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ParetoSegLib.core.geometry import Box, signed_distance
from ParetoSegLib.data.synthesis.fields import SmoothField

_EXACT_BELOW_MM = 6.0
"""Smaller cores are sampled point by point; larger ones are nearly flat within a voxel."""


@dataclass(frozen=True)
class LesionPlan:
    """Everything that decides a lesion's shape, before it is put on a grid.

    Args:
        kind: one of ``settings.KINDS``.
        centre_mm: position in millimetres from the centre of voxel 0, array order.
        radius_mm: radius of the undeformed main body.
        axes: ``(3, 3)``, maps an offset in mm to the unit ball's space times ``radius_mm``.
        lobes: ``(L, 4)``: offset from the centre in mm and radius of further bodies; those that do
            not touch the main one are satellites.
        roughness: standard deviation of the surface as a share of the radius.
        surface: what deforms the surface.
        ripple: the finer part of that deformation.
        rim_mm: mean thickness of the enhancing rim; infinite where all of the core enhances.
        rim: what modulates the rim's thickness.
        ragged: by how much, as a share of the mean thickness.
        gap: where the field ``gaps`` is below this the rim is missing; −inf for a closed rim.
        gaps: see there.
        septa_mm: thickness of enhancing walls through the necrosis; 0 for none.
        septa: the walls run where this field is 0.
        edema_mm: how far edema reaches through white matter; 0 for none.
        spread: what modulates that reach.
        push: share of the core's volume that displaced tissue instead of replacing it.
        enhancement: added to T1 in units of white matter's value.
        faint: contrast to the surrounding tissue on T1c in units of noise, which then replaces
            ``enhancement``; ``None`` where enhancement does not depend on what is around.
    """

    kind: str
    centre_mm: tuple[float, float, float]
    radius_mm: float
    axes: np.ndarray
    roughness: float
    surface: SmoothField
    ripple: SmoothField
    rim_mm: float
    rim: SmoothField
    gaps: SmoothField
    septa: SmoothField
    spread: SmoothField
    edema_mm: float
    push: float
    enhancement: float
    faint: float | None = None
    ragged: float = 0.5
    gap: float = -np.inf
    septa_mm: float = 0.0
    lobes: np.ndarray = field(default_factory=lambda: np.zeros((0, 4)))

    @property
    def reach_mm(self) -> float:
        """A bound on the distance from the centre to the core's surface."""
        longest = 1 / float(np.linalg.svd(self.axes, compute_uv=False)[-1])
        bodies = np.vstack([[0, 0, 0, self.radius_mm], self.lobes])
        outermost = np.linalg.norm(bodies[:, :3], axis=1) + bodies[:, 3] * longest
        return float(outermost.max()) + 2.7 * self.roughness * self.radius_mm

    def depth(self, points_mm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Depth below the core's surface and below the rim's inner face, both in about mm.

        Positive inside. ``points_mm`` is ``(…, 3)``; the results are ``(…)``.
        """
        surface = self.surface.at(points_mm) + 0.35 * self.ripple.at(points_mm)
        fields = (self.rim, self.gaps, self.septa)
        return self._depth(points_mm, surface, [f.at(points_mm) for f in fields if self.has_rim])

    def depth_in(
        self, box: Box, shape: tuple[int, ...], spacing_mm: tuple[float, float, float]
    ) -> tuple[np.ndarray, np.ndarray]:
        """``depth`` at the voxel centres of a box, much faster."""
        index = np.meshgrid(*[np.arange(s.start, s.stop) for s in box], indexing="ij")
        points = np.stack(
            [(i * step).astype(np.float32) for i, step in zip(index, spacing_mm, strict=True)], -1
        )
        surface = self.surface.on_grid(shape, spacing_mm, box)
        surface += 0.35 * self.ripple.on_grid(shape, spacing_mm, box)
        fields = (self.rim, self.gaps, self.septa)
        found = [f.on_grid(shape, spacing_mm, box) for f in fields if self.has_rim]
        return self._depth(points, surface, found)

    @property
    def has_rim(self) -> bool:
        """Whether there is a rim with something else inside."""
        return bool(np.isfinite(self.rim_mm))

    def _depth(
        self, points_mm: np.ndarray, surface: np.ndarray, inner_fields: list[np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        offset = points_mm - np.array(self.centre_mm, np.float32)
        axes = self.axes.astype(np.float32).T
        depth = self.radius_mm - np.linalg.norm(offset @ axes, axis=-1)
        if len(self.lobes):
            blend = np.float32(0.12 * self.radius_mm)
            total = np.exp(np.clip(depth / blend, -40, 40))
            for lobe in self.lobes.astype(np.float32):
                own = lobe[3] - np.linalg.norm((offset - lobe[:3]) @ axes, axis=-1)
                total += np.exp(np.clip(own / blend, -40, 40))
            depth = blend * np.log(total)
        if self.roughness > 0:
            depth += self.radius_mm * self.roughness * np.clip(surface, -2.5, 2.5)
        depth = depth.astype(np.float32)
        if not self.has_rim:
            return depth, np.full_like(depth, -np.inf)
        rim, gaps, septa = inner_fields
        thickness = self.rim_mm * np.clip(1 + self.ragged * rim, 0.25, 4)
        if np.isfinite(self.gap):
            thickness *= np.clip((gaps - self.gap) / 0.25, 0, 1)
        inner = depth - thickness
        if self.septa_mm > 0:
            # Away from its zero set |field| grows by about 1.6 per correlation length.
            length = 0.6 / max(float(np.std(self.septa.waves)), 1e-6)
            np.minimum(inner, np.abs(septa) * length - 0.5 * self.septa_mm, out=inner)
        return depth, inner.astype(np.float32)


def core_box(
    plan: LesionPlan, shape: tuple[int, ...], spacing_mm: tuple[float, float, float]
) -> Box:
    """The part of the grid that holds the core with a voxel to spare."""
    spacing = np.array(spacing_mm)
    low = np.floor((np.array(plan.centre_mm) - plan.reach_mm) / spacing).astype(int) - 1
    high = np.ceil((np.array(plan.centre_mm) + plan.reach_mm) / spacing).astype(int) + 2
    low = np.clip(low, 0, np.array(shape) - 1)
    high = np.clip(high, low + 1, np.array(shape))
    sides = [slice(int(a), int(b)) for a, b in zip(low, high, strict=True)]
    return sides[0], sides[1], sides[2]


def core_membership(
    plan: LesionPlan,
    shape: tuple[int, ...],
    spacing_mm: tuple[float, float, float],
    space: np.ndarray | None = None,
) -> tuple[Box, np.ndarray, np.ndarray, np.ndarray]:
    """The share of every voxel that the lesion's enhancing part and its core fill.

    Args:
        plan: the lesion.
        shape: of the grid.
        spacing_mm: of the grid, array order.
        space: boolean ``shape``; where given, the core stays inside and its rim bends along the
            border, as one does that meets the skull.

    Returns:
        The box of the grid that holds the lesion; ``et`` and ``tc`` inside it: float32 in [0, 1],
        et ≤ tc, counted on a grid 3 (large lesions) to 6 (small ones) times finer; and the depth
        below the core's surface at the voxels' centres in about mm.
    """
    box = core_box(plan, shape, spacing_mm)
    room = None if space is None else _room(space[box], spacing_mm)
    depth, inner = plan.depth_in(box, shape, spacing_mm)
    if room is not None:
        # The rim's thickness stays what it was: both surfaces move by the same amount.
        lost = np.maximum(depth - room, 0)
        depth, inner = depth - lost, inner - lost
    tc = (depth > 0).astype(np.float32)
    et = tc * (inner <= 0)

    slopes = slopes_of(depth)
    cut = np.abs(depth) < _half_change(slopes)
    inner_slopes = None
    if plan.has_rim:
        inner_slopes = slopes_of(inner)
        cut |= np.abs(inner) < _half_change(inner_slopes)
    if plan.radius_mm < _EXACT_BELOW_MM:
        offsets = sample_offsets(6 if plan.radius_mm < 2.5 else 4)
        sample_depth, sample_inner = _exact(plan, cut, box, offsets, spacing_mm, room)
    else:
        offsets = sample_offsets(4 if plan.radius_mm < 2 * _EXACT_BELOW_MM else 3)
        sample_depth = sampled(depth, slopes, cut, offsets)
        sample_inner = (
            np.full((1, 1), -np.inf, np.float32)
            if inner_slopes is None
            else sampled(inner, inner_slopes, cut, offsets)
        )
    inside = sample_depth > 0
    tc[cut] = inside.mean(axis=1)
    et[cut] = (inside & (sample_inner <= 0)).mean(axis=1)
    if space is not None:
        tc, et = tc * space[box], et * space[box]
    return box, et, tc, depth


def _exact(
    plan: LesionPlan,
    where: np.ndarray,
    box: Box,
    offsets: np.ndarray,
    spacing_mm: tuple[float, float, float],
    room: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray]:
    """``plan.depth`` at ``offsets`` within each voxel of ``where``, no deeper than the room."""
    from scipy import ndimage

    places = np.argwhere(where)[:, None, :] + offsets
    points = (places + [side.start for side in box]) * np.array(spacing_mm)
    depth, inner = plan.depth(points.astype(np.float32))
    if room is None:
        return depth, inner
    left = ndimage.map_coordinates(room, places.reshape(-1, 3).T, order=1, mode="nearest")
    lost = np.maximum(depth - left.reshape(depth.shape), 0)
    return depth - lost, inner - lost


def sample_offsets(finer: int) -> np.ndarray:
    """``finer``³ points spread evenly in a voxel, in voxels from its centre, float32 ``(n, 3)``."""
    steps = (np.arange(finer, dtype=np.float32) + 0.5) / finer - np.float32(0.5)
    return np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)


def slopes_of(values: np.ndarray) -> list[np.ndarray]:
    """Change per voxel along each axis, 0 along an axis of one voxel."""
    return [
        np.gradient(values, axis=axis).astype(np.float32)
        if values.shape[axis] > 1
        else np.zeros_like(values)
        for axis in range(values.ndim)
    ]


def sampled(
    values: np.ndarray, slopes: list[np.ndarray], where: np.ndarray, offsets: np.ndarray
) -> np.ndarray:
    """Values at ``offsets`` within each voxel of ``where``, continued linearly, ``(N, n)``."""
    slope = np.stack([s[where] for s in slopes], axis=1)
    return values[where][:, None] + slope @ offsets.T


def _half_change(slopes: list[np.ndarray]) -> np.ndarray:
    """By how much the value changes from a voxel's centre to its farthest corner, or more."""
    total = np.abs(slopes[0])
    for slope in slopes[1:]:
        total = total + np.abs(slope)
    return np.asarray(0.5 * total + 0.35)


def _room(space: np.ndarray, spacing_mm: tuple[float, float, float]) -> np.ndarray | None:
    """Smoothed distance to the border of the space in mm; ``None`` if there is no border."""
    from scipy import ndimage

    if space.all():
        return None
    smooth = ndimage.gaussian_filter(signed_distance(space, spacing_mm), 0.7)
    return np.asarray(smooth, np.float32)
