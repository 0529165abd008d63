"""The sample patient, prepared as training prepares every patient."""

from __future__ import annotations

from pathlib import Path

from ParetoSegLib.core.config import from_mapping
from ParetoSegLib.data.layouts import find_cases
from ParetoSegLib.model.cache import CachedCase, LabelBand, cache_case
from ParetoSegLib.model.training_settings import TrainingSettings

SAMPLE = Path(__file__).parents[1] / "Resources" / "Sample"


def recipe_settings(quick: bool, **more: object) -> TrainingSettings:
    """The default model's recipe, or a tiny network on tiny patches."""
    import yaml
    from untrained_model import RECIPE, TINY

    chosen = yaml.safe_load(RECIPE.read_text(encoding="utf-8"))
    if quick:
        chosen |= {"patch": [32, 32, 32], "network": {"name": "UNet", "arguments": TINY}}
        chosen["precision"] = "fp32"
    return from_mapping(TrainingSettings, chosen | more)


def sample_case(store: Path, settings: TrainingSettings) -> CachedCase:
    """Cache the sample patient in ``store``."""
    files = find_cases(SAMPLE)[1][0]
    return cache_case(files, store, settings.preprocessing, LabelBand())
