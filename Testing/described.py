"""What an untrained model says about itself, for tests that need one on disk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ParetoSegLib.core.labels import MODALITIES, REGIONS
from ParetoSegLib.data.normalisation import NORMALISATION
from ParetoSegLib.model.calibration import Calibration
from ParetoSegLib.model.description import ModelDescription, usual_assessable


def described(
    arguments: Mapping[str, Any],
    patch: tuple[int, int, int] = (24, 24, 24),
    name: str = "untrained",
    **changes: object,
) -> ModelDescription:
    """A UNet for all sequences and regions at 1 mm, not calibrated; ``changes`` win."""
    values: dict[str, Any] = {
        "name": name,
        "network": "UNet",
        "network_arguments": arguments,
        "modalities": MODALITIES,
        "regions": REGIONS,
        "spacing_mm": (1.0, 1.0, 1.0),
        "normalisation": NORMALISATION,
        "patch": patch,
        "calibration": Calibration.identity(),
        "levels": dict.fromkeys(REGIONS, (0.9, 0.1)),
        "assessable": usual_assessable(),
        "label_band": {"band_mm": 1.5, "beta": 0.75},
    }
    return ModelDescription(**{**values, **changes})
