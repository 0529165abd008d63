"""How a network runs fastest on a device: found by trying, since no rule holds everywhere.

Half precision is six times faster on one CPU and slower on the next; channels-last helps networks
with group norm and slows others down.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from ParetoSegLib.core.labels import MODALITIES
from ParetoSegLib.model.devices import half_type, is_out_of_memory, wait_for

LONGEST_SIDE = 48
"""Of the patch that is timed; ratios hardly change above it, and the probe must stay quick."""

GAIN = 0.9
"""The less plain way must take less than this share of the time to be chosen."""


@dataclass(frozen=True)
class Plan:
    """How the network is run.

    Args:
        half: the 16-bit type of autocast, or ``None`` for single precision.
        channels_last: whether tensors lie in memory with channels innermost.
    """

    half: torch.dtype | None = None
    channels_last: bool = False

    def __str__(self) -> str:
        names = {None: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}
        return names[self.half] + (" channels-last" if self.channels_last else "")

    @property
    def layout(self) -> torch.memory_format:
        """The memory format of images and weights."""
        return torch.channels_last_3d if self.channels_last else torch.contiguous_format


def run_network(
    network: torch.nn.Module, images: torch.Tensor, presence: torch.Tensor, plan: Plan
) -> torch.Tensor:
    """Logits of one batch, in whatever precision the plan gives.

    The weights must already lie as the plan says.
    """
    images = images.contiguous(memory_format=plan.layout)
    with (
        torch.inference_mode(),
        torch.autocast(images.device.type, plan.half, enabled=plan.half is not None),
    ):
        return network(images, presence)


def plan_for(
    network: torch.nn.Module,
    device: torch.device,
    patch: tuple[int, int, int],
    half: bool | None,
) -> Plan:
    """What was asked for, or the fastest plan.

    With ``half`` given nothing is timed, so that equal inputs give equal results, bit for bit. The
    fastest plan is kept on the network, one for each device.

    Args:
        network: in evaluation mode, on ``device``.
        device: of network and images.
        patch: the window; a smaller one is timed.
        half: use 16 bits, or not; ``None`` for whichever is faster.
    """
    if half is not None:
        return Plan(half_type(device) if half else None)
    if device.type not in ("cpu", "cuda"):
        return Plan()
    known: dict[str, Plan] = getattr(network, "fastest_plans", {})
    if str(device) not in known:
        known = {**known, str(device): _fastest(network, device, patch)}
        network.fastest_plans = known  # type: ignore[assignment]
    return known[str(device)]


def arrange(network: torch.nn.Module, plan: Plan) -> None:
    """Lay the weights out in memory as the plan wants them; their values stay."""
    network.to(memory_format=plan.layout)  # type: ignore[call-overload]


def _fastest(network: torch.nn.Module, device: torch.device, patch: tuple[int, int, int]) -> Plan:
    best = Plan()
    seconds = _seconds(network, device, patch, best)
    try:
        for channels_last in (False, True):
            trial = Plan(best.half if channels_last else half_type(device), channels_last)
            try:
                taken = _seconds(network, device, patch, trial)
            except RuntimeError as error:
                if is_out_of_memory(error):
                    raise
                continue  # an operation that this device lacks in this precision or layout
            if taken < GAIN * seconds:
                best, seconds = trial, taken
    finally:
        arrange(network, Plan())
    return best


def _seconds(
    network: torch.nn.Module, device: torch.device, patch: tuple[int, int, int], plan: Plan
) -> float:
    """Time of one small window, the better of two after one to warm up."""
    arrange(network, plan)
    generator = torch.Generator().manual_seed(0)
    shape = (1, len(MODALITIES), *_shortened(network, patch))
    images = torch.randn(shape, generator=generator).to(device)
    presence = torch.ones(1, len(MODALITIES), device=device)
    times = []
    for _ in range(3):
        began = time.perf_counter()
        run_network(network, images, presence, plan)
        wait_for(device)
        times.append(time.perf_counter() - began)
    return min(times[1:])


def _shortened(network: torch.nn.Module, patch: tuple[int, int, int]) -> list[int]:
    """A smaller patch that the network can still take; the same where it does not say which."""
    divisor = getattr(network, "divisor", None)
    if divisor is None:
        return list(patch)
    short = max(2 * divisor, LONGEST_SIDE // divisor * divisor)
    return [min(side, short) for side in patch]
