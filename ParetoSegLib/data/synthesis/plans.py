"""Drawing what a lesion of a given size is like: its kind, shape, rim, edema, enhancement."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ParetoSegLib.data.synthesis.fields import SmoothField
from ParetoSegLib.data.synthesis.lesions import LesionPlan
from ParetoSegLib.data.synthesis.settings import SynthesisSettings

_SHOWS_KIND_MM = 2.2
"""Smaller lesions are too small to be hollow in an image."""

_CAN_BE_FAINT_MM = 5.0
"""A smaller lesion that hardly differs from what is around it nobody would have outlined."""

_SMALL_KINDS = {"solid": 0.88, "ring": 0.05, "haemorrhagic": 0.07}


def draw_plan(
    rng: np.random.Generator,
    centre_mm: tuple[float, float, float],
    radius_mm: float,
    settings: SynthesisSettings,
) -> LesionPlan:
    """Draw the kind, shape, edema and enhancement of a lesion of a given size."""
    large = radius_mm > _SHOWS_KIND_MM
    kind = _kind(rng, settings.kinds if large else _SMALL_KINDS)
    weak = rng.random() < settings.weak_share and kind != "hollow" and large
    rough = {"cystic": (0.03, 0.12), "necrotic": (0.10, 0.22), "solid": (0.03, 0.16)}
    roughness = rng.uniform(*rough.get(kind, (0.05, 0.17))) if radius_mm > 2 else 0.03
    rim, ragged, gap, septa = _rim(rng, kind, radius_mm, large)
    enhancement = np.exp(rng.uniform(np.log(0.5), np.log(1.6)))
    faint = None
    if weak:
        enhancement = rng.uniform(0.1, 0.45)
        # Half of the large weak ones hardly differ from what is around them, whatever that is.
        hardly = rng.random() < 0.5 and radius_mm > _CAN_BE_FAINT_MM
        faint = rng.uniform(0.5, 2.0) if hardly else None
    return LesionPlan(
        kind=kind,
        centre_mm=centre_mm,
        radius_mm=float(radius_mm),
        axes=_axes(rng, 0.22 if radius_mm > 2 else 0.08),
        lobes=_lobes(rng, kind, radius_mm),
        roughness=float(roughness),
        surface=SmoothField.draw(rng, max(1.2, radius_mm * rng.uniform(0.5, 1.0))),
        ripple=SmoothField.draw(rng, max(1.2, radius_mm * rng.uniform(0.2, 0.35))),
        rim_mm=float(rim),
        rim=SmoothField.draw(rng, max(1.5, radius_mm * rng.uniform(0.25, 0.7))),
        ragged=ragged,
        gap=gap,
        gaps=SmoothField.draw(rng, max(2.0, radius_mm * rng.uniform(0.5, 0.9))),
        septa_mm=septa,
        septa=SmoothField.draw(rng, max(2.5, radius_mm * rng.uniform(0.35, 0.7)), modes=32),
        edema_mm=_edema(rng, radius_mm, large, settings),
        spread=SmoothField.draw(rng, max(4.0, radius_mm)),
        push=float(rng.uniform(0.2, 0.85)) if large else 0.0,
        enhancement=float(enhancement),
        faint=faint,
    )


def _kind(rng: np.random.Generator, weights: Mapping[str, float]) -> str:
    names = sorted(weights)
    shares = np.array([weights[name] for name in names], float)
    return str(rng.choice(names, p=shares / shares.sum()))


def _axes(rng: np.random.Generator, spread: float) -> np.ndarray:
    """A randomly turned ellipsoid of volume 1."""
    turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    half = np.exp(np.clip(rng.normal(0, spread, 3), -2 * spread, 2 * spread))
    half /= np.prod(half) ** (1 / 3)
    return np.asarray(turn @ np.diag(1 / half) @ turn.T)


def _lobes(rng: np.random.Generator, kind: str, radius_mm: float) -> np.ndarray:
    """Further bodies that melt into the main one, and satellites beside ragged tumours."""
    lobes: list[np.ndarray] = []
    if radius_mm > 4 and (kind == "necrotic" or rng.random() < 0.25):
        for _ in range(int(rng.integers(1, 5 if kind == "necrotic" else 3))):
            size = radius_mm * rng.uniform(0.35, 0.75)
            away = radius_mm * rng.uniform(0.55, 1.0)
            lobes.append(np.array([*(_direction(rng) * away), size]))
    if kind == "necrotic" and radius_mm > 5 and rng.random() < 0.5:
        for _ in range(int(rng.integers(1, 4))):
            size = max(1.2, radius_mm * rng.uniform(0.1, 0.25))
            away = radius_mm * rng.uniform(1.15, 1.5) + size
            lobes.append(np.array([*(_direction(rng) * away), size]))
    return np.array(lobes).reshape(-1, 4)


def _direction(rng: np.random.Generator) -> np.ndarray:
    vector = rng.standard_normal(3)
    return np.asarray(vector / np.linalg.norm(vector))


def _rim(
    rng: np.random.Generator, kind: str, radius_mm: float, large: bool
) -> tuple[float, float, float, float]:
    """Thickness of the rim, its raggedness, the level of its gaps, thickness of septa."""
    if kind == "ring":
        rim = max(0.8, radius_mm * rng.uniform(0.15, 0.55))
        gap = rng.uniform(-2.2, -0.9) if rng.random() < 0.25 else -np.inf
        return rim, rng.uniform(0.2, 0.7), gap, 0.0
    if kind == "cystic":
        gap = rng.uniform(-2.2, -0.8) if rng.random() < 0.35 else -np.inf
        septa = rng.uniform(0.8, 1.6) if radius_mm > 6 and rng.random() < 0.15 else 0.0
        return rng.uniform(0.6, 2.0), rng.uniform(0.1, 1.4), gap, septa
    if kind == "necrotic":
        rim = max(1.2, radius_mm * rng.uniform(0.12, 0.4))
        gap = rng.uniform(-2.2, -0.8) if rng.random() < 0.5 else -np.inf
        septa = rng.uniform(1.0, 3.0) if rng.random() < 0.6 else 0.0
        return rim, rng.uniform(0.5, 1.1), gap, septa
    if kind == "hollow":  # necrosis or tumour without uptake, at most shreds of it
        shreds = rng.random() < 0.5
        return rng.uniform(1.0, 2.5), 0.5, rng.uniform(0.8, 1.8) if shreds else 9.0, 0.0
    if large and rng.random() < (0.4 if kind == "haemorrhagic" else 0.12):
        return max(1.0, radius_mm * rng.uniform(0.3, 0.7)), 0.8, -np.inf, 0.0
    return np.inf, 0.0, -np.inf, 0.0


def _edema(
    rng: np.random.Generator, radius_mm: float, large: bool, settings: SynthesisSettings
) -> float:
    """Reach of edema: none, in proportion to the core, or huge around a small one."""
    # Edema becomes the rule at about 9 mm diameter (Schneider et al. 2017).
    if rng.random() >= settings.edema_share * (1.0 if radius_mm > 4.5 else 0.65 if large else 0.3):
        return 0.0
    low, high = settings.edema_mm
    if large and rng.random() < 0.3:
        reach = rng.uniform(10.0, high) if high > 10 else high
    else:
        reach = radius_mm * np.exp(rng.uniform(np.log(0.5), np.log(3.2)))
    return float(np.clip(reach, low, high))
