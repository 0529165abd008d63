"""What a metastasis looks like in space: its plan, and the exact partial volumes of its core.

A core is the inside of a level set that is known as a function of position (an ellipsoid whose
radius is modulated by a smooth random field), so its share of any voxel is counted on a finer
grid of sample points and not interpolated from voxels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ParetoSegLib.core.geometry import Box, signed_distance
from ParetoSegLib.data.synthesis.fields import SmoothField

KINDS = ("solid", "weak", "ring", "cystic", "haemorrhagic")
"""Solid; weakly enhancing solid; ring around necrosis; cyst with a thin rim; with old blood."""


@dataclass(frozen=True)
class LesionPlan:
    """Everything that decides a lesion's shape, before it is put on a grid.

    Args:
        kind: one of ``KINDS``.
        centre_mm: position in millimetres from the centre of voxel 0, array order.
        radius_mm: radius of the undeformed core.
        stretch: relative half-axes, their product is 1.
        roughness: standard deviation of the surface as a share of the radius.
        surface: what deforms the surface.
        ripple: the finer part of that deformation.
        rim_mm: mean thickness of the enhancing rim; infinite where all of the core enhances.
        rim: what modulates the rim's thickness.
        edema_mm: how far edema reaches through white matter; 0 for none.
        spread: what modulates that reach.
        push: share of the core's volume that displaced tissue instead of replacing it.
        enhancement: added to T1 in units of white matter's value.
    """

    kind: str
    centre_mm: tuple[float, float, float]
    radius_mm: float
    stretch: tuple[float, float, float]
    roughness: float
    surface: SmoothField
    ripple: SmoothField
    rim_mm: float
    rim: SmoothField
    edema_mm: float
    spread: SmoothField
    push: float
    enhancement: float

    @property
    def reach_mm(self) -> float:
        """A bound on the distance from the centre to the core's surface."""
        return self.radius_mm * max(self.stretch) * (1 + 2 * self.roughness)

    def depth(self, points_mm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Depth below the core's surface and below the rim's inner face, both in about mm.

        Positive inside. ``points_mm`` is ``(…, 3)``; the results are ``(…)``.
        """
        offset = points_mm - np.array(self.centre_mm)
        distance = np.sqrt(((offset / np.array(self.stretch)) ** 2).sum(axis=-1))
        depth = self.radius_mm - distance
        if self.roughness > 0:
            bump = self.surface.at(points_mm) + 0.35 * self.ripple.at(points_mm)
            depth += self.radius_mm * self.roughness * np.clip(bump, -2, 2)
        if not np.isfinite(self.rim_mm):
            return depth, np.full_like(depth, -np.inf)
        thickness = self.rim_mm * np.clip(1 + 0.5 * self.rim.at(points_mm), 0.3, 2.5)
        return depth, depth - thickness


def draw_plan(
    rng: np.random.Generator,
    centre_mm: tuple[float, float, float],
    radius_mm: float,
    weak_share: float,
) -> LesionPlan:
    """Draw the kind, shape, edema and enhancement of a lesion of a given size."""
    large = radius_mm > 3.5
    others = np.array([0.45, 0.33, 0.14, 0.08] if large else [0.88, 0.06, 0.0, 0.06])
    shares = np.concatenate([[others[0] * (1 - weak_share), weak_share], others[1:]])
    shares[2:] *= 1 - weak_share
    kind = str(rng.choice(KINDS, p=shares / shares.sum()))
    stretch = np.exp(rng.normal(0, 0.13, 3))
    stretch /= np.prod(stretch) ** (1 / 3)
    rim = np.inf
    if kind == "ring":
        rim = max(0.8, radius_mm * rng.uniform(0.18, 0.5))
    elif kind == "cystic":
        rim = rng.uniform(0.7, 1.6)
    elif kind in ("haemorrhagic", "weak") and large and rng.random() < 0.4:
        rim = max(1.0, radius_mm * rng.uniform(0.2, 0.6))
    with_edema = rng.random() < (0.8 if large else 0.4)
    edema = min(24.0, max(1.5, radius_mm * np.exp(rng.uniform(np.log(0.35), np.log(2.6)))))
    enhancement = rng.uniform(0.07, 0.30) if kind == "weak" else rng.uniform(0.35, 1.25)
    return LesionPlan(
        kind=kind,
        centre_mm=centre_mm,
        radius_mm=float(radius_mm),
        stretch=(float(stretch[0]), float(stretch[1]), float(stretch[2])),
        roughness=float(rng.uniform(0.04, 0.17)) if radius_mm > 2 else 0.03,
        surface=SmoothField.draw(rng, radius_mm * rng.uniform(0.55, 1.0)),
        ripple=SmoothField.draw(rng, max(1.2, radius_mm * 0.3)),
        rim_mm=float(rim),
        rim=SmoothField.draw(rng, max(1.5, radius_mm * rng.uniform(0.25, 0.6))),
        edema_mm=float(edema) if with_edema else 0.0,
        spread=SmoothField.draw(rng, max(4.0, radius_mm)),
        push=float(rng.uniform(0.2, 0.8)) if large else 0.0,
        enhancement=float(enhancement),
    )


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
        et ≤ tc, counted on a grid 3 (large lesions) or 4 times finer; and the depth below the
        core's surface at the voxels' centres in about mm.
    """
    spacing = np.array(spacing_mm)
    low = np.floor((np.array(plan.centre_mm) - plan.reach_mm) / spacing).astype(int) - 1
    high = np.ceil((np.array(plan.centre_mm) + plan.reach_mm) / spacing).astype(int) + 2
    low = np.clip(low, 0, np.array(shape) - 1)
    high = np.clip(high, low + 1, np.array(shape))
    sides = [slice(int(a), int(b)) for a, b in zip(low, high, strict=True)]
    box = (sides[0], sides[1], sides[2])
    room = None if space is None else _room(space[box], spacing_mm)

    index = np.stack(np.meshgrid(*[np.arange(s.start, s.stop) for s in box], indexing="ij"), -1)
    points = (index * spacing).astype(np.float32)
    depth, inner = _confined(plan, points, room, low, spacing)
    tc = (depth > 0).astype(np.float32)
    et = tc * (inner <= 0)

    # Both depths change by at most about 1.5 mm per mm, so only these voxels can be cut.
    half_diagonal = 0.5 * float(np.linalg.norm(spacing))
    cut = np.minimum(np.abs(depth), np.abs(inner)) < 1.5 * half_diagonal
    finer = 4 if plan.radius_mm < 8 else 3
    steps = (np.arange(finer) + 0.5) / finer - 0.5
    offsets = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
    samples = points[cut][:, None, :] + (offsets * spacing).astype(np.float32)
    sample_depth, sample_inner = _confined(plan, samples, room, low, spacing)
    inside = sample_depth > 0
    tc[cut] = inside.mean(axis=1)
    et[cut] = (inside & (sample_inner <= 0)).mean(axis=1)
    if space is not None:
        tc, et = tc * space[box], et * space[box]
    return box, et, tc, depth.astype(np.float32)


def _room(space: np.ndarray, spacing_mm: tuple[float, float, float]) -> np.ndarray | None:
    """Smoothed distance to the border of the space in mm; ``None`` if there is no border."""
    from scipy import ndimage

    if space.all():
        return None
    return np.asarray(ndimage.gaussian_filter(signed_distance(space, spacing_mm), 0.7))


def _confined(
    plan: LesionPlan,
    points_mm: np.ndarray,
    room: np.ndarray | None,
    low: np.ndarray,
    spacing: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """``plan.depth`` at points, no deeper than the room left there."""
    from scipy import ndimage

    depth, inner = plan.depth(points_mm)
    if room is None:
        return depth, inner
    place = (points_mm / spacing - low).reshape(-1, 3).T
    left = ndimage.map_coordinates(room, place, order=1, mode="nearest").reshape(depth.shape)
    # The rim's thickness stays what it was: both surfaces move by the same amount.
    lost = np.maximum(depth - left, 0)
    return depth - lost, inner - lost
