"""The worker as a real process: how it starts, what it survives, and that it always ends."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ParetoSegLib.service.exchange import LOCK, WORKING, Exchange
from ParetoSegLib.service.protocol import (
    LONGEST_REQUEST,
    Answer,
    Cancel,
    Failure,
    Hello,
    Load,
    Progress,
    Shutdown,
)
from ParetoSegLib.service.wire import decode_event, encode

from .small import SLOW, WORKER, RunningWorker, segment_request, small_model
from .test_exchange import _abandoned
from .test_process_tree import _gone

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Exchange]:
    made = Exchange(tmp_path)
    yield made
    made.remove()
    assert not made.path.exists()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_model(tmp_path_factory.mktemp("models") / "small")


def _answers(worker: RunningWorker, number: int, seconds: float = 120.0):
    return worker.wait_for(lambda e: isinstance(e, (Answer, Failure)) and e.id == number, seconds)


def test_a_day_in_the_life_of_a_worker(exchange: Exchange, model: Path) -> None:
    """Cases, noise and a cancelled case, all on one warm worker."""
    worker = RunningWorker(exchange)
    hello = worker.wait_for(lambda e: isinstance(e, Hello))
    assert isinstance(hello, Hello)
    assert hello.pid == worker.process.pid
    worker.say(segment_request(exchange, 1, model))
    worker.say_raw(b"\n\n\xff\xfe{]\n" + b"x" * (3 * LONGEST_REQUEST) + b"\n")
    worker.say_raw(b'{"id": 2, "request": "fly"}\n')
    first = _answers(worker, 1)
    assert isinstance(first, Answer), first
    assert [e.code for e in worker.events if isinstance(e, Failure)] == ["protocol"] * 3

    worker.say(segment_request(exchange, 3, model, SLOW))
    worker.wait_for(lambda e: e.id == 3 and getattr(e, "stage", "") == "segmenting")
    began = time.monotonic()
    worker.say(Cancel(3))
    stopped = _answers(worker, 3)
    assert isinstance(stopped, Failure)
    assert stopped.code == "cancelled"
    assert time.monotonic() - began < 2

    worker.say(segment_request(exchange, 4, model))
    assert isinstance(_answers(worker, 4), Answer)
    loads = [e.id for e in worker.events if isinstance(e, Progress) and e.stage == "loading"]
    assert loads == [1]
    assert sum("Loaded the model" in line for line in worker.log) == 1
    names = {p.name for p in (exchange.path / "request-4").iterdir()}
    assert names == {
        "t1c.npy",
        "territories.npy",
        *(f"membership-{r}.npy" for r in ("et", "tc", "wt")),
    }

    worker.say(Shutdown(5))
    assert worker.process.wait(10) == 0
    worker.end()
    assert list((exchange.path / WORKING).iterdir()) == []


@pytest.mark.slow
def test_a_killed_panel_takes_its_worker_and_files_with_it(tmp_path: Path, model: Path) -> None:
    """Slicer crashes in the middle of a case: the pipe ends, the worker too, nothing stays."""
    panel = subprocess.Popen(
        [sys.executable, str(ROOT / "Testing" / "service" / "panel_stand_in.py"), tmp_path, model],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert panel.stdout is not None
    pid, _, folder = panel.stdout.readline().strip().partition(" ")
    assert (Path(folder) / "request-1" / "t1c.npy").is_file()
    panel.kill()
    panel.wait()
    panel.stdout.close()
    assert _gone([int(pid)])
    assert list(tmp_path.iterdir()) == []


# What follows needs no network: a torch that only gets in the way makes it quick.

NO_TORCH = "raise ImportError('no such thing', name='torch')"
STUCK_TORCH = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])
print("noise from", child.pid); sys.stdout.flush()
print("path", sys.path)
sys.stdout.flush()
time.sleep(60)
"""


