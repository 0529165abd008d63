"""A real model folder whose weights were written by hand: it finds what is bright.

SegResNet with everything at zero but its first and last layer: the first sums the images that are
there and blurs them a little, the last one's norm makes them z-scores of the window, and its
1 × 1 × 1 convolution cuts them. The patch holds the whole test head, so the z-scores are those of
the head.
"""

from __future__ import annotations

from pathlib import Path

import torch

from ParetoSegLib.core.labels import MODALITIES, REGIONS
from ParetoSegLib.data.normalisation import NORMALISATION
from ParetoSegLib.model.calibration import Calibration
from ParetoSegLib.model.description import ModelDescription, usual_assessable
from ParetoSegLib.model.folder import save_model
from ParetoSegLib.model.networks import build_network, tiny_arguments

CUTS = {"et": 4.6, "tc": 3.8, "wt": 3.0}
"""z-scores at which each region begins."""

STEEPNESS = 1.2
"""Logits per z-score: small enough that a boundary is some voxels wide."""


def write_bright_model(folder: Path, patch: tuple[int, int, int] = (48, 48, 48)) -> Path:
    """Write the model folder; returns it."""
    arguments = tiny_arguments("SegResNet")
    network = build_network("SegResNet", arguments)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        body = network.body
        tent = torch.tensor([0.25, 0.5, 0.25])
        blur = torch.einsum("i,j,k->ijk", tent, tent, tent)
        body.convInit.conv.weight[0, : len(MODALITIES)] = blur
        norm, cut = body.conv_final[0], body.conv_final[2].conv
        norm.weight.fill_(1.0)
        for row, region in enumerate(REGIONS):
            cut.weight[row, 0] = STEEPNESS
            cut.bias[row] = -STEEPNESS * CUTS[region]
    description = ModelDescription(
        name="bright",
        network="SegResNet",
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
    save_model(folder, description, network.state_dict(), "A model that finds what is bright.")
    return folder
