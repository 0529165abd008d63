"""What a scan makes do with, and what it tries next when memory runs out."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from ParetoSegLib.model.devices import describe_device

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Means:
    """Backend, device of the network, windows at once, device of the sums."""

    backend: str
    device: torch.device
    batch: int
    sums: torch.device


def first_means(backend: str, device: torch.device, batch: int | None) -> Means:
    """What a scan begins with: by default 4 windows at once on a GPU, and 1 on a CPU."""
    return Means(backend, device, batch or (1 if device.type == "cpu" else 4), device)


def fewer_means(means: Means) -> tuple[Means, str] | None:
    """The next smaller means and the sentence that says so; ``None`` where there is none."""
    if means.backend == "openvino":
        return plain_means(means), "OpenVINO ran out of memory; went on with PyTorch."
    where = describe_device(means.device)
    if means.batch > 1:
        fewer = means.batch // 2
        return (
            replace(means, batch=fewer),
            f"{where} ran out of memory with {means.batch} windows at once; went on with {fewer}.",
        )
    if means.sums != CPU:
        return (
            replace(means, sums=CPU),
            f"{where} ran out of memory; went on with the sums in the CPU's memory.",
        )
    if means.device != CPU:
        return cpu_means(), f"{where} ran out of memory; went on on the CPU."
    return None


def plain_means(means: Means) -> Means:
    """The same with PyTorch."""
    return replace(means, backend="torch")


def cpu_means() -> Means:
    """PyTorch on the CPU, which runs whatever there is."""
    return Means("torch", CPU, 1, CPU)
