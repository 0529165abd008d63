"""From files to files: references and predictions in, table, JSON and CSV out."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from ParetoSegLib import evaluate
from ParetoSegLib.core.command import run
from ParetoSegLib.measure.scorecard import METRICS
from Testing.review.study import (
    RAS,
    ball,
    lesions,
    write,
    write_prediction,
    write_reference,
)

NAMES = [f"BraTS-MET-{n:05d}-000" for n in (1, 2, 3)]
TRUTHS = [lesions((13, 17, 10)), lesions((12, 12, 9), (13, 24, 20), radius=3.0), lesions()]


@pytest.fixture
def study(tmp_path):
    for name, labels in zip(NAMES, TRUTHS, strict=True):
        write_reference(tmp_path / "study", name, labels)
    return tmp_path


@pytest.fixture
def perfect(study):
    for name, labels in zip(NAMES, TRUTHS, strict=True):
        write_prediction(study / "out", study / "study" / name, labels)
    return study


def evaluated(folder, *more):
    code = run(
        evaluate.main,
        [
            *("--predictions", str(folder / "out"), "--references", str(folder / "study")),
            *("--output", str(folder / "metrics.json"), *more),
        ],
    )
    file = folder / "metrics.json"
    return code, json.loads(file.read_text(encoding="utf-8")) if file.exists() else None


def rows(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_perfect_predictions(perfect, capsys):
    code, found = evaluated(perfect)
    assert code == 0
    for region in ("et", "tc", "wt"):
        summary = found["summary"][region]
        assert (summary["dice"]["n"], summary["dice"]["mean"]) == (3, 1.0)
        assert summary["hd95_mm"]["mean"] == 0.0
        assert summary["lw23_dice"]["mean"] == summary["sensitivity"]["mean"] == 1.0
        assert summary["ece_brain"]["mean"] < 0.1
        assert found["pooled"][region]["false_positives_per_scan"] == 0.0
    assert found["pooled"]["tc"]["froc"]["score"] == 1.0
    assert found["pooled"]["tc"]["interval_coverage"] == {"coverage": 1.0, "checks": 3}
    assert found["pooled"]["tc"]["sensitivity_by_size"]["all"]["lesions"] == 3
    # lesions are looked for in one region
    assert found["pooled"]["et"]["froc"] is None
    screen = capsys.readouterr().out
    for words in ("TC (tumour core)", "HD95", "95 % interval", "BraTS-METS 2023", "QU-BraTS"):
        assert words in screen


def test_a_resection_cavity_is_listed(perfect, capsys):
    labels = np.where(ball((20, 10, 20), 3.0), 4, TRUTHS[0]).astype(np.int16)
    write_reference(perfect / "study", NAMES[0], labels)
    code, _ = evaluated(perfect)
    assert code == 0
    screen = " ".join(capsys.readouterr().out.split())
    cc = np.count_nonzero(labels == 4) / 1000
    assert f"{cc:.2f} cc labelled 4 (resection cavity) count as background" in screen


def test_the_files_hold_the_rules_and_one_row_each(perfect):
    _, found = evaluated(perfect)
    assert set(METRICS) <= found["rules"].keys()
    assert "373" in found["rules"]["lw25_dice"]
    assert found["versions"].keys() >= {"ParetoSegLib", "numpy", "SimpleITK"}
    cases = rows(perfect / "metrics_cases.csv")
    assert [(row["case"], row["region"]) for row in cases] == [
        (name, region) for name in NAMES for region in ("et", "tc", "wt")
    ]
    assert {row["dice"] for row in cases} == {"1"}
    table = rows(perfect / "metrics_lesions.csv")
    cores = [row for row in table if row["region"] == "tc" and row["rule"] == "2025"]
    assert [row["found"] for row in cores] == ["yes"] * 3
    first = next(row for row in cores if row["case"] == NAMES[0])
    # index (13, 17, 10) on a grid that starts at (-12, 7, 3)
    assert [float(first[f"{axis}_lps_mm"]) for axis in "xyz"] == [-2.0, 24.0, 16.0]
    assert found["lesions"][0]["case"] == NAMES[0]
    assert sorted(path.name for path in perfect.iterdir() if path.is_file()) == [
        "metrics.json",
        "metrics_cases.csv",
        "metrics_lesions.csv",
    ]


def test_the_same_seed_gives_the_same_file(perfect):
    first = evaluated(perfect, "--seed", "3")[1]
    assert first == evaluated(perfect, "--seed", "3")[1]
    assert first["seed"] == 3


def test_a_missing_prediction_counts_as_the_worst(perfect, capsys):
    import shutil

    shutil.rmtree(perfect / "out" / NAMES[1])
    code, found = evaluated(perfect)
    assert code == 1
    assert found["cases_by_state"]["missing prediction"] == [NAMES[1]]
    assert found["summary"]["tc"]["dice"]["n"] == 3
    assert found["summary"]["tc"]["dice"]["mean"] == pytest.approx(2 / 3)
    sizes = found["pooled"]["tc"]["sensitivity_by_size"]["all"]
    assert (sizes["lesions"], sizes["found"]) == (3, 1)
    assert f"{NAMES[1]}: missing prediction" in capsys.readouterr().out
    case = next(row for row in rows(perfect / "metrics_cases.csv") if row["case"] == NAMES[1])
    assert (case["state"], case["dice"], case["qu_brats"]) == ("missing prediction", "0", "n/a")


def test_a_broken_prediction_is_named_and_the_rest_is_scored(perfect, capsys):
    (perfect / "out" / NAMES[0] / "segmentation.nii.gz").write_bytes(b"no image")
    code, found = evaluated(perfect)
    assert code == 1
    assert found["cases_by_state"]["unreadable prediction"] == [NAMES[0]]
    assert found["counts"]["scored"] == 2
    screen = capsys.readouterr().out
    assert "segmentation.nii.gz" in screen
    assert str(perfect) not in screen


def test_a_broken_reference_cannot_count(perfect):
    (perfect / "study" / NAMES[0] / f"{NAMES[0]}-seg.nii.gz").write_bytes(b"")
    code, found = evaluated(perfect)
    assert code == 1
    assert found["cases_by_state"]["unusable reference"] == [NAMES[0]]
    assert found["summary"]["wt"]["dice"]["n"] == 2


def test_extra_predictions_are_named_and_harmless(perfect, capsys):
    write(TRUTHS[0], perfect / "out" / "somebody" / "segmentation.nii.gz")
    code, found = evaluated(perfect)
    assert (code, found["extra predictions"]) == (0, ["somebody"])
    assert "somebody" in capsys.readouterr().out


def test_what_a_prediction_cannot_assess_is_not_available(perfect):
    labels = TRUTHS[0]
    write_prediction(perfect / "out", perfect / "study" / NAMES[0], labels, ("wt",))
    code, found = evaluated(perfect)
    assert code == 0
    assert found["summary"]["et"]["dice"]["n"] == 2
    assert found["summary"]["wt"]["dice"]["n"] == 3
    case = next(one for one in found["cases"] if one["case"] == NAMES[0])
    assert set(case["regions"]) == {"wt"}
    assert set(case["absent"]) == {"et", "tc"}
    row = rows(perfect / "metrics_cases.csv")[0]
    assert (row["region"], row["dice"]) == ("et", "n/a")


def test_another_orientation_is_the_same_patient(tmp_path):
    write_reference(tmp_path / "study", NAMES[0], TRUTHS[0], RAS)
    write(TRUTHS[0][:, ::-1, ::-1], tmp_path / "out" / NAMES[0] / "segmentation.nii.gz")
    # the same labels flipped, on a grid that is not: only where they overlap do they agree
    _, found = evaluated(tmp_path)
    assert found["summary"]["wt"]["dice"]["mean"] < 1 or found["counts"]["scored"] == 0
    reference = tmp_path / "study" / NAMES[0]
    write_prediction(tmp_path / "out", reference, TRUTHS[0])
    code, found = evaluated(tmp_path)
    assert (code, found["summary"]["wt"]["dice"]["mean"]) == (0, 1.0)
    assert found["resampled predictions"] == []


def test_truth_and_raters_beside_the_reference_are_used(perfect):
    folder = perfect / "study" / NAMES[0]
    wide = ball((13, 17, 10), 4.0).astype(np.float32)
    for region in ("et", "tc", "wt"):
        soft = np.clip(wide - 0.4 * ball((13, 17, 10), 3.0), 0, 1).astype(np.float32)
        write(soft, folder / f"{NAMES[0]}-truth_{region}.nii.gz")
    for number, radius in enumerate((3.4, 4.0, 4.6), start=1):
        labels = lesions((13, 17, 10), radius=radius)
        write(labels, folder / f"{NAMES[0]}-rater{number}.nii.gz")
    code, found = evaluated(perfect)
    assert code == 0
    assert found["summary"]["tc"]["truth_correlation"]["n"] == 1
    assert found["summary"]["tc"]["rater_correlation"]["mean"] > 0.2
    assert found["pooled"]["tc"]["interval_coverage"]["checks"] == 3 + 2


def test_stray_labels_need_a_word(perfect):
    labels = TRUTHS[0].copy()
    labels[0, 0, 0] = 7
    write(labels, perfect / "study" / NAMES[0] / f"{NAMES[0]}-seg.nii.gz")
    code, found = evaluated(perfect)
    assert (code, found["cases_by_state"]["unusable reference"]) == (1, [NAMES[0]])
    code, found = evaluated(perfect, "--ignore-labels", "7,8")
    assert (code, found["summary"]["tc"]["dice"]["mean"]) == (0, 1.0)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "required"),
        (["--output", "metrics.csv"], 2, "must end in .json"),
        (["--ignore-labels", "five"], 2, "whole numbers"),
        (["--seed", "-1"], 2, "--seed is -1"),
        (["--predictions", "nowhere"], 1, "predictions nowhere does not exist"),
        (["--layout", "no such layout"], 2, "no such layout"),
    ],
)
def test_a_wrong_command_line_is_one_sentence(perfect, capsys, monkeypatch, arguments, code, words):
    monkeypatch.chdir(perfect)
    full = ["--predictions", "out", "--references", "study", "--output", "m.json"]
    assert run(evaluate.main, [*full, *arguments] if arguments else full[:2]) == code
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
    assert not list(perfect.glob("*.json"))


def test_predictions_of_other_cases_are_refused(study, capsys):
    write(TRUTHS[0], study / "out" / "somebody" / "segmentation.nii.gz")
    assert evaluated(study) == (1, None)
    said = capsys.readouterr().err
    assert "somebody" in said
    assert NAMES[0] in said


def test_references_without_labels_are_refused(perfect, capsys):
    for name in NAMES:
        (perfect / "study" / name / f"{name}-seg.nii.gz").unlink()
    assert evaluated(perfect) == (1, None)
    assert "no labels" in capsys.readouterr().err


def test_ctrl_c_leaves_nothing_half_written(perfect, monkeypatch):
    from ParetoSegLib.review import evaluation

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluation, "score_region", stop)
    assert evaluated(perfect) == (130, None)
    assert sorted(path.name for path in perfect.iterdir()) == ["out", "study"]
