"""`python -m ParetoSegLib.calibrate`: other calibration, same weights, nothing else touched."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ParetoSegLib import calibrate, synthesize
from ParetoSegLib.core.command import DONE, FAILED, MISUSED, run
from ParetoSegLib.model.calibration import Calibration
from ParetoSegLib.model.folder import load_model
from Testing.service.small import small_model


@pytest.fixture(scope="module")
def patients(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    arguments = ["--output", str(folder), "--cases", "2", "--seed", "3", "--size", "small"]
    assert run(synthesize.main, [*arguments, "--lesions", "2", "3", "--raters", "2"]) == DONE
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return small_model(tmp_path_factory.mktemp("model") / "model")


def command(model: Path, data: Path, output: Path, *more: str) -> list[str]:
    return [
        *("--model", str(model), "--data", str(data), "--output", str(output)),
        *("--device", "cpu", *more),
    ]


def test_only_the_calibration_changes(model, patients, tmp_path, capsys):
    assert run(calibrate.main, command(model, patients, tmp_path / "new")) == DONE
    assert "2 labelled cases" in capsys.readouterr().out
    before, network = load_model(model)
    after, same = load_model(tmp_path / "new")
    weights = same.state_dict()
    assert all(torch.equal(v, weights[k]) for k, v in network.state_dict().items())
    assert before.calibration == Calibration.identity()
    assert after.calibration != before.calibration
    assert after.training["cases"]["calibration"] == 2
    assert (after.network, after.patch) == (before.network, before.patch)
    assert "On 2 cases (paretosynth)" in (tmp_path / "new" / "MODEL_CARD.md").read_text()
    assert "00001" not in (tmp_path / "new" / "model.json").read_text()


@pytest.mark.parametrize(
    ("more", "code", "named"),
    [
        (["--sequences", "t1c+swi"], MISUSED, "t1c+swi"),
        (["--layout", "nothing"], MISUSED, "nothing"),
    ],
)
def test_what_cannot_be_is_one_sentence(more, code, named, model, patients, tmp_path, capsys):
    assert run(calibrate.main, command(model, patients, tmp_path / "new", *more)) == code
    assert named in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_nothing_is_overwritten_and_a_damaged_model_is_refused(model, patients, tmp_path, capsys):
    assert run(calibrate.main, command(model, patients, model)) == MISUSED
    assert run(calibrate.main, command(tmp_path, patients, tmp_path / "new")) == FAILED
    assert "model.json" in capsys.readouterr().err.splitlines()[-1]
