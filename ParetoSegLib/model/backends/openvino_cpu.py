"""OpenVINO as a backend: the same network on a CPU, in the precision that the CPU is built for."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ParetoSegLib.core.errors import DeviceError
from ParetoSegLib.model.backends.conversion import compiled, convert, openvino
from ParetoSegLib.model.backends.conversion_cache import (
    Converted,
    entry_of,
    read_entry,
    write_entry,
)
from ParetoSegLib.model.deferred import DeferredNetwork, identity_of, whole

CPU = torch.device("cpu")

KEPT = 3
"""Sizes of the window for which a network stays ready to run."""

PRECISIONS = {None: None, True: "bf16", False: "f32"}
"""What OpenVINO is told; told nothing it takes bf16 where the CPU has instructions for it."""


class OpenVINOBackend:
    """Runs a network with OpenVINO on the CPU, on as many threads as PyTorch would use.

    A network from a model folder is converted once and kept in the user's cache folder; any other
    is converted anew in each process. What is ready to run stays with the network, so that the
    next case need not wait for it.

    Args:
        network: it is not changed.
        patch: the window.
        half: 16 bits or not; ``None`` for what the CPU does best, which is always the same.
        any_window: converted once for windows of every size that the network takes.

    Raises:
        DeviceError: the network cannot be converted, or OpenVINO cannot run it.
        MemoryError: it does not fit into memory.
    """

    def __init__(
        self,
        network: torch.nn.Module | DeferredNetwork,
        patch: tuple[int, int, int],
        half: bool | None,
        any_window: bool = False,
    ) -> None:
        ready: dict[tuple[object, ...], Any] = network.__dict__.setdefault("ready_to_run", {})
        key = (identity_of(network), patch, half, torch.get_num_threads())
        if key not in ready:
            while len(ready) >= (KEPT if any_window else 1):
                ready.pop(next(iter(ready)))
            ready[key] = _ready(network, patch, half, any_window)
        self._compiled = ready[key]
        self._request = self._compiled.create_infer_request()
        self._type = self._compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()

    @property
    def device(self) -> torch.device:
        """Always the CPU."""
        return CPU

    @property
    def is_half(self) -> bool:
        """Whether it computes in 16 bits."""
        return self._type != "f32"

    def run(self, images: torch.Tensor, presence: torch.Tensor) -> torch.Tensor:
        """Logits of one batch, window by window: on a CPU more at once gain nothing."""
        logits = []
        for window, flags in zip(images, presence, strict=True):
            inputs = [
                np.ascontiguousarray(window[None].numpy()),
                np.ascontiguousarray(flags[None].numpy()),
            ]
            try:
                found = self._request.infer(inputs, share_inputs=True, share_outputs=True)[0]
            except RuntimeError as error:
                raise _failed(error) from error
            logits.append(torch.from_numpy(found if len(images) == 1 else found.copy()))
        return logits[0] if len(logits) == 1 else torch.cat(logits)

    def close(self) -> None:
        """Free the memory between layers; the network was not touched."""
        del self._request

    def __str__(self) -> str:
        name = {"f32": "fp32", "f16": "fp16"}.get(self._type, self._type)
        return f"OpenVINO {openvino().__version__.partition('-')[0]} {name}"


def _ready(
    network: torch.nn.Module | DeferredNetwork,
    patch: tuple[int, int, int],
    half: bool | None,
    any_window: bool,
) -> Any:
    options: dict[str, Any] = {"INFERENCE_NUM_THREADS": torch.get_num_threads()}
    if PRECISIONS[half] is not None:
        options["INFERENCE_PRECISION_HINT"] = PRECISIONS[half]
    size = None if any_window else patch
    entry = entry_of(network.identity, size) if isinstance(network, DeferredNetwork) else None
    kept = read_entry(entry) if entry is not None else None
    try:
        if kept is not None:
            try:
                return compiled(kept, options, patch)
            except RuntimeError:
                kept = None  # written by a build that differs in more than its version
        fresh = _converted(whole(network), size)
        if entry is not None:
            write_entry(entry, fresh)
        return compiled(fresh, options, patch)
    except RuntimeError as error:
        raise _failed(error) from error


def _converted(network: torch.nn.Module, patch: tuple[int, int, int] | None) -> Converted:
    training = network.training
    network.eval().to(CPU)
    try:
        return convert(network, patch)
    finally:
        network.train(training)


def _failed(error: RuntimeError) -> Exception:
    said = str(error).lower()
    if "memory" in said or "bad_alloc" in said or "bad allocation" in said:
        return MemoryError("OpenVINO ran out of memory")
    return DeviceError("OpenVINO cannot run this network on this CPU.")
