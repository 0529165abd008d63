from __future__ import annotations

import json
from pathlib import Path

import pytest
from ParetoSegPanel.model_summary import LARGEST_TEXT, read_card, read_summary

from ParetoSegLib.core.errors import ModelFolderError
from ParetoSegLib.core.labels import MODALITIES
from Testing.panel.models import every_set, write_model


def test_the_shown_values_are_read(tmp_path: Path) -> None:
    summary = read_summary(write_model(tmp_path / "m", "Ours", ("t2f", "t1c")))
    assert summary.name == "Ours"
    assert summary.modalities == ("t1c", "t2f")
    assert summary.assessable["t1c+t2f"] == ("et", "tc", "wt")


def test_a_real_model_folder_is_read_as_the_library_reads_it(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from ParetoSegLib.core.resources import shipped_models
    from ParetoSegLib.model.folder import read_description

    for folder in shipped_models():
        ours, theirs = read_summary(folder), read_description(folder)
        assert ours.name == theirs.name
        assert ours.modalities == theirs.modalities
        assert dict(ours.assessable) == dict(theirs.assessable)
        assert read_card(folder).strip()


@pytest.mark.parametrize(
    "change",
    [
        {"name": 7},
        {"name": ""},
        {"name": "x" * 101},
        {"modalities": "t1c"},
        {"modalities": ["pd"]},
        {"modalities": [["t1c"]]},
        {"assessable": ["t1c"]},
        {"assessable": {"t1c": "et"}},
        {"assessable": {"t1c": ["brain"]}},
    ],
)
def test_a_wrong_value_is_refused(tmp_path: Path, change: dict) -> None:
    folder = write_model(tmp_path / "m")
    tree = {"name": "m", "modalities": list(MODALITIES), "assessable": every_set()} | change
    (folder / "model.json").write_text(json.dumps(tree), encoding="utf-8")
    with pytest.raises(ModelFolderError, match=r"model\.json in the model folder m is damaged"):
        read_summary(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, '{"name": "a"}'])
def test_what_is_no_description_is_refused(tmp_path: Path, text: str) -> None:
    folder = write_model(tmp_path / "m")
    (folder / "model.json").write_text(text, encoding="utf-8")
    with pytest.raises(ModelFolderError):
        read_summary(folder)


def test_a_huge_file_is_not_taken_in(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m", card="x" * (LARGEST_TEXT + 1))
    with pytest.raises(ModelFolderError, match="larger than 1 MB"):
        read_card(folder)


def test_any_other_folder_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError, match=r"no model folder: it has no model\.json"):
        read_summary(tmp_path)


def test_a_card_that_is_not_text_is_refused(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m")
    (folder / "MODEL_CARD.md").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ModelFolderError, match="UTF-8"):
        read_card(folder)


def test_no_message_names_a_folder_above(tmp_path: Path) -> None:
    patient = tmp_path / "Geheim" / "m"
    patient.mkdir(parents=True)
    with pytest.raises(ModelFolderError) as caught:
        read_summary(patient)
    assert "Geheim" not in str(caught.value)
