"""Lengths of the two regions' gradients and the angle between them: all that a balance needs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Gram:
    """Inner products of g_I and g_B, each over all parameters together.

    Args:
        interior: ‖g_I‖².
        boundary: ‖g_B‖².
        dot: c = ⟨g_I, g_B⟩.
    """

    interior: float
    boundary: float
    dot: float

    @property
    def usable(self) -> bool:
        """Whether both gradients have a direction: finite, and not zero."""
        finite = all(map(math.isfinite, (self.interior, self.boundary, self.dot)))
        return finite and self.interior > 0 and self.boundary > 0

    @property
    def norms(self) -> tuple[float, float]:
        """‖g_I‖ and ‖g_B‖."""
        return _root(self.interior), _root(self.boundary)

    @property
    def cosine(self) -> float | None:
        """Cosine of the angle between the gradients; ``None`` if one has no direction."""
        if not self.usable:
            return None
        norm_i, norm_b = self.norms
        return min(max(self.dot / norm_i / norm_b, -1.0), 1.0)


def gram_of(interior: Sequence[Tensor], boundary: Sequence[Tensor]) -> Gram:
    """Inner products of two gradients given in pieces of any shape, accumulated in float64.

    Only one piece at a time is widened. Reading the result waits for the device once.
    """
    total = torch.zeros(3, dtype=torch.float64)
    for first, second in zip(interior, boundary, strict=True):
        g_i, g_b = _wide(first), _wide(second)
        products = torch.stack([g_i.dot(g_i), g_b.dot(g_b), g_i.dot(g_b)])
        total = total.to(products.device) + products
    return Gram(*total.tolist())


def _wide(gradient: Tensor) -> Tensor:
    if gradient.device.type == "mps":  # which has no float64
        gradient = gradient.cpu()
    return gradient.detach().reshape(-1).double()


def _root(square: float) -> float:
    return math.sqrt(square) if square >= 0 else math.nan
