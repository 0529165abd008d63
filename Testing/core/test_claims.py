"""Marks in a shared folder: every item to one process, and the dead are noticed."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from ParetoSegLib.core import claims as claims_file
from ParetoSegLib.core.claims import Claims
from ParetoSegLib.core.errors import OutputError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Claims.open_folder(tmp_path / "out Ü", "a")


def test_every_item_is_begun_once(folder: Path) -> None:
    """Eight threads with views of their own race for every item."""
    begun: list[int] = []
    start = threading.Barrier(8)

    def work(rank: int) -> None:
        mine = Claims(folder, rank, 8)
        start.wait()
        begun.extend(item for item in range(100) if mine.begin(f"Fall {item}"))

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(begun) == list(range(100))


def test_what_is_reserved_may_be_begun_by_another(folder: Path) -> None:
    one, other = Claims(folder, 0, 2), Claims(folder, 1, 2)
    assert one.reserve("a")
    assert not other.reserve("a")
    assert other.begin("a")
    assert not one.begin("a")


def test_all_hear_once_how_items_ended(folder: Path) -> None:
    one, other = Claims(folder, 0, 2), Claims(folder, 1, 2)
    other.end("a", {"name": "a", "said": "µ"})
    assert list(one.news()) == [{"name": "a", "said": "µ"}]
    assert list(one.news()) == []
    one.end("b", {"name": "b"})
    assert [facts["name"] for facts in one.news()] == ["b"]
    assert [facts["name"] for facts in other.news()] == ["a", "b"]


def test_the_living_the_gone_and_the_dead_are_told_apart(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    one, other = Claims(folder, 0, 2), Claims(folder, 1, 2)
    assert one.others_live()  # it may still come
    with other.present():
        while not (folder / f"1{claims_file.ALIVE}").is_file():
            time.sleep(0.01)
        assert one.others_live()
    assert not one.others_live()
    beats = folder / f"1{claims_file.ALIVE}"
    beats.write_text("7 1")
    assert one.others_live()
    now[0] += claims_file.DEAD_SECONDS - 1
    beats.write_text("7 2")
    assert one.others_live()
    now[0] += claims_file.DEAD_SECONDS - 1
    assert one.others_live()
    now[0] += 2
    assert not one.others_live()


def test_a_run_that_is_over_gives_nothing_away(folder: Path) -> None:
    late = Claims(folder, 1, 2)
    Claims(folder, 0, 2).remove()
    with late.present():
        assert not late.reserve("a")
        assert not late.begin("a")
        late.end("a", {})
    assert not folder.exists()


def test_only_folders_of_dead_runs_are_swept(folder: Path) -> None:
    old = folder.with_name("cohort-old.partial")
    old.mkdir()
    (folder.parent / "case").mkdir()
    long_ago = time.time() - 2 * claims_file.STALE_SECONDS
    os.utime(old, (long_ago, long_ago))
    os.utime(folder.parent / "case", (long_ago, long_ago))
    Claims.open_folder(folder.parent, "b")
    names = {p.name for p in folder.parent.iterdir()}
    assert names == {"case", "cohort-a.partial", "cohort-b.partial"}


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match=r"^The output out cannot be written"):
        Claims.open_folder(tmp_path / "out", "a")
