"""What a metastasis looks like in space: its plan, and the exact partial volumes of its core.

A core is the inside of a level set that is known as a function of position (an ellipsoid whose
radius is modulated by a smooth random field), so its share of any voxel is counted on a finer
grid of sample points and not interpolated from voxels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ParetoSegLib.core.geometry import Box
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
        rim_mm: mean thickness of the enhancing rim; infinite where all of the core enhances.
        rim: what modulates the rim's thickness.
        edema_mm: how far edema reaches through white matter; 0 for none.
        spread: what modulates that reach.
        enhancement: added to T1 in units of white matter's value.
    """

    kind: str
    centre_mm: tuple[float, float, float]
    radius_mm: float
    stretch: tuple[float, float, float]
    roughness: float
    surface: SmoothField
    rim_mm: float
    rim: SmoothField
    edema_mm: float
    spread: SmoothField
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
        bump = np.clip(self.surface.at(points_mm), -2, 2) if self.roughness > 0 else 0.0
        depth = self.radius_mm * (1 + self.roughness * bump) - distance
        if not np.isfinite(self.rim_mm):
            return depth, np.full_like(depth, -np.inf)
        thickness = self.rim_mm * np.clip(1 + 0.45 * self.rim.at(points_mm), 0.35, 2.2)
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
    stretch = np.exp(rng.normal(0, 0.10, 3))
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
        roughness=float(rng.uniform(0.03, 0.13)) if radius_mm > 2 else 0.03,
        surface=SmoothField.draw(rng, radius_mm * rng.uniform(0.55, 1.0)),
        rim_mm=float(rim),
        rim=SmoothField.draw(rng, max(1.5, radius_mm * 0.5)),
        edema_mm=float(edema) if with_edema else 0.0,
        spread=SmoothField.draw(rng, max(4.0, radius_mm)),
        enhancement=float(enhancement),
    )


def core_membership(
    plan: LesionPlan, shape: tuple[int, ...], spacing_mm: tuple[float, float, float]
) -> tuple[Box, np.ndarray, np.ndarray]:
    """The share of every voxel that the lesion's enhancing part and its core fill.

    Returns:
        The box of the grid that holds the lesion, and ``et`` and ``tc`` inside it: float32 in
        [0, 1], et ≤ tc, counted on a grid 3 (large lesions) or 4 times finer.
    """
    spacing = np.array(spacing_mm)
    low = np.floor((np.array(plan.centre_mm) - plan.reach_mm) / spacing).astype(int) - 1
    high = np.ceil((np.array(plan.centre_mm) + plan.reach_mm) / spacing).astype(int) + 2
    low = np.clip(low, 0, np.array(shape) - 1)
    high = np.clip(high, low + 1, np.array(shape))
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    index = np.stack(np.meshgrid(*[np.arange(a, b) for a, b in zip(low, high, strict=True)],
                                 indexing="ij"), axis=-1)
    points = (index * spacing).astype(np.float32)
    depth, inner = plan.depth(points)
    tc = (depth > 0).astype(np.float32)
    et = tc * (inner <= 0)

    # Both depths change by at most about 1.5 mm per mm, so only these voxels can be cut.
    half_diagonal = 0.5 * float(np.linalg.norm(spacing))
    cut = np.minimum(np.abs(depth), np.abs(inner)) < 1.5 * half_diagonal
    finer = 4 if plan.radius_mm < 8 else 3
    steps = (np.arange(finer) + 0.5) / finer - 0.5
    offsets = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
    samples = points[cut][:, None, :] + (offsets * spacing).astype(np.float32)
    depth, inner = plan.depth(samples)
    inside = depth > 0
    tc[cut] = inside.mean(axis=1)
    et[cut] = (inside & (inner <= 0)).mean(axis=1)
    return (box[0], box[1], box[2]), et, tc
