"""OpenVINO gives PyTorch's logits, is converted once, and is left for PyTorch when it fails."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("openvino")

from described import described

from ParetoSegLib.core.errors import DeviceError
from ParetoSegLib.model.backends import conversion, openvino_cpu
from ParetoSegLib.model.backends.conversion_cache import entry_of, is_stored
from ParetoSegLib.model.backends.openvino_cpu import OpenVINOBackend
from ParetoSegLib.model.deferred import deferred_model
from ParetoSegLib.model.folder import save_model
from ParetoSegLib.model.inference import predict_logits
from ParetoSegLib.model.networks import build_network, tiny_arguments

ROOT = Path(__file__).resolve().parents[3]
PATCH = (16, 16, 16)
ALL = (True, True, True, True)


@pytest.fixture(autouse=True)
def cache_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PARETOSEG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def tiny(name: str = "UNet", seed: int = 0) -> torch.nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_network(name, tiny_arguments(name)).eval()


@cache
def shared() -> torch.nn.Module:
    """One network for tests that neither change it nor how it is converted: converted once."""
    return tiny()


def saved(folder: Path, seed: int = 0) -> Path:
    description = described(tiny_arguments("UNet"), PATCH, "tiny")
    save_model(folder, description, tiny(seed=seed).state_dict(), "# Tiny\n")
    return folder


def scan(network, backend="openvino", half=False, **more):
    images = np.random.default_rng(0).normal(size=(4, 24, 20, 30)).astype(np.float32)
    mask = np.ones(images.shape[1:], bool)
    presence = (True, False, True, True)
    return predict_logits(
        network, images, presence, mask, PATCH, half=half, backend=backend, **more
    )


@pytest.mark.parametrize("name", ["UNet", "SegResNet", "DynUNet"])
def test_it_equals_torch(name: str) -> None:
    network = tiny(name)
    expected, found = scan(network, "torch").values, scan(network)
    assert np.abs(found.values - expected).max() < 0.01 * np.abs(expected).max()
    assert found.backend.startswith("OpenVINO 20")
    assert found.backend.endswith("fp32")
    assert found.notes == ()
    half = scan(network, half=True).values
    assert np.abs(half - expected).max() < 0.1 * np.abs(expected).max()


def test_mirroring_and_batches_are_the_same() -> None:
    network = shared()
    for more in ({"tta": True}, {"batch": 3}, {"tta": True, "batch": 2}):
        expected, found = scan(network, "torch", **more).values, scan(network, **more).values
        assert np.abs(found - expected).max() < 0.01 * np.abs(expected).max()


def test_presence_reaches_the_network() -> None:
    network = shared()
    backend = OpenVINOBackend(network, PATCH, False)
    images = torch.randn(1, 4, *PATCH)
    some, every = (
        backend.run(images, torch.tensor([flags])).clone()
        for flags in ([1.0, 0.0, 1.0, 0.0], [1.0] * 4)
    )
    assert (some - every).abs().max() > 1e-3


def test_new_weights_are_seen() -> None:
    network = tiny()
    before = scan(network).values
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(1.5)
    after = scan(network).values
    assert np.abs(after - before).max() > 1e-3
    assert np.abs(after - scan(network, "torch").values).max() < 0.01 * np.abs(after).max()


def test_a_model_folder_is_converted_once(tmp_path: Path, monkeypatch) -> None:
    folder = saved(tmp_path / "model")
    before = sorted(p.name for p in folder.iterdir())
    first = scan(deferred_model(folder)[1]).values
    network = deferred_model(folder)[1]
    assert is_stored(network.identity, PATCH)
    monkeypatch.setattr(openvino_cpu, "convert", lambda *a: pytest.fail("converted again"))
    assert np.array_equal(scan(network).values, first)
    assert np.array_equal(scan(network).values, first)  # warm
    assert "whole" not in network.__dict__
    assert sorted(p.name for p in folder.iterdir()) == before
    assert deferred_model(saved(tmp_path / "other", 1))[1].identity != network.identity


def test_fixed_norms_are_converted_once_for_windows_of_every_size(monkeypatch) -> None:
    torch.manual_seed(0)
    arguments = {**tiny_arguments("HalfUNet"), "fixed_norms": True}
    network = build_network("HalfUNet", arguments).eval()
    entries = []
    monkeypatch.setattr(
        openvino_cpu, "convert", lambda n, p: entries.append(p) or conversion.convert(n, p)
    )
    for shape in ((24, 20, 30), (40, 20, 30)):
        images = np.random.default_rng(0).normal(size=(4, *shape)).astype(np.float32)
        common = (images, ALL, np.ones(shape, bool), PATCH)
        plain = predict_logits(network, *common, half=False, step=8).values
        found = predict_logits(network, *common, half=False, backend="openvino", step=8)
        assert np.abs(found.values - plain).max() < 0.01 * np.abs(plain).max()
        assert found.notes == ()
    # Not from a model folder, so there is no cache to convert it into once.
    assert entries == [None, None]


@pytest.mark.parametrize("rehashed", [True, False])
def test_a_damaged_cache_costs_a_conversion(tmp_path: Path, rehashed: bool) -> None:
    folder = saved(tmp_path / "model")
    first = scan(deferred_model(folder)[1]).values
    entry = entry_of(deferred_model(folder)[1].identity, PATCH)
    (entry / "network.xml").write_bytes(b"<net")
    if rehashed:  # whole by its hash, and yet nothing that OpenVINO reads
        import hashlib
        import json

        hashes = json.loads((entry / "hashes.json").read_text())
        hashes["network.xml"] = hashlib.sha256(b"<net").hexdigest()
        (entry / "hashes.json").write_text(json.dumps(hashes))
    assert np.array_equal(scan(deferred_model(folder)[1]).values, first)
    assert (entry / "network.xml").stat().st_size > 100


def test_a_cache_that_cannot_be_written_changes_nothing(tmp_path: Path, cache_place: Path) -> None:
    cache_place.write_text("a file in the way")
    folder = saved(tmp_path / "model")
    found = scan(deferred_model(folder)[1])
    assert found.backend.startswith("OpenVINO")
    assert found.notes == ()


def test_a_network_it_cannot_convert_runs_in_torch(monkeypatch) -> None:
    def broken(*arguments, **options):
        raise TypeError("no such layer /private/place")

    monkeypatch.setattr(conversion.openvino(), "convert_model", broken)
    network = tiny()
    expected = scan(network, "torch").values
    found = scan(network, "auto")
    assert np.array_equal(found.values, expected)
    assert found.backend.startswith("torch")
    (note,) = found.notes
    assert "went on with PyTorch" in note
    assert "private" not in note
    with pytest.raises(DeviceError, match="cannot convert"):
        scan(network, "openvino")


def test_a_conversion_that_gives_other_values_is_refused(monkeypatch) -> None:
    whole = conversion.openvino().convert_model
    other = tiny(seed=5)
    monkeypatch.setattr(
        conversion.openvino(), "convert_model", lambda network, **more: whole(other, **more)
    )
    found = scan(tiny(), "auto")
    assert "other values" in found.notes[0]
    assert found.backend.startswith("torch")


@pytest.mark.parametrize("error", [MemoryError("no memory left"), DeviceError("It cannot run.")])
def test_failing_half_way_loses_nothing(error: Exception, monkeypatch) -> None:
    network = shared()
    run, calls = OpenVINOBackend.run, []

    def fails_third(self, images, presence):
        calls.append(1)
        if len(calls) == 3:
            raise error
        return run(self, images, presence)

    monkeypatch.setattr(OpenVINOBackend, "run", fails_third)
    found = scan(network, "auto")
    expected = scan(network, "torch").values
    assert np.abs(found.values - expected).max() < 0.01 * np.abs(expected).max()
    assert "went on with PyTorch" in found.notes[0]
    assert len(calls) == 3


@pytest.mark.parametrize("raised", [KeyboardInterrupt, RuntimeError, DeviceError])
def test_cancelling_stops_within_a_window(raised: type[BaseException]) -> None:
    fractions = []

    def cancel(fraction: float) -> None:
        fractions.append(fraction)
        raise raised("out of memory, says whoever cancels")

    for backend in ("openvino", "torch"):
        with pytest.raises(raised):
            scan(shared(), backend, progress=cancel)
    assert len(fractions) == 2


def test_nothing_is_reported_to_its_makers(tmp_path: Path) -> None:
    code = """
import sys
from ParetoSegLib.model.backends.conversion import openvino
ov = openvino()
from openvino.tools.ovc import telemetry_utils
print(telemetry_utils.tm.__name__)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().endswith("telemetry_stub")


@pytest.mark.slow
def test_a_second_process_needs_no_monai(tmp_path: Path, cache_place: Path) -> None:
    folder = saved(tmp_path / "model")
    scan(deferred_model(folder)[1], half=None)
    code = """
import sys
from pathlib import Path
import numpy as np
from ParetoSegLib.model.inference import predict_logits
from ParetoSegLib.pipeline import load
model = load(Path(sys.argv[1]))
images = np.ones((4, 20, 20, 20), np.float32)
mask = np.ones(images.shape[1:], bool)
found = predict_logits(model.network, images, (True,) * 4, mask, (16,) * 3, backend="auto")
print(found.backend.split()[0], "monai" in sys.modules, found.notes)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["OpenVINO", "False", "()"]
