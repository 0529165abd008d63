"""`python -m ParetoSegLib.predict` as a user runs it: files to files, sentences, exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from described import described
from phantom import BrightNetwork, write_case, write_image

from ParetoSegLib.core.command import run
from ParetoSegLib.core.labels import REGIONS
from ParetoSegLib.model.folder import read_description, save_model
from ParetoSegLib.model.networks import build_network
from ParetoSegLib.pipeline import Model
from ParetoSegLib.predict import main

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model that expects very little tumour, saved as any other."""
    arguments = {"channels": (8, 16), "num_res_units": 1}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build_network("UNet", arguments, prior=(1e-5, 1e-5, 1e-5))
    description = described(arguments)
    folder = tmp_path_factory.mktemp("models") / "untrained"
    save_model(folder, description, network.state_dict(), "# Untrained\n")
    return folder


@pytest.fixture
def bright(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the loaded model find bright voxels; everything around the network stays real."""

    def load_bright(folder: Path) -> Model:
        return Model(read_description(folder), BrightNetwork().eval(), "f" * 64)

    monkeypatch.setattr("ParetoSegLib.pipeline.load", load_bright)


def _predict(model: Path, output: Path, *rest: object) -> int:
    given = ["--model", model, "--output", output, "--device", "cpu", *rest]
    return run(main, [str(g) for g in given])


def _written(folder: Path) -> set[str]:
    return {p.name for p in folder.iterdir()}


def test_four_sequences_from_files_to_files(
    model_folder: Path, bright: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = write_case(tmp_path / "in" / "P-00001-000")
    assert _predict(model_folder, tmp_path / "out", "--case", case) == 0
    folder = tmp_path / "out" / "P-00001-000"
    expected = {"segmentation.nii.gz", "lesions.csv", "summary.json"}
    for region in REGIONS:
        expected |= {f"membership_{region}.nii.gz", f"boundary_confidence_{region}.nii.gz"}
    assert _written(folder) == expected
    reference = sitk.ReadImage(str(case / "P-00001-000-t1c.nii.gz"))
    labels = sitk.ReadImage(str(folder / "segmentation.nii.gz"))
    assert labels.GetSize() == reference.GetSize()
    assert np.allclose(labels.GetOrigin(), reference.GetOrigin(), atol=1e-4)
    assert set(np.unique(sitk.GetArrayFromImage(labels))) >= {0, 3}
    said = capsys.readouterr().out
    assert "1 lesion" in said
    assert str(tmp_path / "out") in said.replace("\n", "")


def test_one_sequence_by_name_and_what_is_left_out(
    model_folder: Path, bright: None, tmp_path: Path
) -> None:
    image = write_image(tmp_path / "Größe 1" / "flair µ.nii.gz")
    assert _predict(model_folder, tmp_path / "out", "--t2f", image, "--name", "Müller 7") == 0
    folder = tmp_path / "out" / "Müller 7"
    assert "membership_wt.nii.gz" in _written(folder)
    assert "membership_et.nii.gz" not in _written(folder)
    summary = (folder / "summary.json").read_text(encoding="utf-8")
    assert "not assessable" in summary
    assert "Größe" not in summary
    assert str(tmp_path) not in summary


@pytest.mark.parametrize(
    ("file", "name"),
    [("A-t1c.nii.gz", "A"), ("A.b.t1c.nii", "A.b"), ("scan.mha", "scan"), ("t1c.nii.gz", "t1c")],
)
def test_the_name_comes_from_the_file(
    file: str, name: str, model_folder: Path, tmp_path: Path
) -> None:
    image = write_image(tmp_path / "in" / file)
    assert _predict(model_folder, tmp_path / "out", "--t1c", image) == 0
    assert _written(tmp_path / "out") == {name}


def test_a_bad_case_costs_itself_only(
    model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "in"
    for number in (1, 2, 3):
        write_case(data / f"P-0000{number}-000", ("t1c", "t2f"))
    broken = data / "P-00002-000" / "P-00002-000-t1c.nii.gz"
    broken.write_bytes(broken.read_bytes()[:500])
    assert _predict(model_folder, tmp_path / "out", "--data", data) == 1
    assert _written(tmp_path / "out") == {"P-00001-000", "P-00003-000"}
    said = " ".join(capsys.readouterr().out.split())
    assert "P-00002-000: " in said
    assert broken.name in said
    assert "2 done, 1 failed" in said


def test_resume_does_what_is_left_and_what_has_changed(
    model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = tmp_path / "in", tmp_path / "out"
    for number in (1, 2, 3, 4):
        write_case(data / f"P-0000{number}-000", ("t1c",))
    assert _predict(model_folder, out, "--data", data) == 0
    stamps = {p.name: (p / "summary.json").stat().st_mtime_ns for p in out.iterdir()}
    (out / "P-00002-000" / "lesions.csv").unlink()
    (out / "P-00003-000" / "summary.json").write_text("{", encoding="utf-8")
    write_image(data / "P-00004-000" / "P-00004-000-t1c.nii.gz", lesion=150.0)
    capsys.readouterr()
    assert _predict(model_folder, out, "--data", data, "--resume") == 0
    again = {p.name: (p / "summary.json").stat().st_mtime_ns for p in out.iterdir()}
    assert {n for n in again if again[n] == stamps[n]} == {"P-00001-000"}
    assert "3 done, 1 finished before" in " ".join(capsys.readouterr().out.split())
    assert _predict(model_folder, out, "--data", data, "--resume", "--overlap", "0.5") == 0
    assert "4 done;" in " ".join(capsys.readouterr().out.split())


def test_inputs_are_never_replaced(
    model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = write_case(tmp_path / "P-00001-000", ("t1c",))
    before = {p.name: p.read_bytes() for p in case.iterdir()}
    assert _predict(model_folder, tmp_path, "--case", case) == 1
    assert {p.name: p.read_bytes() for p in case.iterdir()} == before
    assert "choose another --output" in capsys.readouterr().err
    (tmp_path / "out" / "P-00001-000").mkdir(parents=True)
    (tmp_path / "out" / "P-00001-000" / "thesis.txt").write_text("years of work")
    assert _predict(model_folder, tmp_path / "out", "--case", case) == 1
    assert (tmp_path / "out" / "P-00001-000" / "thesis.txt").is_file()


def test_overview_is_drawn_on_request(model_folder: Path, bright: None, tmp_path: Path) -> None:
    image = write_image(tmp_path / "A-t1c.nii.gz")
    assert _predict(model_folder, tmp_path / "out", "--t1c", image, "--overview") == 0
    picture = tmp_path / "out" / "A" / "overview.png"
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("rest", "word"),
    [
        ([], "exactly one"),
        (["--case", "a", "--data", "b"], "exactly one"),
        (["--case", "a", "--t1c", "b"], "exactly one"),
        (["--case", "a", "--name", "b"], "--name"),
        (["--t1c", "a", "--name", "../b"], "folder's name"),
        (["--t1c", "a", "--name", ".."], "folder's name"),
        (["--t1c", "a", "--layout", "flat"], "--layout"),
        (["--case", "a", "--overlap", "1"], "0 to 0.9"),
        (["--case", "a", "--overlap", "nan"], "0 to 0.9"),
        (["--cases", "a"], "--cases"),
    ],
)
def test_a_wrong_command_line_is_one_sentence(
    rest: list[str], word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(main, ["--output", str(tmp_path / "out"), *rest]) == 2
    said = capsys.readouterr().err.strip()
    assert word in said
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("rest", "word"),
    [
        (["--t1c", "{}/nothing.nii.gz"], "nothing.nii.gz"),
        (["--case", "{}/nothing"], "nothing"),
        (["--t1c", "{}/A-t1c.nii.gz", "--device", "abacus"], "abacus"),
        (["--t1c", "{}/A-t1c.nii.gz", "--model", "{}/nowhere"], "model"),
    ],
)
def test_what_is_not_there_is_one_sentence_without_folders(
    rest: list[str],
    word: str,
    model_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_image(tmp_path / "A-t1c.nii.gz")
    assert _predict(model_folder, tmp_path / "out", *[r.format(tmp_path) for r in rest]) in (1, 2)
    said = capsys.readouterr()
    everything = said.err + said.out.replace(str(tmp_path / "out"), "OUT")
    assert word in everything
    assert "Traceback" not in everything
    assert str(tmp_path) not in everything.replace("\n", "")
    assert not list((tmp_path / "out").glob("*"))


def test_ctrl_c_leaves_nothing_half_written(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ParetoSegLib.review.export.write_array", interrupted)
    image = write_image(tmp_path / "A-t1c.nii.gz")
    assert _predict(model_folder, tmp_path / "out", "--t1c", image) == 130
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_output_is_one_sentence(
    model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = write_image(tmp_path / "A-t1c.nii.gz")
    (tmp_path / "out").mkdir(mode=0o500)
    assert _predict(model_folder, tmp_path / "out", "--t1c", image) == 1
    assert "cannot be written" in capsys.readouterr().out


def test_an_output_that_is_a_file_is_one_sentence(
    model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = write_image(tmp_path / "A-t1c.nii.gz")
    (tmp_path / "out").write_text("a file")
    assert _predict(model_folder, tmp_path / "out", "--t1c", image) == 1
    said = capsys.readouterr()
    assert "cannot be written" in " ".join((said.out + said.err).split())
    assert (tmp_path / "out").read_text() == "a file"


@pytest.mark.slow
def test_as_a_process_of_its_own(model_folder: Path, tmp_path: Path) -> None:
    image = write_image(tmp_path / "A-t1c.nii.gz")
    command = [sys.executable, "-m", "ParetoSegLib.predict", "--model", model_folder]
    command += ["--output", tmp_path / "out", "--t1c", image, "--device", "cpu"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    summary = json.loads((tmp_path / "out" / "A" / "summary.json").read_text(encoding="utf-8"))
    assert summary["versions"]["torch"]
