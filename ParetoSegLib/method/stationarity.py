"""How far a point is from Pareto-stationary: where no direction lowers both regions' losses."""

from __future__ import annotations

import math

from ParetoSegLib.method.gram import Gram


def stationarity_residual(gram: Gram) -> float:
    """‖α g_I + (1 − α) g_B‖ at its minimum over α in [0, 1]; 0 iff the point is Pareto-stationary.

    α = clip((‖g_B‖² − c)/‖g_I − g_B‖², 0, 1), ½ when the gradients are equal. Not finite where a
    gradient is not.

    Source: Désidéri 2012, multiple-gradient descent (min-norm point of the convex hull). Used as
    a measure only: as a descent direction it follows the smaller gradient and stalls the other.
    """
    between = gram.interior + gram.boundary - 2.0 * gram.dot
    if not math.isfinite(between):
        return math.nan
    alpha = 0.5 if between <= 0 else min(max((gram.boundary - gram.dot) / between, 0.0), 1.0)
    square = (
        alpha * alpha * gram.interior
        + 2.0 * alpha * (1.0 - alpha) * gram.dot
        + (1.0 - alpha) * (1.0 - alpha) * gram.boundary
    )
    return math.sqrt(max(square, 0.0))


def relative_residual(gram: Gram) -> float | None:
    """√((1 + cos)/2): the residual of the two directions alone, in [0, 1].

    Unlike the residual it does not shrink with the smaller gradient. ``None`` if one of the
    gradients has no direction.
    """
    cosine = gram.cosine
    return None if cosine is None else math.sqrt((1.0 + cosine) / 2.0)
