"""A small network, batches with and without a boundary, and every mode of the balance."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ParetoSegLib.method.curriculum import voxel_weight
from ParetoSegLib.method.fuzzy import certainty
from ParetoSegLib.method.losses import RegionLosses, region_losses
from ParetoSegLib.method.pareto import ParetoSettings

MODES = [
    ParetoSettings("sum"),
    ParetoSettings("stch", reference_steps=2),
    ParetoSettings("upgrad"),
    ParetoSettings("upgrad", refresh_every=3),
    ParetoSettings("sum", probe_every=2),
]
every_mode = pytest.mark.parametrize(
    "mode", MODES, ids=lambda m: f"{m.mode}-{m.refresh_every}-{m.probe_every}"
)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv3d(2, 4, 3, padding=1), nn.ReLU(), nn.Conv3d(4, 3, 1))


def batch(seed: int, size: int = 2, binary: bool = False):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(size, 2, 5, 5, 5, generator=generator)
    mu = torch.rand(size, 3, 5, 5, 5, generator=generator)
    kind = torch.rand(mu.shape, generator=generator)
    mu = torch.where(kind < 0.5, 0.0, torch.where(kind < 0.7, 1.0, mu))
    return images, mu.round() if binary else mu


def losses_of(net: nn.Module, images, mu) -> RegionLosses:
    labelled = torch.ones(mu.shape[:2], dtype=torch.bool)
    return region_losses(net(images), mu, voxel_weight(certainty(mu), 0.2, 0.25), labelled)


def gradients(net: nn.Module) -> list[torch.Tensor]:
    return [p.grad.clone() for p in net.parameters() if p.grad is not None]
