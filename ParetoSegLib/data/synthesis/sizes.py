"""How many lesions a patient has and how large they are."""

from __future__ import annotations

import numpy as np

from ParetoSegLib.data.synthesis.settings import SynthesisSettings

_MANY = 6
"""From this count on a patient has many lesions."""

_LEADING_MM = (3.0, 25.0)
_FOLLOWING_MM = (1.0, 13.0)
_AMONG_MANY_MM = (1.0, 8.0)


def draw_radii(rng: np.random.Generator, settings: SynthesisSettings) -> np.ndarray:
    """Radii in mm of a patient's lesions, float64 ``(N,)``.

    A mixture, since a network learns from patients and not from a histogram: patients without
    tumour; patients with few lesions, of which one leads with 3–25 mm; patients with many small
    ones. Within each group radii are log-uniform, so that every size bin is met often.
    """
    low, high = settings.lesions
    if high == 0 or (low == 0 and rng.random() < settings.free_share):
        return np.zeros(0)
    first = max(1, low)
    many = rng.random() < settings.many_share / max(1 - settings.free_share, 1e-9)
    if (many and high >= _MANY) or first >= _MANY:
        least = max(first, min(_MANY, high))
        count = int(np.exp(rng.uniform(np.log(least), np.log(high + 1))))
        radii = _log_uniform(rng, settings, _AMONG_MANY_MM, min(max(count, least), high), lean=1.5)
        if rng.random() < 0.5:
            radii[0] = _log_uniform(rng, settings, _LEADING_MM, 1, lean=1.6)[0]
        return radii
    most = max(first, min(_MANY - 1, high))
    count = min(first + int(rng.geometric(0.45)) - 1, most)
    lead = _log_uniform(rng, settings, _LEADING_MM, 1)
    others = _log_uniform(rng, settings, _FOLLOWING_MM, count - 1)
    return np.concatenate([lead, np.minimum(others, lead[0])])


def _log_uniform(
    rng: np.random.Generator,
    settings: SynthesisSettings,
    range_mm: tuple[float, float],
    count: int,
    lean: float = 1.0,
) -> np.ndarray:
    """Radii within both ranges; ``lean`` > 1 draws them to the small end."""
    low = min(max(range_mm[0], settings.radius_mm[0]), settings.radius_mm[1])
    high = max(low, min(range_mm[1], settings.radius_mm[1]))
    return np.asarray(low * (high / low) ** (rng.random(count) ** lean))
