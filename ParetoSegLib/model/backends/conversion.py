"""From a PyTorch network to OpenVINO's format, checked against the original before it is used."""

from __future__ import annotations

import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ParetoSegLib.core.errors import DeviceError
from ParetoSegLib.core.labels import MODALITIES
from ParetoSegLib.model.backends.conversion_cache import Converted

Sides = tuple[int, int, int]

AGREEMENT = 0.01
"""Both networks' logits may differ by this share of the largest one: what single precision and
another order of sums make of InstanceNorm was 0.0002 of it, a wrong layer is as large as itself."""


def openvino() -> Any:
    """The package, without its telemetry.

    Left alone, importing it reports the import, and each conversion, to its makers' servers. Where
    a hospital's images are read, nothing is reported to anybody: its own stand-in for a missing
    telemetry package is what it gets.
    """
    telemetry = "openvino_telemetry"
    if "openvino" not in sys.modules and telemetry not in sys.modules:
        sys.modules[telemetry] = None  # type: ignore[assignment]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import openvino

    return openvino


def convert(network: torch.nn.Module, patch: Sides | None) -> Converted:
    """Convert a network and check that it gives the same logits.

    Args:
        network: ``(images (1, 4, D, H, W), presence (1, 4)) → logits (1, 3, D, H, W)``, on the
            CPU, in evaluation mode.
        patch: ``(D, H, W)`` of every window; ``None`` for any size, which takes a network with a
            ``divisor``.

    Raises:
        DeviceError: it cannot be converted, or gives other values then.
    """
    ov = openvino()
    if patch is None:
        step: int = network.divisor  # type: ignore[assignment]
        # Another size than the one that was traced shows whether that one was taken for granted.
        traced_with, checked_with = (2 * step, 2 * step, 2 * step), (step, 3 * step, 2 * step)
        shape = [1, len(MODALITIES), -1, -1, -1]
    else:
        traced_with = checked_with = patch
        shape = [1, len(MODALITIES), *patch]
    images, presence = _noise(traced_with)
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            # The tracer warns of every shape that it may take for fixed.
            warnings.simplefilter("ignore")
            # Without the tracer's own check, which imports half of PyTorch; ours follows.
            traced = torch.jit.trace(network, (images, presence), check_trace=False)
            model = ov.convert_model(
                traced, example_input=(images, presence), input=[shape, list(presence.shape)]
            )
            images, presence = _noise(checked_with)
            expected = network(images, presence)
        converted = _serialised(ov, model)
        single = {"INFERENCE_PRECISION_HINT": "f32"}
        found = compiled(converted, single, checked_with)([images.numpy(), presence.numpy()])[0]
    # Whatever a foreign converter may raise, the original network still runs.
    except Exception as error:
        raise DeviceError(f"OpenVINO cannot convert this network ({_short(error)}).") from error
    difference = float(np.abs(found - expected.numpy()).max())
    if not difference <= AGREEMENT * max(1.0, float(expected.abs().max())):
        raise DeviceError("OpenVINO gives other values than PyTorch for this network.")
    return converted


def compiled(converted: Converted, options: dict[str, Any], window: Sides) -> Any:
    """An OpenVINO network ready to run on the CPU on windows of one size.

    Raises:
        RuntimeError: OpenVINO cannot read or run it.
    """
    core = openvino().Core()
    model = core.read_model(model=converted.layers, weights=converted.weights)
    shape = [1, len(MODALITIES), *window]
    if model.input(0).partial_shape.is_dynamic:
        model.reshape({0: shape})
    return core.compile_model(model, "CPU", {"PERFORMANCE_HINT": "LATENCY", **options})


def _noise(sides: Sides) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn((1, len(MODALITIES), *sides), generator=generator)
    return images, torch.ones(1, len(MODALITIES))


def _serialised(ov: Any, model: Any) -> Converted:
    with tempfile.TemporaryDirectory(prefix="paretoseg-") as folder:
        path = Path(folder) / "network.xml"
        ov.save_model(model, str(path), compress_to_fp16=False)
        return Converted(path.read_bytes(), path.with_suffix(".bin").read_bytes())


def _short(error: Exception) -> str:
    """The first line of a foreign message, without what could be a folder."""
    lines = [line for line in str(error).splitlines() if line.strip() and "/" not in line]
    return f"{type(error).__name__}: {lines[0].strip()[:80]}" if lines else type(error).__name__
