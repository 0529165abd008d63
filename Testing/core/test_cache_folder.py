"""The cache folder is where each system wants it, and nowhere where there is no home."""

from __future__ import annotations

from pathlib import Path

import pytest

from ParetoSegLib.core.cache_folder import VARIABLE, cache_folder


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in (VARIABLE, "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("system", "place"),
    [
        ("linux", ".cache/paretoseg"),
        ("darwin", "Library/Caches/ParetoSeg"),
        ("win32", "AppData/Local/ParetoSeg/Cache"),
    ],
)
def test_each_system_has_its_place(
    system: str, place: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", system)
    assert cache_folder() == home / place


def test_the_systems_own_variables_are_followed(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCALAPPDATA", str(home / "local"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "xdg"))
    monkeypatch.setattr("sys.platform", "win32")
    assert cache_folder() == home / "local" / "ParetoSeg" / "Cache"
    monkeypatch.setattr("sys.platform", "linux")
    assert cache_folder() == home / "xdg" / "paretoseg"
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    assert cache_folder() == home / ".cache" / "paretoseg"
    monkeypatch.setenv(VARIABLE, str(home / "mine"))
    assert cache_folder() == home / "mine"


def test_without_a_home_there_is_no_cache(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nowhere)
    assert cache_folder() is None
