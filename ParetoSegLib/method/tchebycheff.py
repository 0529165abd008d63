"""Smooth Tchebycheff: of two relative losses the larger counts more, at no extra backward pass.

    L = τ log Σ_r exp(log u_r + ℓ_r/τ),    ℓ_r = L_r / ref_r

Its gradient is Σ_r (σ_r/ref_r) ∇L_r with σ the softmax of log u_r + ℓ_r/τ.

Source: Lin et al. 2024, "Smooth Tchebycheff Scalarization for Multi-Objective Optimization",
arXiv 2402.19078.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

SMALLEST_REFERENCE = 1e-3

Pair = tuple[float | None, float | None]
"""A number for the interior and one for the boundary; ``None`` where a region has none."""


def tchebycheff_weights(
    relative: Pair, references: tuple[float, float], u_boundary: float, temperature: float
) -> tuple[float, float]:
    """(σ_I/ref_I, σ_B/ref_B): the weights whose combined gradient is that of L.

    Where a step has but one region, its σ is u_r: what it gets when both are equally far from
    their goal. Otherwise a crop without a boundary would count the interior more than others do.

    Args:
        relative: ℓ_I and ℓ_B.
        references: ref_I and ref_B.
        u_boundary: u_B in [0, 1].
        temperature: τ > 0; towards 0 the preferences are forgotten.
    """
    preferences = (1.0 - u_boundary, u_boundary)
    shares = preferences
    interior, boundary = relative
    if interior is not None and boundary is not None:
        exponents = (interior / temperature, boundary / temperature)
        # Only of regions that are preferred at all; it cancels in the softmax.
        highest = max(e for e, u in zip(exponents, preferences, strict=True) if u > 0)
        raw = [
            u * math.exp(e - highest) if u > 0 else 0.0
            for e, u in zip(exponents, preferences, strict=True)
        ]
        shares = (raw[0] / sum(raw), raw[1] / sum(raw))
    return shares[0] / references[0], shares[1] / references[1]


class LossReferences:
    """ref_r: the mean of L_r over the first steps that region r contributes to, then fixed.

    Fixed, because a moving reference would send every relative loss to 1; at least 1e-3. Until
    then it is the mean so far.

    Args:
        steps: how many contributing steps of a region make its reference.
    """

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._sums = [0.0, 0.0]
        self._counts = [0, 0]

    def update(self, losses: Pair) -> Pair:
        """Take the losses of one step; ``None`` or what is not finite does not contribute.

        Returns:
            The relative losses ℓ_r, ``None`` for a region that did not contribute.
        """
        relative: list[float | None] = [None, None]
        for r, loss in enumerate(losses):
            if loss is None or not math.isfinite(loss):
                continue
            if self._counts[r] < self._steps:
                self._sums[r] += loss
                self._counts[r] += 1
            relative[r] = loss / self.values[r]
        return relative[0], relative[1]

    @property
    def values(self) -> tuple[float, float]:
        """ref_I and ref_B; 1 for a region that has not contributed yet."""
        interior, boundary = (
            max(total / count, SMALLEST_REFERENCE) if count else 1.0
            for total, count in zip(self._sums, self._counts, strict=True)
        )
        return interior, boundary

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers from which ``load_state_dict`` goes on exactly."""
        return {"sums": list(self._sums), "counts": list(self._counts)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where ``state_dict`` was taken."""
        self._sums = [float(v) for v in state["sums"]]
        self._counts = [int(v) for v in state["counts"]]
