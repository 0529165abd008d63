"""The processes that train together: devices, ranks, and what they average."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ParetoSegLib.core.errors import DeviceError, TrainingError


@dataclass(frozen=True)
class Processes:
    """One process's view of the group it belongs to, through lightning-fabric.

    The network is *not* wrapped for distributed training: the Pareto balance needs each region's
    own gradient, which ``autograd.grad`` takes past the wrapper's hooks. ``average`` does what
    the hooks would have done.
    """

    fabric: Any

    @property
    def rank(self) -> int:
        """This process's number, from 0."""
        return int(self.fabric.global_rank)

    @property
    def count(self) -> int:
        """Processes over all nodes."""
        return int(self.fabric.world_size)

    @property
    def device(self) -> torch.device:
        """Where this process computes."""
        return torch.device(self.fabric.device)

    def average(self, tensors: Sequence[torch.Tensor]) -> None:
        """Replace each tensor by its mean over all processes, in one message."""
        if self.count == 1 or not tensors:
            return
        flat = torch.cat([t.detach().reshape(-1) for t in tensors])
        torch.distributed.all_reduce(flat)
        flat /= self.count
        start = 0
        for tensor in tensors:
            tensor.detach().copy_(flat[start : start + tensor.numel()].view_as(tensor))
            start += tensor.numel()

    @property
    def average_or_none(self) -> Callable[[Sequence[torch.Tensor]], None] | None:
        """``average`` where there is anybody to average with: alone, copies would be wasted."""
        return self.average if self.count > 1 else None

    def total(self, values: Sequence[float]) -> list[float]:
        """The sum of each number over all processes."""
        if self.count == 1:
            return [float(v) for v in values]
        tensor = torch.tensor(list(values), dtype=torch.float64, device=self.device)
        torch.distributed.all_reduce(tensor)
        return [float(v) for v in tensor.tolist()]

    def first(self, value: Any) -> Any:
        """What process 0 says, everywhere."""
        return value if self.count == 1 else self.fabric.broadcast(value, src=0)

    def wait(self) -> None:
        """Until every process is here."""
        if self.count > 1:
            self.fabric.barrier()


def start_processes(device: str, devices: int, nodes: int) -> Processes:
    """Start (or, under torchrun and SLURM, join) the group of training processes.

    Args:
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        devices: processes on this node; each has a device of its own, or shares the CPU.
        nodes: machines.

    Raises:
        TrainingError: the extra ``train`` is not installed.
        DeviceError: the device is not there.
    """
    # It tells of every process that joins; the screen belongs to the command.
    for name in ("lightning_fabric", "lightning_utilities"):
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        from lightning_fabric import Fabric
    except ImportError as error:
        raise TrainingError(
            'Training needs more packages: install them with pip install "ParetoSeg[train]".'
        ) from error
    if device == "auto":
        # MPS is left to those who ask for it: it lacks some 3-D operations.
        device = "cuda" if torch.cuda.is_available() else "cpu"
    strategy = "ddp" if devices > 1 or nodes > 1 else "auto"
    try:
        fabric = Fabric(accelerator=device, devices=devices, num_nodes=nodes, strategy=strategy)
    except Exception as error:
        # Fabric raises exceptions of several kinds for a device that is not there.
        raise DeviceError(
            f"Training cannot start on {devices} {device} device(s) × {nodes} node(s): "
            f"{str(error).splitlines()[0]}"
        ) from error
    fabric.launch()
    return Processes(fabric)
