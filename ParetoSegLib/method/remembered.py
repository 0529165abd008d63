"""UPGrad's weights between two measurements of the gradients, from what was measured before.

What is remembered is what the weights are made of, the logarithms of both norms and the cosine,
as moving averages. A weight grows with the ratio of the norms, so an average of the weights
themselves keeps one step's extreme alive; an average of logarithms does not, and steps stay
shorter. Neither restores UPGrad's promise, which is about one batch's own gradients.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ParetoSegLib.method.gram import Gram
from ParetoSegLib.method.upgrad import Weights, upgrad_weights


class RememberedGram:
    """Moving averages of log‖g_I‖, log‖g_B‖ and the cosine.

    Args:
        memory: weight of the past at each measurement, in [0, 1).
        weight_cap: the largest weight that may come of it: when the gradient it multiplies is,
            on a later batch, much longer than remembered, the step must not explode.
    """

    def __init__(self, memory: float, weight_cap: float) -> None:
        self._memory = memory
        self._cap = weight_cap
        self._averages: list[float] | None = None

    def update(self, gram: Gram) -> None:
        """Take a measurement; one without two directions teaches nothing."""
        cosine = gram.cosine
        if cosine is None:
            return
        new = [0.5 * math.log(gram.interior), 0.5 * math.log(gram.boundary), cosine]
        if self._averages is None:
            self._averages = new
        else:
            keep = self._memory
            self._averages = [
                keep * a + (1.0 - keep) * n for a, n in zip(self._averages, new, strict=True)
            ]

    def weights(self, u_boundary: float) -> Weights | None:
        """(w_I, w_B) of the remembered gradients, capped; ``None`` before any measurement."""
        if self._averages is None:
            return None
        log_i, log_b, cosine = self._averages
        # Only the ratio of the norms enters the weights: measure both in units of ‖g_I‖.
        ratio = math.exp(min(max(log_b - log_i, -300.0), 300.0))
        gram = Gram(1.0, ratio * ratio, cosine * ratio)
        w_interior, w_boundary = upgrad_weights(gram, u_boundary)
        return min(w_interior, self._cap), min(w_boundary, self._cap)

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers from which ``load_state_dict`` goes on exactly."""
        return {"averages": None if self._averages is None else list(self._averages)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where ``state_dict`` was taken."""
        averages = state["averages"]
        self._averages = None if averages is None else [float(v) for v in averages]
