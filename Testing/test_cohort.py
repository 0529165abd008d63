"""A cohort over processes: each case once, a dead process costs its own case, memory stays flat."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from described import described
from phantom import BrightNetwork, write_case

from ParetoSegLib.cohort import segment_cases
from ParetoSegLib.core.claims import BEGUN, Claims
from ParetoSegLib.data.layouts import find_cases
from ParetoSegLib.model.folder import save_model
from ParetoSegLib.model.networks import build_network
from ParetoSegLib.model.ranks import RUN_VARIABLE
from ParetoSegLib.pipeline import Model, SegmentOptions

ROOT = Path(__file__).resolve().parents[1]
CASES = 20


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model, as small as they come."""
    folder = tmp_path_factory.mktemp("models") / "untrained"
    arguments = {"channels": (4, 8), "num_res_units": 0}
    network = build_network("UNet", arguments, prior=(1e-5, 1e-5, 1e-5))
    save_model(folder, described(arguments), network.state_dict(), "# Untrained\n")
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "Fälle"
    for number in range(1, CASES + 1):
        write_case(folder / f"P-{number:05}-000", ("t1c",))
    return folder


def command(data: Path, model: Path, output: Path, *more: str) -> list[str]:
    given = ["--data", data, "--model", model, "--output", output, "--device", "cpu"]
    options = ["--backend", "torch", "--devices", "2", *more]
    return [sys.executable, "-m", "ParetoSegLib.predict", *map(str, given), *options]


def predict(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=600,
        check=False,
    )


def stamps(output: Path) -> dict[str, int]:
    return {p.parent.name: p.stat().st_mtime_ns for p in output.glob("*/summary.json")}


def names(data: Path) -> set[str]:
    return {p.name for p in data.iterdir()}


@pytest.fixture
def bright() -> Model:
    return Model(described({"channels": (4, 8)}), BrightNetwork().eval(), "f" * 64)


def test_two_sharers_do_each_case_once(data: Path, bright: Model, tmp_path: Path) -> None:
    """Two generators in turn, as two processes would go: one's reservation is the other's gap."""
    cases = find_cases(data)[1][:6]
    folder = Claims.open_folder(tmp_path / "out", "a")
    options = SegmentOptions(device="cpu", backend="torch")
    sharers = [
        segment_cases(cases, bright, tmp_path / "out", options, claims=Claims(folder, rank, 2))
        for rank in range(2)
    ]
    done: Counter[str] = Counter()
    turn = 0
    while sharers:
        outcome = next(sharers[turn % len(sharers)], None)
        if outcome is None:
            sharers.pop(turn % len(sharers))
        else:
            assert outcome.state == "done"
            done[outcome.name] += 1
        turn += 1
    assert done == Counter(files.name for files in cases)


def test_a_case_that_killed_its_process_is_left_alone(
    data: Path, bright: Model, tmp_path: Path
) -> None:
    cases = find_cases(data)[1][:4]
    folder = Claims.open_folder(tmp_path / "out", "a")
    dead = Claims(folder, 1, 2)
    assert dead.begin(cases[0].name)
    assert dead.reserve(cases[1].name)
    options = SegmentOptions(device="cpu", backend="torch")
    alive = Claims(folder, 0, 2)
    outcomes = segment_cases(cases, bright, tmp_path / "out", options, claims=alive)
    assert [o.name for o in outcomes] == [cases[i].name for i in (2, 3, 1)]


