"""A network that is built only when something needs its layers.

A converted network runs without them, and importing what they are made of takes seconds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import torch

from ParetoSegLib.model.description import ModelDescription
from ParetoSegLib.model.folder import check_weights, load_model


class DeferredNetwork:
    """A network, or the promise of one.

    Args:
        identity: tells networks apart that give other values; a hash.
        build: makes the network, in evaluation mode, on the CPU.
    """

    def __init__(self, identity: str, build: Callable[[], torch.nn.Module]) -> None:
        self.identity = identity
        self._build = build

    @cached_property
    def whole(self) -> torch.nn.Module:
        """The network itself, built at the first use.

        Raises:
            ModelFolderError: the folder it comes from has changed or gone since.
        """
        return self._build()


def deferred_model(folder: Path) -> tuple[ModelDescription, DeferredNetwork]:
    """Read and check a model folder, except for what only building its network shows.

    Raises:
        ModelFolderError: incomplete, altered, or of an unknown version.
    """
    description, digest = check_weights(folder)
    arguments = json.dumps(dict(description.network_arguments), sort_keys=True, default=list)
    told = f"{digest}\n{description.network}\n{arguments}"

    def build() -> torch.nn.Module:
        again, network = load_model(folder)
        del again
        return network

    return description, DeferredNetwork(hashlib.sha256(told.encode()).hexdigest(), build)


def identity_of(network: torch.nn.Module | DeferredNetwork) -> str:
    """The identity of a network: its own, or the hash of its layers and weights."""
    if isinstance(network, DeferredNetwork):
        return network.identity
    digest = hashlib.sha256(repr(network).encode())
    for name, tensor in network.state_dict().items():
        values = tensor.detach().to("cpu").contiguous()
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}\n".encode())
        digest.update(values.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def whole(network: torch.nn.Module | DeferredNetwork) -> torch.nn.Module:
    """The network itself."""
    return network.whole if isinstance(network, DeferredNetwork) else network
