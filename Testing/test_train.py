"""`python -m ParetoSegLib.train` as a user meets it: a run, a resumed run, and what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from ParetoSegLib import synthesize, train
from ParetoSegLib.core.command import DONE, FAILED, MISUSED, run
from ParetoSegLib.model.folder import load_model
from ParetoSegLib.model.training import CHECKPOINT

ROOT = Path(__file__).parents[1]
FROZEN = ["optimiser.learning_rate=1e-12", "optimiser.weight_decay=0"]
SMALL = ["patch=[32,32,32]", "network.arguments={channels: [4, 8, 16]}", "precision=fp32"]


@pytest.fixture(scope="module")
def patients(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "Patienten für Übung"
    arguments = ["--output", str(folder), "--cases", "4", "--seed", "5", "--size", "small"]
    assert run(synthesize.main, [*arguments, "--lesions", "2", "3", "--raters", "1"]) == DONE
    return folder


def command(patients: Path, output: Path, *more: str) -> list[str]:
    return ["--data", str(patients), "--output", str(output), "--device", "cpu", *more, *SMALL]


@pytest.fixture(scope="module")
def finished(patients, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "run"
    arguments = command(patients, folder, "--max-steps", "6", "validation.every_steps=3")
    assert run(train.main, arguments) == DONE
    return folder


def test_a_run_leaves_a_model_that_loads_and_everything_to_judge_it_by(finished):
    description, network = load_model(finished / "model")
    assert description.training["steps"] == 6
    assert description.training["cases"] == {"train": 2, "validation": 1, "calibration": 1}
    assert sum(p.numel() for p in network.parameters()) > 0
    assert (finished / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert "seed: 0" in (finished / "config.yaml").read_text(encoding="utf-8")
    split = json.loads((finished / "split.json").read_text(encoding="utf-8"))
    names = [name for part in ("train", "validation", "calibration") for name in split[part]]
    assert len(set(names)) == len(names) == 4
    assert len((finished / "logs" / "steps.csv").read_text().splitlines()) == 7
    assert "not a medical device" in (finished / "model" / "MODEL_CARD.md").read_text()


def test_nothing_in_the_model_folder_tells_who_the_patients_were(finished):
    text = "".join(
        p.read_text(encoding="utf-8")
        for p in (finished / "model").iterdir()
        if p.suffix in (".json", ".md")
    )
    assert "00001" not in text
    assert "Patienten" not in text


def test_a_run_is_not_overwritten(finished, patients, capsys):
    before = (finished / CHECKPOINT).read_bytes()
    assert run(train.main, command(patients, finished)) == MISUSED
    assert "--resume" in capsys.readouterr().err
    assert (finished / CHECKPOINT).read_bytes() == before


def test_resuming_a_finished_run_changes_no_weight(finished, patients):
    before = load_model(finished / "model")[1].state_dict()
    arguments = ["--data", str(patients), "--output", str(finished), "--resume"]
    assert run(train.main, arguments) == DONE
    after = load_model(finished / "model")[1].state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)


def test_a_bad_case_costs_itself_alone_and_a_cavity_is_listed(patients, tmp_path, capsys):
    import shutil

    import SimpleITK as sitk

    data = tmp_path / "data"
    shutil.copytree(patients, data)
    broken = next(data.glob("*/*-t1c.nii.gz"))
    broken.write_bytes(broken.read_bytes()[:1000])
    seg = max(data.glob("*/*-seg.nii.gz"))
    labels = sitk.ReadImage(str(seg))
    labels[20, 20, 20] = 4
    sitk.WriteImage(labels, str(seg), True)
    arguments = command(data, tmp_path / "run", "--max-steps", "1", "data.fractions=[1.0,0,0]")
    assert run(train.main, arguments) == DONE
    assert load_model(tmp_path / "run" / "model")[0].training["cases"]["train"] == 3
    screen = " ".join(capsys.readouterr().out.split())
    assert f"{broken.name} " in screen
    assert f"{seg.name}: 0.00 cc labelled 4 (resection cavity)" in screen


def test_fine_tuning_begins_where_a_model_ended(finished, patients, tmp_path):
    """At a vanishing learning rate the weights stay, so they must have been the model's."""
    wide = ["network.arguments={channels: [8, 16, 32]}"]  # the model's own network wins over this
    arguments = command(patients, tmp_path / "run", "--max-steps", "1", *FROZEN)
    arguments += ["--start-from", str(finished / "model"), *wide]
    assert run(train.main, arguments) == DONE
    before, network = load_model(finished / "model")
    after, tuned = load_model(tmp_path / "run" / "model")
    weights = tuned.state_dict()
    assert all(torch.allclose(v, weights[k], atol=1e-4) for k, v in network.state_dict().items())
    assert after.training["started_from"]["name"] == before.name
    assert before.training["started_from"] is None


