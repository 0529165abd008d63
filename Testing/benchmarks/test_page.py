"""The page says what the JSON says, again and again, and leaves the prose alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = ROOT / "benchmarks"
PROSE = "# Title\n\nBy hand.\n\n<!-- begin {0} -->\nold\n<!-- end {0} -->\n\nBy hand too.\n"
MACHINE = {
    "processor": "Abacus 7",
    "cores": 2,
    "threads": 1,
    "flags": [],
    "gpu": None,
    "system": "Linux",
    "python": "3.11",
    "torch": "2.13",
}
STEP_TIME = {
    "machine": MACHINE,
    "modes": {
        "Dice + CE, hard labels": {"quartiles": [0.1, 0.2, 0.3], "ratio_of_means": 1.0},
        "upgrad, refresh_every=8": {"quartiles": [0.1, 0.2471, 0.3], "ratio_of_means": 1.1234},
        "upgrad, exact": {"quartiles": [0.1, 0.2, 0.3], "ratio_of_means": 1.9},
    },
}


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import page

    return page


def rows(text: str) -> list[list[str]]:
    """The cells of a Markdown table's rows."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_a_table_shows_the_numbers_of_the_json(page) -> None:
    found = page.filled(PROSE.format("step_time"), {"step_time": STEP_TIME})
    (row,) = [r for r in rows(found) if r[0] == "upgrad, refresh_every=8"]
    assert row == ["upgrad, refresh_every=8", "0.247", "0.100 to 0.300", "1.12"]


def test_a_target_is_met_or_missed_by_the_number(page) -> None:
    found = rows(page.filled(PROSE.format("targets"), {"step_time": STEP_TIME}))
    by_name = {row[0]: row[-2:] for row in found}
    assert by_name["training step, `refresh_every=8`"] == ["1.12 ×", "met"]
    assert by_name["training step, exact"] == ["1.90 ×", "**missed**"]
    assert by_name["fuzzy labels of a whole case"] == ["not measured", ""]
    assert len(found) == len(page.TARGETS)


@pytest.mark.parametrize(
    ("model", "seen", "said"), [("a", 3, "0"), ("a", 0, None), ("untrained", 3, None)]
)
def test_what_random_weights_say_meets_no_target(page, model: str, seen: int, said) -> None:
    found = {"machine": MACHINE, "model": model, "lost": 0, "cases": [{"lesions": [seen, seen]}]}
    table = rows(page.target_table({"agreement": found}))
    by_name = {row[0]: row[-2] for row in table}
    assert by_name["lesions lost by the fast path"] == (said or "not measured")


def test_filling_twice_is_filling_once_and_prose_stays(page) -> None:
    results = {"step_time": STEP_TIME}
    text = "".join(PROSE.format(name) for name in ("targets", "machines", "step_time", "ddp"))
    once = page.filled(text, results)
    assert page.filled(once, results) == once
    assert once.count("By hand.") == once.count("By hand too.") == 4
    assert "Abacus 7" in once
    assert "old" not in once


@pytest.mark.parametrize(
    "text",
    [
        "<!-- begin targets -->\n",
        "<!-- begin targets -->\n<!-- end ddp -->\n",
        "<!-- begin poetry -->\n<!-- end poetry -->\n",
    ],
)
def test_a_wrong_marker_is_refused(page, text: str) -> None:
    with pytest.raises(ValueError, match=r"block|poetry"):
        page.filled(text, {})


def test_every_block_can_say_that_nothing_was_measured(page) -> None:
    for name in page.BLOCKS:
        assert "not measured" in page.filled(PROSE.format(name), {})


def test_a_quick_run_is_no_result(page, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"quick": True}))
    (tmp_path / "b.json").write_text(json.dumps({"quick": False}))
    (tmp_path / "c.json").write_text(json.dumps({}))
    assert set(page.read_results(tmp_path)) == {"b", "c"}


def test_the_page_in_the_repository_is_up_to_date(tmp_path: Path) -> None:
    """Whoever adds JSON or prose runs page.py; every block is on the page once."""
    text = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    copy = tmp_path / "page.md"
    copy.write_text(text, encoding="utf-8")
    subprocess.run(
        [sys.executable, str(BENCHMARKS / "page.py"), "--page", str(copy)], check=True, timeout=120
    )
    assert copy.read_text(encoding="utf-8") == text


def test_every_block_has_its_place_on_the_page(page) -> None:
    text = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    for name in ("targets", "machines", *page.BLOCKS):
        assert text.count(f"<!-- begin {name} -->") == 1, name
