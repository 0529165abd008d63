"""Every benchmark runs on tiny sizes and writes what the page reads, so that none can rot."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = ROOT / "benchmarks"
WITH_QUICK = ("start_up", "fuzzy_labels", "roofline", "growth", "step_profile", "ddp")


def run_script(name: str, *given: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(BENCHMARKS / f"{name}.py"), *map(str, given)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=280,
        check=False,
    )


@pytest.fixture
def benchmark_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_QUICK)
def test_a_script_writes_what_the_page_reads(
    name: str, tmp_path: Path, benchmark_path: None
) -> None:
    import page
    from targets import TARGETS

    output = tmp_path / f"{name}.json"
    more = ["--pictures", tmp_path] if name == "growth" else []
    done = run_script(name, "--quick", "--rounds", 2, "--output", output, *more)
    assert done.returncode == 0, done.stderr
    found = json.loads(output.read_text(encoding="utf-8"))
    assert found["quick"]
    assert found["machine"]["torch"]
    assert page.block(name, {name: found}).startswith(("|", "One window"))
    for target in TARGETS:
        if target.source == name:
            value = target.measured(found)
            assert value is None or target.shown.format(value)
    if name == "growth":
        assert len(list(tmp_path.glob("growth_*.png"))) == 3


@pytest.mark.slow
@pytest.mark.skipif(find_spec("nnunetv2") is not None, reason="nnU-Net is installed here")
def test_without_the_peer_it_is_one_sentence() -> None:
    done = run_script("nnunet_predictor", "--model", "x", "y")
    assert done.returncode == 1
    assert done.stderr.strip() == 'nnU-Net is not installed: pip install "ParetoSeg[bench]".'


@pytest.mark.slow
def test_all_run_and_one_that_fails_is_named(tmp_path: Path) -> None:
    """start_up works; warm_worker is given a case that is not there."""
    given = ["--quick", "--results", tmp_path, "--only", "start_up", "warm_worker"]
    done = run_script("run_all", *given, "--case", tmp_path / "nothing")
    assert done.returncode == 1
    assert (tmp_path / "start_up.json").is_file()
    assert "Failed: warm_worker." in done.stdout


def test_run_all_leaves_no_script_out(benchmark_path: None, tmp_path: Path) -> None:
    import page
    import run_all

    names = set(run_all.commands(tmp_path, [tmp_path], False, tmp_path, tmp_path))
    optional = set() if find_spec("nnunetv2") else {"nnunet_predictor"}
    assert names | optional == set(page.BLOCKS)
    assert all((BENCHMARKS / f"{name}.py").is_file() for name in page.BLOCKS)


def test_rounds_take_turns_and_their_spread_is_right(
    benchmark_path: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import timing

    order: list[str] = []
    now = iter(range(1000))
    monkeypatch.setattr(timing.time, "perf_counter", lambda: float(next(now)))
    found = timing.in_turn({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 3, 1)
    assert order == ["a", "b"] * 4
    assert found == {"a": [1.0] * 3, "b": [1.0] * 3}
    assert timing.spread([1.0, 2.0, 3.0, 4.0, 5.0])["quartiles"] == [2.0, 3.0, 4.0]
    assert timing.ratio([4.0, 9.0], [2.0, 3.0])["values"] == [2.0, 3.0]


def test_painted_lesions_are_as_many_as_were_asked_for(benchmark_path: None) -> None:
    from painted_lesions import painted_masks

    from ParetoSegLib.core.geometry import components

    masks = painted_masks((64, 96, 96), 5)
    assert len(components(masks["tc"])[1]) == len(components(masks["wt"])[1]) == 5
    assert not (masks["et"] & ~masks["tc"]).any()
    assert not (masks["tc"] & ~masks["wt"]).any()
    with pytest.raises(ValueError, match="do not fit"):
        painted_masks((40, 40, 40), 9)
