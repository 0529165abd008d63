"""How close does the network come to what the machine can do?

    python benchmarks/roofline.py --output roofline.json

Operations of one window are counted by PyTorch's flop counter (convolutions and matrix products,
a multiply-add as two); bytes by hooks on every layer (input, output and weights once, at the
precision's size). The machine's rate is the best of large matrix products in the same precision,
its bandwidth a copy of memory larger than the caches. The least time a window can take is then
max(operations / rate, bytes / bandwidth): layers that keep their values in cache can beat the
second, nothing beats the first but fewer operations (Winograd).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from rich.console import Console
from rich.table import Table
from timing import arguments, shown, spread, write
from torch.utils.flop_counter import FlopCounterMode
from untrained_model import recipe, untrained_network

from ParetoSegLib.model.backends.interface import Backend
from ParetoSegLib.model.backends.pytorch import TorchBackend
from ParetoSegLib.model.devices import choose_device, wait_for

BYTES = {"fp32": 4, "bf16": 2}


def operations(network: torch.nn.Module, patch: tuple[int, int, int]) -> int:
    """Floating-point operations of one window."""
    counter = FlopCounterMode(display=False)
    with counter, torch.inference_mode():
        network(torch.zeros(1, 4, *patch), torch.ones(1, 4))
    return int(counter.get_total_flops())


def traffic(network: torch.nn.Module, patch: tuple[int, int, int]) -> int:
    """Values that the layers of one window read and write, weights included."""
    total = sum(p.numel() for p in network.parameters())

    def count(layer: torch.nn.Module, given: tuple[Any, ...], made: Any) -> None:
        nonlocal total
        tensors = [t for t in (*given, made) if isinstance(t, torch.Tensor)]
        total += sum(t.numel() for t in tensors)

    leaves = [m for m in network.modules() if not list(m.children())]
    handles = [leaf.register_forward_hook(count) for leaf in leaves]
    try:
        with torch.inference_mode():
            network(torch.zeros(1, 4, *patch), torch.ones(1, 4))
    finally:
        for handle in handles:
            handle.remove()
    return total


def seconds_of(work: Callable[[], object], rounds: int, device: torch.device) -> list[float]:
    """Seconds of each round after two of warm-up."""
    times = []
    for _ in range(rounds + 2):
        began = time.perf_counter()
        work()
        wait_for(device)
        times.append(time.perf_counter() - began)
    return times[2:]


def matrix_rate(kind: torch.dtype, side: int, rounds: int, device: torch.device) -> float:
    """Operations a second of a square matrix product; the best of the rounds."""
    a = torch.randn(side, side, device=device).to(kind)
    return 2 * side**3 / min(seconds_of(lambda: a @ a, rounds, device))


def bandwidth(megabytes: int, rounds: int, device: torch.device) -> float:
    """Bytes a second of a copy, read and written; the best of the rounds."""
    a = torch.ones(megabytes * 2**18, device=device)
    b = torch.empty_like(a)
    return 2 * a.numel() * 4 / min(seconds_of(lambda: b.copy_(a), rounds, device))


def backends(
    network: torch.nn.Module, device: torch.device, patch: tuple[int, int, int]
) -> dict[str, Callable[[], Backend]]:
    """What can run the network here, each by the precision it is asked for."""
    found: dict[str, Callable[[], Backend]] = {
        "torch fp32": lambda: TorchBackend(network, device, patch, False),
        "torch bf16": lambda: TorchBackend(network, device, patch, True),
    }
    if device.type == "cpu" and find_spec("openvino"):
        from ParetoSegLib.model.backends.openvino_cpu import OpenVINOBackend

        found["openvino fp32"] = lambda: OpenVINOBackend(network, patch, False)
        found["openvino bf16"] = lambda: OpenVINOBackend(network, patch, True)
    return found


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    device = choose_device(options.device)
    name, _, patch = recipe(options.quick)
    network = untrained_network(options.quick)
    side = 128 if options.quick else (8192 if device.type == "cuda" else 2048)
    flops, values = operations(network, patch), traffic(network, patch)
    rates = {
        "fp32": matrix_rate(torch.float32, side, options.rounds, device),
        "bf16": matrix_rate(torch.bfloat16, side, options.rounds, device),
    }
    memory = bandwidth(4 if options.quick else 512, options.rounds, device)
    images = torch.randn(1, 4, *patch, device=device)
    flags = torch.ones(1, 4, device=device)
    title = f"{name}, {' × '.join(map(str, patch))}, {device}"
    table = Table(title=f"{title}: {flops / 1e9:.1f} Gflop, {values / 1e6:.0f} million values")
    columns = (
        "backend",
        "median s",
        "quartiles s",
        "Gflop/s",
        "of matrix rate",
        "least s",
        "share",
    )
    for column in columns:
        table.add_column(column)
    rows = {}
    for label, make in backends(network, device, patch).items():
        kind = label.rpartition(" ")[2]
        with torch.inference_mode():
            backend = make()
            times = seconds_of(lambda b=backend: b.run(images, flags), options.rounds, device)
            described = str(backend)
            backend.close()
        row = spread(times)
        middle = row["quartiles"][1]
        least = max(flops / rates[kind], values * BYTES[kind] / memory)
        row |= {
            "described": described,
            "flops_per_second": flops / middle,
            "of_matrix_rate": flops / middle / rates[kind],
            "least_seconds": least,
            "of_roofline": least / middle,
        }
        rows[label] = row
        table.add_row(
            label,
            *shown(row, 4),
            f"{flops / middle / 1e9:.0f}",
            f"{row['of_matrix_rate']:.0%}",
            f"{least:.4f}",
            f"{row['of_roofline']:.0%}",
        )
    Console().print(table)
    told = ", ".join(f"{kind} {rate / 1e9:.0f} Gflop/s" for kind, rate in rates.items())
    Console().print(f"Matrix products: {told}; copying: {memory / 1e9:.1f} GB/s.")
    write(
        options.output,
        options.quick,
        network=name,
        patch=patch,
        device=str(device),
        operations=flops,
        values=values,
        matrix_flops_per_second=rates,
        copy_bytes_per_second=memory,
        rows=rows,
    )


if __name__ == "__main__":
    main()
