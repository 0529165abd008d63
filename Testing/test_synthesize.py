"""`python -m ParetoSegLib.synthesize` as a user runs it: files, sentences, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from ParetoSegLib.core.command import run
from ParetoSegLib.core.images import read_image, read_labels
from ParetoSegLib.synthesize import main

SMALL = ["--size", "small", "--seed", "3"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("synthesised") / "patients é"
    arguments = ["--output", str(folder), "--cases", "2", "--raters", "2", *SMALL]
    assert run(main, arguments) == 0
    return folder


def test_the_files_are_there_and_nothing_else(made: Path) -> None:
    suffixes = ["t1n", "t1c", "t2w", "t2f", "seg", "truth_et", "truth_tc", "truth_wt"]
    suffixes += ["rater1", "rater2"]
    for name in ("ParetoSynth-00001-000", "ParetoSynth-00002-000"):
        wanted = {f"{name}-{suffix}.nii.gz" for suffix in suffixes} | {"synthesis.json"}
        assert {path.name for path in (made / name).iterdir()} == wanted
    assert len(list(made.iterdir())) == 2


def test_the_files_say_what_the_truth_says(made: Path) -> None:
    name = "ParetoSynth-00001-000"
    labels = sitk.GetArrayFromImage(read_labels(made / name / f"{name}-seg.nii.gz"))
    for region, values in (("et", {3}), ("tc", {1, 3}), ("wt", {1, 2, 3})):
        truth = sitk.GetArrayFromImage(read_image(made / name / f"{name}-truth_{region}.nii.gz"))
        np.testing.assert_array_equal(truth >= 0.5, np.isin(labels, sorted(values)))
    for modality in ("t1n", "t1c", "t2w", "t2f"):
        image = sitk.ReadImage(str(made / name / f"{name}-{modality}.nii.gz"))
        assert image.GetPixelID() == sitk.sitkInt16
        assert sitk.GetArrayFromImage(image).max() > 100
    record = json.loads((made / name / "synthesis.json").read_text(encoding="utf-8"))
    assert record["name"] == name
    assert record["background"]["licence"]
    assert {"kind", "radius_mm", "volumes_cc", "contrast_to_noise"} <= set(record["lesions"][0])


def test_the_layout_is_recognised(made: Path) -> None:
    from ParetoSegLib.data.layouts import find_cases

    _, cases = find_cases(made)
    assert [case.name for case in cases] == ["ParetoSynth-00001-000", "ParetoSynth-00002-000"]
    for case in cases:
        assert set(case.images) == {"t1n", "t1c", "t2w", "t2f"}
        assert [path.name for path in case.labels] == [f"{case.name}-seg.nii.gz"]


def test_the_same_again_keeps_what_is_there(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = made / "ParetoSynth-00001-000" / "synthesis.json"
    before = file.stat().st_mtime_ns
    assert run(main, ["--output", str(made), "--cases", "2", "--raters", "2", *SMALL]) == 0
    assert "2 were already there" in " ".join(capsys.readouterr().out.split())
    assert file.stat().st_mtime_ns == before


def test_other_settings_do_not_overwrite(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in made.rglob("*")}
    assert run(main, ["--output", str(made), "--cases", "2", "--raters", "1", *SMALL]) == 1
    assert "already there and was made with other settings" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in made.rglob("*")} == before


def test_the_same_seed_makes_the_same_files(made: Path, tmp_path: Path) -> None:
    arguments = ["--output", str(tmp_path), "--cases", "1", "--raters", "2", *SMALL]
    assert run(main, arguments) == 0
    name = "ParetoSynth-00001-000"
    for suffix in ("t1c", "seg", "rater2"):
        file = f"{name}/{name}-{suffix}.nii.gz"
        first, second = (sitk.ReadImage(str(root / file)) for root in (made, tmp_path))
        np.testing.assert_array_equal(sitk.GetArrayFromImage(first), sitk.GetArrayFromImage(second))


RECIPE = """
cases: 3
seed: 11
settings: {lesions: [1, 2], radius_mm: [2, 6]}
heads: [{place: small}]
"""


def test_several_processes_make_the_same_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE, encoding="utf-8")
    several, alone = tmp_path / "several", tmp_path / "alone"
    arguments = ["--config", str(recipe), "--output", str(several), "--jobs", "2"]
    assert run(main, arguments) == 0
    assert "3 patients" in " ".join(capsys.readouterr().out.split())
    for number in (2, 1):  # in another order, and resumed
        single = ["--config", str(recipe), "--output", str(alone), "--cases", str(number)]
        assert run(main, single) == 0
    for name in ("ParetoSynth-00001-000", "ParetoSynth-00002-000"):
        for suffix in ("t1c", "seg", "truth_wt"):
            file = f"{name}/{name}-{suffix}.nii.gz"
            first, second = (sitk.ReadImage(str(root / file)) for root in (several, alone))
            np.testing.assert_array_equal(
                sitk.GetArrayFromImage(first), sitk.GetArrayFromImage(second)
            )


def test_flags_replace_what_the_recipe_says(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE, encoding="utf-8")
    out = tmp_path / "out"
    arguments = ["--config", str(recipe), "--output", str(out), "--cases", "1", "--raters", "1"]
    assert run(main, [*arguments, "--lesions", "3", "3", "--skull", "whole"]) == 0
    file = out / "ParetoSynth-00001-000" / "synthesis.json"
    record = json.loads(file.read_text(encoding="utf-8"))
    assert len(record["lesions"]) == 3
    assert record["settings"]["raters"] == 1
    assert record["settings"]["stripped_share"] == 0
    assert record["settings"]["radius_mm"] == [2, 6]


@pytest.mark.parametrize(
    ("extra", "code", "sentence"),
    [
        (["--cases", "0"], 2, "--cases is 0"),
        (["--cases", "100000"], 2, "--cases is 100000"),
        (["--cases", "many"], 2, "many"),
        (["--cases", "1", "--raters", "99"], 2, "raters is 99"),
        (["--cases", "1", "--lesions", "9", "2"], 2, "lesions is 9–2"),
        (["--cases", "1", "--heads", "."], 2, "leave out --heads"),
        (["--cases", "1", "--config", "."], 2, "leave out --heads"),
        (["--cases", "1", "--jobs", "0"], 2, "--jobs is 0"),
        (["--cases", "1", "--set", "main"], 2, "--set chooses"),
        ([], 2, "--cases is missing"),
    ],
)
def test_a_wrong_command_line_is_one_sentence(
    extra: list[str], code: int, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(main, ["--output", str(tmp_path / "out"), *SMALL, *extra]) == code
    err = capsys.readouterr().err
    assert sentence in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_without_heads_fails_with_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--output", str(tmp_path / "out"), "--cases", "1", "--seed", "1"]
    assert run(main, [*arguments, "--heads", str(tmp_path / "none")]) == 1
    err = capsys.readouterr().err
    assert "The folder of heads none does not exist" in err
    assert str(tmp_path) not in err


def test_ctrl_c_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ParetoSegLib.data.synthesis import files

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "encode_labels", interrupted)
    arguments = ["--output", str(tmp_path), "--cases", "1", "--raters", "1", *SMALL]
    assert run(main, arguments) == 130
    assert list(tmp_path.iterdir()) == []


def test_help_names_the_files_and_the_flags(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, ["--help"]) == 0
    text = capsys.readouterr().out
    for part in ("truth_et", "--raters", "--heads", "--size", "--config", "--jobs", "--set"):
        assert part in text


def test_the_sample_patient_is_complete_and_small() -> None:
    from ParetoSegLib.core.resources import sample_folder

    folder = sample_folder()
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 3_000_000
    (case,) = [path for path in folder.iterdir() if path.is_dir()]
    for suffix in ("t1n", "t1c", "t2w", "t2f"):
        assert read_image(case / f"{case.name}-{suffix}.nii.gz").GetSpacing() == (1, 1, 1)
    labels = sitk.GetArrayFromImage(read_labels(case / f"{case.name}-seg.nii.gz"))
    assert set(np.unique(labels)) == {0, 1, 2, 3}
    assert "Apache-2.0" in (folder / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_whole_head_from_the_shipped_maps(tmp_path: Path) -> None:
    arguments = ["--output", str(tmp_path), "--cases", "1", "--seed", "1", "--skull", "whole"]
    assert run(main, [*arguments, "--lesions", "3", "8"]) == 0
    name = "ParetoSynth-00001-000"
    image = read_image(tmp_path / name / f"{name}-t1c.nii.gz")
    assert min(image.GetSize()) > 120
    assert image.GetSpacing() == (1, 1, 1)