def _with_torch(
    monkeypatch: pytest.MonkeyPatch, folder: Path, code: str, exchange: Exchange
) -> RunningWorker:
    (folder / "torch.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return RunningWorker(exchange)


def test_without_packages_it_says_so_and_ends(
    exchange: Exchange, tmp_path_factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("no-torch")
    worker = _with_torch(monkeypatch, folder, NO_TORCH, exchange)
    failure = worker.wait_for(lambda e: isinstance(e, Failure))
    assert isinstance(failure, Failure)
    assert (failure.id, failure.code) == (0, "packages")
    assert "torch" in failure.sentence
    assert "Traceback" not in failure.sentence
    assert worker.process.wait(10) == 1
    worker.end()
    assert any("Traceback" in line for line in worker.log)


def _stuck(
    exchange: Exchange, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[RunningWorker, list[int]]:
    """A worker that is busy without end, and the numbers of it and its child."""
    # What lies in the working folder, or beside worker.py, must not be found.
    (exchange.path / WORKING / "numpy.py").write_text("raise SystemExit('found')")
    worker = _with_torch(monkeypatch, folder, STUCK_TORCH, exchange)
    until = time.monotonic() + 20
    while not any(line.startswith("path") for line in worker.log) and time.monotonic() < until:
        time.sleep(0.01)
    child = next(int(line.split()[-1]) for line in worker.log if line.startswith("noise"))
    return worker, [worker.process.pid, child]


def test_the_end_of_stdin_ends_it_with_its_children_whatever_it_does(
    exchange: Exchange, tmp_path_factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, pids = _stuck(exchange, tmp_path_factory.mktemp("stuck"), monkeypatch)
    path = next(line for line in worker.log if line.startswith("path"))
    assert f"'{WORKER.parent}'" not in path
    assert f"'{WORKER.parents[1]}'" in path
    assert WORKING not in path
    began = time.monotonic()
    worker.process.stdin.close()
    assert _gone(pids[1:])
    # The folder's owner lives, so that it is waited for and then left to its owner.
    assert worker.end() == 0
    assert time.monotonic() - began < 8
    assert exchange.path.is_dir()
    # Its child printed to the same stdout; nothing of that is in the protocol.
    assert [type(e) for e in worker.events] == [Hello]


def test_shutdown_ends_it_with_its_children_whatever_it_does(
    exchange: Exchange, tmp_path_factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, pids = _stuck(exchange, tmp_path_factory.mktemp("stuck"), monkeypatch)
    worker.say(Load(1, "/nowhere"))
    worker.say(Cancel(1))  # heard even now
    cancelled = _answers(worker, 1, 5)
    assert isinstance(cancelled, Failure)
    assert cancelled.code == "cancelled"
    worker.say(Shutdown(2))
    assert worker.process.wait(5) == 0
    assert _gone(pids)
    worker.end()


def test_an_idle_worker_leaves_after_sweeping_up(exchange: Exchange, tmp_path: Path) -> None:
    stale = _abandoned(tmp_path)
    long_ago = time.time() - 1000
    os.utime(stale / LOCK, (long_ago, long_ago))
    worker = RunningWorker(exchange, idle_s=1.0)
    assert worker.process.wait(60) == 0
    worker.end()
    assert isinstance(worker.events[-1], Hello)
    assert not stale.exists()
    assert exchange.path.is_dir()


@pytest.mark.parametrize("name", ["home", "ParetoSeg-exchange-mine"])
def test_it_works_in_no_other_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "precious").write_text("x")
    done = subprocess.run(
        [sys.executable, str(WORKER), "--exchange", str(folder)],
        input="",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert "exchange folder" in done.stderr
    assert "Traceback" not in done.stderr
    assert (folder / "precious").is_file()


def test_nothing_but_messages_leaves_through_stdout() -> None:
    code = (
        "import os, sys, subprocess\n"
        "from ParetoSegLib.service.channel import Channel\n"
        "from ParetoSegLib.service.protocol import Failure\n"
        "channel = Channel()\n"
        "print('python'); os.write(1, b'c++\\n')\n"
        "subprocess.run([sys.executable, '-c', 'print(input() if 0 else \"child\")'], check=True)\n"
        "assert sys.stdin.read() == '' and os.read(0, 9) == b''\n"
        "channel.send(Failure(1, 'usage', 'sentence \\u00b5 ' + 'x' * 300000))\n"
        "channel.listen(lambda line: channel.send(Failure(2, 'usage', line.decode())), lambda: 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", code],
        input=b"one\r\ntwo\n\nthree",
        capture_output=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    assert sorted(done.stderr.split()) == [b"c++", b"child", b"python"]
    said = [decode_event(line) for line in done.stdout.splitlines()]
    assert [e.sentence[:8] for e in said] == ["sentence", "one", "two"]
    assert encode(said[0]) == done.stdout.splitlines(keepends=True)[0]