@pytest.mark.skipif(not Path("/proc/self/statm").is_file(), reason="no /proc here")
def test_memory_is_flat_in_the_number_of_cases(data: Path, bright: Model, tmp_path: Path) -> None:
    """Resident memory between cases, while a result is held, from the fifth to the last."""
    resident = []
    options = SegmentOptions(device="cpu", backend="torch")
    for _ in segment_cases(find_cases(data)[1], bright, tmp_path / "out", options):
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        resident.append(pages * os.sysconf("SC_PAGE_SIZE") / 2**20)
    early, late = max(resident[4:9]), max(resident[-5:])
    # One kept result would be three memberships of 36 × 44 × 40, more than 0.7 MB a case.
    assert late - early < 0.3 * (CASES - 9)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_processes_share_a_cohort(data: Path, model_folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "in"
    for number in range(1, CASES + 1):
        write_case(broken / f"P-{number:05}-000", ("t1c",))
    bad = broken / "P-00007-000" / "P-00007-000-t1c.nii.gz"
    bad.write_bytes(bad.read_bytes()[:500])
    out = tmp_path / "out"
    ran = predict(command(broken, model_folder, out))
    said = " ".join(ran.stdout.split())
    assert ran.returncode == 1, ran.stderr
    assert ran.stderr == ""
    assert "P-00007-000: " in said
    assert bad.name in said
    assert f"{CASES - 1} done, 1 failed" in said
    assert said.count("arranged as") == 1
    assert all(said.count(f"{name}: ") == 1 for name in names(broken))
    before = stamps(out)
    assert set(before) == names(broken) - {"P-00007-000"}
    assert {p.name for p in out.iterdir()} == set(before)
    write_case(broken / "P-00007-000", ("t1c",))
    again = predict(command(broken, model_folder, out, "--resume"))
    assert again.returncode == 0, again.stdout + again.stderr
    assert f"1 done, {CASES - 1} finished before" in " ".join(again.stdout.split())
    assert {k: v for k, v in stamps(out).items() if k in before} == before


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(sys.platform == "win32", reason="stops and kills by signal")
@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_process_costs_its_own_case(
    victim: int, data: Path, model_folder: Path, tmp_path: Path
) -> None:
    """One process is held at a case and killed when the other works: that one does the rest."""
    out = tmp_path / "out"
    folder = Claims.open_folder(out, "test")
    started = {}

    def start(rank: int) -> None:
        started[rank] = subprocess.Popen(
            command(data, model_folder, out),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={
                **os.environ,
                "OMP_NUM_THREADS": "1",
                "LOCAL_RANK": str(rank),
                RUN_VARIABLE: "test",
            },
        )

    start(victim)
    lost = held_at_work(folder, started[victim].pid)
    start(1 - victim)
    wait_for(lambda: marks_of(folder, 1 - victim))
    started[victim].kill()
    said = " ".join(started[1 - victim].communicate(timeout=400)[0].split())
    started[victim].communicate()
    before = stamps(out)
    assert names(data) - set(before) == {lost}
    if victim == 1:
        assert started[0].returncode == 1
        assert f"{lost}: the process that was at it ended" in said
        assert f"{CASES - 1} done, 1 failed" in said
        assert not folder.exists()
    again = predict(command(data, model_folder, out, "--resume"))
    assert again.returncode == 0, again.stdout + again.stderr
    after = stamps(out)
    assert set(after) == names(data)
    assert {k: v for k, v in after.items() if k != lost} == before


def marks_of(folder: Path, rank: int) -> list[str]:
    """The cases that a process has begun."""
    marks = folder.glob(f"*{BEGUN}")
    return [m.name.removesuffix(BEGUN) for m in marks if m.read_text() == str(rank)]


def wait_for(something: Callable[[], object], seconds: float = 400) -> None:
    deadline = time.monotonic() + seconds
    while not something():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.002)


def held_at_work(folder: Path, pid: int) -> str:
    """Stop a process, the only one so far, while it is at a case; the case's name."""
    while True:
        wait_for(lambda: list(folder.glob(f"*{BEGUN}")))
        os.kill(pid, signal.SIGSTOP)
        time.sleep(0.1)
        begun = {p.name.removesuffix(BEGUN) for p in folder.glob(f"*{BEGUN}")}
        at_work = begun - {p.parent.name for p in folder.parent.glob("*/summary.json")}
        if at_work:
            (name,) = at_work
            return name
        os.kill(pid, signal.SIGCONT)
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_torchrun_shares_a_cohort_too(data: Path, model_folder: Path, tmp_path: Path) -> None:
    module = command(data, model_folder, tmp_path / "out")[1:]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    ran = predict([*launcher, "--master-port", "29561", *module])
    assert ran.returncode == 0, ran.stderr
    assert f"{CASES} done" in ran.stdout
    assert ran.stdout.count("arranged as") == 1
    assert set(stamps(tmp_path / "out")) == names(data)


def test_numbers_of_processes_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    from ParetoSegLib.core.command import MISUSED, run
    from ParetoSegLib.predict import main

    for rest in (
        ["--data", "x", "--devices", "0"],
        ["--case", "x", "--devices", "2"],
        ["--data", "x", "--nodes", "2", "--device", "cuda:1"],
    ):
        assert run(main, ["--output", str(tmp_path / "out"), *rest]) == MISUSED


def test_each_process_has_a_gpu_or_a_share_of_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    from ParetoSegLib.core.errors import DeviceError
    from ParetoSegLib.model.ranks import Ranks, device_of

    threads = []
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    second = Ranks(rank=3, count=4, local_rank=1, run="a")
    assert device_of("cuda", second, 2) == "cuda:1"
    assert device_of("cpu", second, 3) == "cpu"
    assert threads == [2]
    with pytest.raises(DeviceError, match="2 CUDA GPUs here, not 3"):
        device_of("cuda", second, 3)
