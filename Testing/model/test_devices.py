"""Devices: what is not there is said, and running out of memory is recognised."""

from __future__ import annotations

import pytest
import torch

from ParetoSegLib.core.errors import DeviceError
from ParetoSegLib.model.devices import (
    choose_device,
    describe_device,
    half_type,
    is_out_of_memory,
    is_unsupported,
)

no_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA GPU")


def test_cpu_is_always_there():
    assert choose_device("cpu") == torch.device("cpu")
    assert describe_device(choose_device("cpu")) == "cpu"
    assert half_type(torch.device("cpu")) == torch.bfloat16


def test_auto_gives_a_device_that_works():
    assert torch.ones(1, device=choose_device("auto")).sum().item() == 1


@no_cuda
@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:7"])
def test_cuda_without_a_gpu_is_one_sentence(name):
    with pytest.raises(DeviceError, match=f"{name} is not there.*choose cpu or auto"):
        choose_device(name)


def test_a_gpu_number_that_is_not_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    assert choose_device("cuda") == choose_device("auto") == torch.device("cuda", 1)
    assert choose_device("cuda:0") == torch.device("cuda", 0)
    with pytest.raises(DeviceError, match="finds 2"):
        choose_device("cuda:2")


@pytest.mark.parametrize("name", ["gpu", "", "cuda:", "cuda:-1", "cuda:0;rm", "CPU", "meta"])
def test_unknown_names_are_refused(name):
    with pytest.raises(DeviceError, match="unknown"):
        choose_device(name)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        MemoryError(),
        RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    ],
)
def test_out_of_memory_is_recognised(error):
    assert is_out_of_memory(error)


@pytest.mark.parametrize(
    "error", [RuntimeError("shapes differ"), ValueError("out of memory"), KeyboardInterrupt()]
)
def test_other_failures_are_not_out_of_memory(error):
    assert not is_out_of_memory(error)


def test_only_apples_gpu_may_lack_an_operation():
    mps, cpu = torch.device("mps"), torch.device("cpu")
    error = RuntimeError("ConvTranspose 3D is not supported on MPS")
    assert is_unsupported(error, mps)
    assert is_unsupported(NotImplementedError("aten::x"), mps)
    assert not is_unsupported(error, cpu)
    assert not is_unsupported(RuntimeError("shapes differ"), mps)
