"""Normalisation that is the same in every window: a scale and a shift a channel, and no statistics.

InstanceNorm divides by the spread of its own window, which at the deepest level are 27 voxels: what
the network says of a lesion then depends on where the window's edge lies and on what else is in it.
A network whose statistics are those of many patches, once and for all, says the same wherever the
window lies, can look at a whole head at once, and its scales vanish in its convolutions. Detectors
that are trained on one image at a time do the same with batch normalisation: they freeze it (He et
al. 2016, "Deep residual learning for image recognition", appendix A).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

import torch
from torch import nn

LEAST_VARIANCE = 1e-5
"""Added to each variance, as InstanceNorm does."""


class FixedNorm(nn.Module):
    """``weight · x + bias`` for each channel of ``x (B, C, D, H, W)``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scaled and shifted, in the precision of ``x``."""
        along = (1, -1, 1, 1, 1)
        return x * self.weight.to(x.dtype).view(along) + self.bias.to(x.dtype).view(along)


def use_fixed_norms(network: nn.Module) -> None:
    """Put a ``FixedNorm`` of scale 1 and shift 0 in the place of every InstanceNorm."""
    for parent, name, norm in _instance_norms(network):
        setattr(parent, name, FixedNorm(norm.num_features))


@torch.no_grad()
def fix_norms(network: nn.Module, samples: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> None:
    """Give every InstanceNorm the statistics that it has over ``samples``, and keep them.

    One layer after another, in the order in which they run: each sees what the fixed ones before
    it give. The answers change, most where a window is unlike the others; a few hundred steps of
    training bring them back.

    Args:
        network: changed in place; ends in evaluation mode.
        samples: what ``network`` takes, at least one.
    """
    network.eval()
    for norm in _in_order(network, samples[0]):
        mean, variance = _statistics(network, norm, samples)
        fixed = FixedNorm(norm.num_features).to(mean.device)
        scale = (variance + LEAST_VARIANCE).rsqrt()
        shift = -mean * scale
        if norm.affine:
            scale, shift = scale * norm.weight, shift * norm.weight + norm.bias
        fixed.weight.copy_(scale)
        fixed.bias.copy_(shift)
        parent, name = next((p, n) for p, n, m in _instance_norms(network) if m is norm)
        setattr(parent, name, fixed)


class _Enough(Exception):
    """The layer that was asked about has been reached."""


def _statistics(
    network: nn.Module,
    norm: nn.InstanceNorm3d,
    samples: Iterable[tuple[torch.Tensor, torch.Tensor]],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and variance of each channel of what reaches ``norm``, over all samples."""
    means, squares = [], []

    def note(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        x = inputs[0].float()
        means.append(x.mean((0, 2, 3, 4)))
        squares.append(x.square().mean((0, 2, 3, 4)))
        raise _Enough

    hook = norm.register_forward_hook(note)
    try:
        for images, presence in samples:
            with suppress(_Enough):
                network(images, presence)
    finally:
        hook.remove()
    mean = torch.stack(means).mean(0)
    return mean, (torch.stack(squares).mean(0) - mean.square()).clamp(min=0.0)


def _in_order(
    network: nn.Module, sample: tuple[torch.Tensor, torch.Tensor]
) -> list[nn.InstanceNorm3d]:
    """Every InstanceNorm in the order in which they run."""
    order: list[nn.InstanceNorm3d] = []

    def note(module: nn.Module, inputs: object, output: object) -> None:
        assert isinstance(module, nn.InstanceNorm3d)
        order.append(module)

    hooks = [norm.register_forward_hook(note) for _, _, norm in _instance_norms(network)]
    try:
        network(*sample)
    finally:
        for hook in hooks:
            hook.remove()
    return order


def _instance_norms(network: nn.Module) -> list[tuple[nn.Module, str, nn.InstanceNorm3d]]:
    """Every InstanceNorm with the module that holds it and its name there."""
    return [
        (parent, name, child)
        for parent in network.modules()
        for name, child in parent.named_children()
        if isinstance(child, nn.InstanceNorm3d)
    ]
