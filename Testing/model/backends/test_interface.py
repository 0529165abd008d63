"""Which backend runs a network: by a rule, or by the user's word, or not at all."""

from __future__ import annotations

import pytest
import torch

from ParetoSegLib.core.errors import DeviceError
from ParetoSegLib.model.backends import interface
from ParetoSegLib.model.backends.interface import choose_backend

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)


@pytest.fixture(params=[True, False])
def installed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(interface, "find_spec", lambda name: request.param or None)
    return bool(request.param)


def test_auto_takes_openvino_on_a_cpu_where_it_is_installed(installed: bool) -> None:
    assert choose_backend("auto", CPU) == ("openvino" if installed else "torch")
    assert choose_backend("auto", CUDA) == "torch"
    assert choose_backend("auto", torch.device("mps")) == "torch"


def test_torch_is_always_there(installed: bool) -> None:
    assert choose_backend("torch", CPU) == choose_backend("torch", CUDA) == "torch"


def test_what_cannot_be_had_is_said(installed: bool) -> None:
    if installed:
        assert choose_backend("openvino", CPU) == "openvino"
        with pytest.raises(DeviceError, match="on the CPU here, not on cuda:0"):
            choose_backend("openvino", CUDA)
    else:
        with pytest.raises(DeviceError, match="not installed; install it"):
            choose_backend("openvino", CPU)
    with pytest.raises(DeviceError, match="'onnx' is unknown; choose one of auto"):
        choose_backend("onnx", CPU)