@pytest.mark.parametrize("trained", [False, True])
def test_fixed_norms_keep_the_statistics_of_the_first_patches(trained, patients, tmp_path):
    """With a learning rate of almost nothing, what the run ends with is what it began with."""
    half = "network.arguments={filters: [4, 8, 8], refine: 4, fixed_norms: %s}"
    common = ["--data", str(patients), "--device", "cpu", "--max-steps", "1", *FROZEN]
    common += ["patch=[32,32,32]", "precision=fp32", "network.name=HalfUNet"]
    if trained:
        loose = ["--output", str(tmp_path / "loose"), *common, half % "false"]
        assert run(train.main, loose) == DONE
        common += ["--start-from", str(tmp_path / "loose" / "model")]
    assert run(train.main, ["--output", str(tmp_path / "run"), *common, half % "true"]) == DONE
    description, network = load_model(tmp_path / "run" / "model")
    assert description.network_arguments["fixed_norms"] is True
    scales = [v for k, v in network.state_dict().items() if k.endswith("norm1.weight")]
    assert scales
    assert all((scale > 0).all() and not torch.allclose(scale, scale[0]) for scale in scales)
    assert (description.training["started_from"] is None) is not trained


def test_fine_tuning_at_another_spacing_is_refused(finished, patients, tmp_path, capsys):
    arguments = command(patients, tmp_path / "run", "preprocessing.spacing_mm=[1,1,2]")
    assert run(train.main, [*arguments, "--start-from", str(finished / "model")]) == FAILED
    assert "1×1×2 mm" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "code", "named"),
    [
        (["nothing=1"], MISUSED, "nothing"),
        (["steps=0"], MISUSED, "steps"),
        (["network.name=Nothing"], FAILED, "Nothing"),
        (["patch=[31,32,32]"], FAILED, "patch"),
        (["--devices", "0"], MISUSED, "--devices"),
        (["--config", "gone.yaml"], MISUSED, "gone.yaml"),
        (["--layout", "nothing"], MISUSED, "nothing"),
    ],
)
def test_what_cannot_be_is_one_sentence(more, code, named, patients, tmp_path, capsys):
    arguments = ["--data", str(patients), "--output", str(tmp_path / "run"), *more]
    assert run(train.main, arguments) == code
    said = capsys.readouterr().err.strip().splitlines()
    assert named in said[-1]
    assert str(tmp_path) not in said[-1]
    assert not (tmp_path / "run" / "model").exists()


def test_patients_of_the_test_data_are_left_out(patients, tmp_path):
    import shutil

    test_data = tmp_path / "test"
    test_data.mkdir()
    shared = sorted(patients.iterdir())[0]
    shutil.copytree(shared, test_data / shared.name)
    arguments = command(patients, tmp_path / "run", "--max-steps", "1")
    assert run(train.main, [*arguments[:4], "--test-data", str(test_data), *arguments[4:]]) == DONE
    assert shared.name not in (tmp_path / "run" / "split.json").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_run_killed_at_any_moment_resumes_to_the_same_weights(patients, tmp_path):
    """kill -9 (TerminateProcess on Windows), three times, wherever it hits."""
    steps = ["--max-steps", "60", "checkpoint_minutes=0.001", "validation.every_steps=20"]
    assert run(train.main, command(patients, tmp_path / "whole", *steps)) == DONE
    cut = tmp_path / "cut"
    program = [sys.executable, "-m", "ParetoSegLib.train"]
    environment = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    for kill, extra in enumerate((0.1, 0.7, 1.3)):
        arguments = [*command(patients, cut, *steps), *(["--resume"] if kill else [])]
        process = subprocess.Popen(
            [*program, *arguments], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 120
        known = (cut / CHECKPOINT).stat().st_mtime_ns if (cut / CHECKPOINT).is_file() else 0
        while process.poll() is None and time.monotonic() < deadline:
            if (cut / CHECKPOINT).is_file() and (cut / CHECKPOINT).stat().st_mtime_ns > known:
                time.sleep(extra)
                break
            time.sleep(0.02)
        process.kill()
        process.wait()
    assert run(train.main, [*command(patients, cut, *steps), "--resume"]) == DONE
    whole, resumed = (
        torch.load(folder / CHECKPOINT, weights_only=True) for folder in (tmp_path / "whole", cut)
    )
    for key in ("network", "average"):
        for name, value in whole[key].items():
            assert torch.equal(resumed[key][name], value), name
