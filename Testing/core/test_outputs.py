"""Outputs appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from ParetoSegLib.core.errors import OutputError
from ParetoSegLib.core.outputs import whole_file, whole_folder
from ParetoSegLib.core.seeds import derive_seed


def contents(folder: Path) -> dict[str, str]:
    return {p.name: p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failed_folder_leaves_everything_as_it_was(tmp_path, there, error):
    target = tmp_path / "fall Ü 1"
    if there:
        target.mkdir()
        (target / "old.txt").write_text("old")
    before = contents(tmp_path)

    def fail() -> None:
        with whole_folder(target) as partial:
            (partial / "new.txt").write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert contents(tmp_path) == before
    assert target.exists() == there
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("there", [False, True])
def test_a_finished_folder_replaces_the_old_one(tmp_path, there):
    target = tmp_path / "deep" / "case"
    if there:
        target.mkdir(parents=True)
        (target / "old.txt").write_text("old")
    with whole_folder(target) as partial:
        (partial / "new.txt").write_text("new")
    assert contents(tmp_path) == {"new.txt": "new"}


def test_leftovers_of_a_killed_process_do_not_disturb(tmp_path):
    (tmp_path / "case.partial").mkdir()
    (tmp_path / "case.partial" / "junk").write_text("junk")
    with whole_folder(tmp_path / "case") as partial:
        (partial / "new.txt").write_text("new")
    assert contents(tmp_path) == {"new.txt": "new"}


def test_a_failed_file_leaves_the_old_one(tmp_path):
    target = tmp_path / "a.json"
    target.write_text("old")

    def fail() -> None:
        with whole_file(target) as partial:
            partial.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert contents(tmp_path) == {"a.json": "old"}


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")
    for writer in (whole_folder, whole_file):
        with (
            pytest.raises(OutputError, match=r"case.* cannot be written") as caught,
            writer(tmp_path / "file" / "case") as partial,
        ):
            partial.write_text("x")
        assert str(tmp_path) not in str(caught.value)


def test_seeds_differ_by_place_and_agree_by_value():
    seeds = {derive_seed(run, "patch", i) for run in range(30) for i in range(30)}
    assert len(seeds) == 900
    assert derive_seed(1, "patch", 2) == derive_seed(1, "patch", 2)
    assert all(0 <= s < 2**63 for s in seeds)
