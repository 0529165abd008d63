"""Which device does the work, and how to tell that it cannot."""

from __future__ import annotations

import re

import torch

from ParetoSegLib.core.errors import DeviceError


def choose_device(name: str = "auto") -> torch.device:
    """The device that a user's word stands for.

    Args:
        name: ``auto`` (the first of CUDA, Apple's GPU, CPU that is there), ``cpu``, ``cuda``,
            ``cuda:N`` or ``mps``.

    Raises:
        DeviceError: the name is unknown, or the device is not there.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", torch.cuda.current_device())
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    if name == "cpu":
        return torch.device("cpu")
    if name == "mps":
        if not torch.backends.mps.is_available():
            raise DeviceError("The device mps is not there; choose cpu or auto.")
        return torch.device("mps")
    matched = re.fullmatch(r"cuda(?::([0-9]{1,3}))?", name)
    if matched is None:
        raise DeviceError(
            f"The device {name!r:.40} is unknown; choose auto, cpu, cuda, cuda:N or mps."
        )
    if not torch.cuda.is_available():
        raise DeviceError(
            f"The device {name} is not there: PyTorch finds no CUDA GPU; choose cpu or auto."
        )
    index = int(matched[1]) if matched[1] else torch.cuda.current_device()
    if index >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise DeviceError(
            f"The device {name} is not there: PyTorch finds {count}, counted from cuda:0; "
            "choose one of them or auto."
        )
    return torch.device("cuda", index)


def describe_device(device: torch.device) -> str:
    """The device in words: a GPU with its product name."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return str(device)


def half_type(device: torch.device) -> torch.dtype:
    """The 16-bit type that autocast uses on a device."""
    if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.float16
    return torch.bfloat16


def wait_for(device: torch.device) -> None:
    """Return when the device has done what it was given, so that a clock can be read."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a failure means "too little memory", in the words of CUDA, MPS or the CPU."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    said = str(error).lower()
    signs = ("out of memory", "not enough memory", "can't allocate memory", "alloc_failed")
    return isinstance(error, RuntimeError) and any(sign in said for sign in signs)


def is_unsupported(error: BaseException, device: torch.device) -> bool:
    """Whether Apple's GPU lacks one of the network's operations."""
    if device.type != "mps":
        return False
    said = str(error).lower()
    return isinstance(error, NotImplementedError) or (
        isinstance(error, RuntimeError) and "not supported on mps" in said
    )
