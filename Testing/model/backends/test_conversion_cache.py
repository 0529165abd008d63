"""The cache of converted networks: it keeps, it forgets, and it never stands in the way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ParetoSegLib.model.backends import conversion_cache
from ParetoSegLib.model.backends.conversion_cache import (
    HASHES,
    KEPT,
    LAYERS,
    WEIGHTS,
    Converted,
    entry_of,
    is_stored,
    read_entry,
    write_entry,
)

PATCH = (16, 16, 16)
CONVERTED = Converted(b"<layers/>", b"\x00\x01weights")


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PARETOSEG_CACHE", str(tmp_path))
    return tmp_path


def _entry(identity: str = "a") -> Path:
    entry = entry_of(identity, PATCH)
    assert entry is not None
    return entry


def test_what_was_written_is_read_back() -> None:
    assert read_entry(_entry()) is None
    assert not is_stored("a", PATCH)
    write_entry(_entry(), CONVERTED)
    assert read_entry(_entry()) == CONVERTED
    assert is_stored("a", PATCH)
    write_entry(_entry(), Converted(b"other", b"bytes"))
    assert read_entry(_entry()) == Converted(b"other", b"bytes")
    assert [p.name for p in _entry().parent.iterdir()] == [_entry().name]


def test_weights_window_and_versions_tell_entries_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = {_entry(), _entry("b"), entry_of("a", (16, 16, 32))}
    monkeypatch.setattr(conversion_cache, "_version", lambda package: "99.0")
    entries.add(_entry())
    monkeypatch.setattr(conversion_cache, "_code", lambda: "other layers")
    assert len({*entries, _entry()}) == 5


@pytest.mark.parametrize("name", [LAYERS, WEIGHTS, HASHES])
@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_damage_is_not_read(name: str, damage: str) -> None:
    write_entry(_entry(), CONVERTED)
    file = _entry() / name
    data = file.read_bytes()
    if damage == "remove":
        file.unlink()
    else:
        file.write_bytes(data[:-2] if damage == "cut" else bytes([data[0] ^ 1]) + data[1:])
    assert read_entry(_entry()) is None
    write_entry(_entry(), CONVERTED)
    assert read_entry(_entry()) == CONVERTED


def test_a_place_that_cannot_be_written_is_no_error(root: Path) -> None:
    (root / "openvino").write_text("a file in the way")
    write_entry(_entry(), CONVERTED)
    assert read_entry(_entry()) is None
    assert not is_stored("a", PATCH)


def test_a_full_disk_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    write_entry(_entry(), CONVERTED)
    assert list(_entry().parent.iterdir()) == []


def test_without_a_folder_there_is_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversion_cache, "cache_folder", lambda: None)
    assert entry_of("a", PATCH) is None
    assert not is_stored("a", PATCH)


def test_the_ones_unused_for_longest_go() -> None:
    for number in range(KEPT):
        write_entry(_entry(str(number)), CONVERTED)
        os.utime(_entry(str(number)) / HASHES, (1000 + number, 1000 + number))
    assert read_entry(_entry("0")) == CONVERTED  # used now
    write_entry(_entry("new"), CONVERTED)
    assert read_entry(_entry("1")) is None
    assert read_entry(_entry("0")) == read_entry(_entry("new")) == CONVERTED
    assert len(list(_entry().parent.iterdir())) == KEPT
