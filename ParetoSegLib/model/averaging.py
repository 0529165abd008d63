"""Exponential moving average of the weights: what is validated and shipped."""

from __future__ import annotations

import copy

import torch


class WeightAverage:
    """A copy of a network whose weights follow the original's slowly.

    w̄ ← d·w̄ + (1 − d)·w with d = min(decay, (1 + n)/(10 + n)) at update n, so that the random
    start is forgotten quickly. Buffers are copied.
    """

    def __init__(self, network: torch.nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self._decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, network: torch.nn.Module) -> None:
        """Follow the network's weights by one step."""
        decay = min(self._decay, (1 + self.updates) / (10 + self.updates))
        mine: list[torch.Tensor] = list(self.network.parameters())
        theirs = [p.detach() for p in network.parameters()]
        torch._foreach_lerp_(mine, theirs, 1 - decay)
        for own, other in zip(self.network.buffers(), network.buffers(), strict=True):
            own.copy_(other)
        self.updates += 1
