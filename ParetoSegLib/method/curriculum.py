"""When each voxel joins: certain ones first, the crisp boundary last.

A threshold θ on certainty falls from 1 to 0 while the preference for the boundary's loss rises
from 0 at the same pace; both are functions of one number, the progress through the curriculum.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from torch import Tensor

Pace = Literal["linear", "cosine", "exponential", "competence", "none"]


@dataclass(frozen=True)
class CurriculumSettings:
    """How fast uncertain voxels join.

    Args:
        pace: ``linear``, ``cosine`` (slow at both ends), ``exponential`` (fast, then slow),
            ``competence`` (linear, but only while the interior's relative loss falls: θ may then
            still be above 0 at the last step) or ``none`` (everything from the first step).
        start_fraction: share of all steps spent at θ = 1 first.
        end_fraction: share of all steps after which θ = 0; unused by ``none``, and the earliest
            such moment for ``competence``.
        delta: the width δ in certainty over which a voxel's weight rises from 0 to 1.
        u_boundary: the boundary's preference at θ = 0; the interior keeps the rest.
        rate: of the ``exponential`` pace: larger falls earlier.
        memory: of ``competence``: weight of the past in the slower of its two averages of the
            interior's relative loss; the faster one forgets four times as fast.
    """

    pace: Pace = "linear"
    start_fraction: float = 0.05
    end_fraction: float = 0.6
    delta: float = 0.25
    u_boundary: float = 0.5
    rate: float = 3.0
    memory: float = 0.98

    def __post_init__(self) -> None:
        if self.pace not in ("linear", "cosine", "exponential", "competence", "none"):
            raise ValueError(f"pace is {self.pace!r}, which is not known.")
        if not 0 <= self.start_fraction < self.end_fraction <= 1:
            raise ValueError(
                f"start_fraction is {self.start_fraction} and end_fraction {self.end_fraction}; "
                "they must rise within [0, 1]."
            )
        if not 0 < self.delta <= 1:
            raise ValueError(f"delta is {self.delta}; it must lie in (0, 1].")
        if not 0 < self.u_boundary < 1:
            raise ValueError(f"u_boundary is {self.u_boundary}; it must lie in (0, 1).")
        if not 0 < self.rate <= 20:
            raise ValueError(f"rate is {self.rate}; it must lie in (0, 20].")
        if not 0.75 <= self.memory < 1:
            raise ValueError(f"memory is {self.memory}; it must lie in [0.75, 1).")


class Curriculum:
    """Where a run is in its curriculum; ``advance`` once a step, after the losses are known.

    Args:
        settings: the pace.
        total_steps: of the run.
    """

    def __init__(self, settings: CurriculumSettings, total_steps: int) -> None:
        if total_steps < 1:
            raise ValueError(f"total_steps is {total_steps}; a run has at least one.")
        self.settings = settings
        self._start = settings.start_fraction * total_steps
        self._length = (settings.end_fraction - settings.start_fraction) * total_steps
        self._step = 0
        self._earned = 0.0
        self._fast: float | None = None
        self._slow: float | None = None

    @property
    def progress(self) -> float:
        """Share of the curriculum that is done, 0…1, never falling."""
        pace = self.settings.pace
        if pace == "none":
            return 1.0
        passed = self._earned if pace == "competence" else self._step - self._start
        t = min(max(passed / self._length, 0.0), 1.0)
        if pace == "cosine":
            return 0.5 * (1 - math.cos(math.pi * t))
        if pace == "exponential":
            return math.expm1(-self.settings.rate * t) / math.expm1(-self.settings.rate)
        return t

    @property
    def theta(self) -> float:
        """θ: from 1 (only what is certain) to 0 (everything)."""
        return 1.0 - self.progress

    @property
    def u_boundary(self) -> float:
        """u_B: the boundary's preference, from 0 to ``settings.u_boundary``; u_I = 1 − u_B."""
        return self.settings.u_boundary * self.progress

    def advance(self, interior_relative: float | None = None) -> None:
        """Take one step.

        Args:
            interior_relative: the interior's loss as a fraction of its start, the same number in
                every process; ``None`` or a number that is not finite says nothing new. Only
                ``competence`` uses it.
        """
        if interior_relative is not None and math.isfinite(interior_relative):
            slow = self.settings.memory
            self._slow = _averaged(self._slow, interior_relative, slow)
            self._fast = _averaged(self._fast, interior_relative, 1 - 4 * (1 - slow))
        if self._step >= self._start and self._falling:
            # Whole steps until the last, which may be a part of one.
            self._earned = min(self._earned + 1.0, self._length)
        self._step += 1

    @property
    def _falling(self) -> bool:
        return self._fast is not None and self._slow is not None and self._fast < self._slow

    def state_dict(self) -> dict[str, Any]:
        """Everything ``load_state_dict`` needs to go on exactly, as plain numbers."""
        return {
            "step": self._step,
            "earned": self._earned,
            "fast": self._fast,
            "slow": self._slow,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where ``state_dict`` was taken."""
        self._step = int(state["step"])
        self._earned = float(state["earned"])
        self._fast = None if state["fast"] is None else float(state["fast"])
        self._slow = None if state["slow"] is None else float(state["slow"])


def voxel_weight(certainty: Tensor, theta: float, delta: float) -> Tensor:
    """Weight of a voxel, a = smoothstep(clamp(1 + (γ − θ)/δ, 0, 1)).

    Always 1 on the interior (γ = 1) and everywhere at θ = 0. As θ falls, band voxels enter from
    both rims inwards, those with μ = ½ last, and no weight ever falls.

    Args:
        certainty: γ in [0, 1], any shape.
        theta: θ in [0, 1].
        delta: δ > 0.

    Returns:
        Weights in [0, 1], shaped as ``certainty``.
    """
    ramp = (1 + (certainty - theta) / delta).clip(0, 1)
    return ramp * ramp * (3 - 2 * ramp)


def _averaged(average: float | None, value: float, memory: float) -> float:
    return value if average is None else memory * average + (1 - memory) * value
