"""Two-task UPGrad in closed form: no step raises either region's loss, to first order.

Each gradient is projected onto the directions that hurt neither region, and the projections are
summed by preference. With c = ⟨g_I, g_B⟩ and u_I + u_B = 1:

    w_I = u_I + u_B max(0, −c)/‖g_I‖²      w_B = u_B + u_I max(0, −c)/‖g_B‖²

and d = w_I g_I + w_B g_B has ⟨g_I, d⟩ ≥ 0 and ⟨g_B, d⟩ ≥ 0.

Source: Quinton & Rey 2024, "Jacobian Descent for Multi-Objective Optimization", arXiv 2406.16232;
its quadratic programme has this solution for two tasks.
"""

from __future__ import annotations

import math

from ParetoSegLib.method.gram import Gram

PROMISE_TOLERANCE = 1e-5
"""Rounding of a float32 combination, relative to ‖g_r‖ Σ u‖g‖ (‖d‖ itself can vanish)."""

Weights = tuple[float, float]
"""(w_I, w_B)."""


def upgrad_weights(gram: Gram, u_boundary: float) -> Weights:
    """(w_I, w_B) by the formula above; plain preferences where a gradient is 0 or not finite.

    Args:
        gram: of the two gradients.
        u_boundary: u_B in [0, 1].
    """
    u_interior = 1.0 - u_boundary
    if not gram.usable:
        return u_interior, u_boundary
    conflict = max(0.0, -gram.dot)
    w_interior = u_interior + u_boundary * conflict / gram.interior
    w_boundary = u_boundary + u_interior * conflict / gram.boundary
    if not (math.isfinite(w_interior) and math.isfinite(w_boundary)):
        return u_interior, u_boundary
    return w_interior, w_boundary


def keeps_promise(gram: Gram, weights: Weights, u_boundary: float) -> bool:
    """Whether d = w_I g_I + w_B g_B raises neither loss to first order.

    That is ⟨g_r, d⟩ ≥ −1e-5 ‖g_r‖ (u_I‖g_I‖ + u_B‖g_B‖) for both regions. A gradient that is
    zero cannot be hurt; one that is not finite is no promise kept.
    """
    norm_i, norm_b = gram.norms
    size = (1.0 - u_boundary) * norm_i + u_boundary * norm_b
    along_i = weights[0] * gram.interior + weights[1] * gram.dot
    along_b = weights[0] * gram.dot + weights[1] * gram.boundary
    return (
        along_i >= -PROMISE_TOLERANCE * norm_i * size
        and along_b >= -PROMISE_TOLERANCE * norm_b * size
    )
