"""What every backend can do, and which one runs a network."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Protocol

import torch

from ParetoSegLib.core.errors import DeviceError

BACKENDS = ("auto", "torch", "openvino")
"""What a user may ask for."""


class Backend(Protocol):
    """Runs one network on batches of windows of one size."""

    @property
    def device(self) -> torch.device:
        """Where the windows have to be, and where the logits come out."""

    @property
    def is_half(self) -> bool:
        """Whether it computes in 16 bits."""

    def run(self, images: torch.Tensor, presence: torch.Tensor) -> torch.Tensor:
        """Logits ``(B, 3, D, H, W)`` of windows ``(B, 4, D, H, W)`` and flags ``(B, 4)``.

        They may lie in memory that the next call uses again.
        """

    def close(self) -> None:
        """Leave the network as it was found."""

    def __str__(self) -> str:
        """Library, version and precision, for the facts of a run."""


def choose_backend(name: str, device: torch.device) -> str:
    """The backend that a user's word stands for: ``torch`` or ``openvino``.

    ``auto`` takes OpenVINO on a CPU wherever it is installed: on every network and CPU that was
    timed it was the faster one, in single precision and in half. It has to agree with PyTorch
    before it is used (``conversion.py``). A GPU is always PyTorch's.

    Raises:
        DeviceError: there is no such backend, it is not installed, or not made for the device.
    """
    if name not in BACKENDS:
        raise DeviceError(
            f"The backend {name!r:.40} is unknown; choose one of {', '.join(BACKENDS)}."
        )
    installed = find_spec("openvino") is not None
    if name == "auto":
        return "openvino" if installed and device.type == "cpu" else "torch"
    if name == "openvino" and not installed:
        raise DeviceError(
            "OpenVINO is not installed; install it with 'pip install openvino', or choose the "
            "backend auto or torch."
        )
    if name == "openvino" and device.type != "cpu":
        raise DeviceError(
            f"OpenVINO runs on the CPU here, not on {device}; choose the device cpu, or the "
            "backend auto or torch."
        )
    return name
