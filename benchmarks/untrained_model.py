"""Model folders with random weights: as much work as trained ones, and always at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import yaml

from ParetoSegLib.core.labels import MODALITIES, REGIONS
from ParetoSegLib.data.normalisation import NORMALISATION
from ParetoSegLib.model.calibration import Calibration
from ParetoSegLib.model.description import ModelDescription, usual_assessable
from ParetoSegLib.model.folder import save_model
from ParetoSegLib.model.networks import build_network

RECIPE = Path(__file__).parents[1] / "Resources" / "Recipes" / "fixed_norms.yaml"
TINY: dict[str, Any] = {"channels": [4, 8], "num_res_units": 0, "dropout": 0.0}


def recipe(quick: bool) -> tuple[str, dict[str, Any], tuple[int, int, int]]:
    """Name, arguments and patch of the default model's network; a tiny one where ``quick``."""
    if quick:
        return "UNet", TINY, (24, 24, 24)
    chosen = yaml.safe_load(RECIPE.read_text(encoding="utf-8"))
    d, h, w = chosen["patch"]
    return chosen["network"]["name"], chosen["network"]["arguments"], (d, h, w)


def untrained_network(quick: bool) -> torch.nn.Module:
    """The network with random weights that expects very little tumour."""
    name, arguments, _ = recipe(quick)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build_network(name, arguments, prior=(1e-5, 1e-5, 1e-5)).eval()


def write_untrained_model(folder: Path, quick: bool) -> Path:
    """Save it as any model."""
    name, arguments, patch = recipe(quick)
    description = ModelDescription(
        name="untrained",
        network=name,
        network_arguments=arguments,
        modalities=MODALITIES,
        regions=REGIONS,
        spacing_mm=(1.0, 1.0, 1.0),
        normalisation=NORMALISATION,
        patch=patch,
        calibration=Calibration.identity(),
        levels=dict.fromkeys(REGIONS, (0.9, 0.1)),
        assessable=usual_assessable(),
        label_band={"band_mm": 1.5, "beta": 0.75},
    )
    save_model(folder, description, untrained_network(quick).state_dict(), "# Untrained\n")
    return folder
