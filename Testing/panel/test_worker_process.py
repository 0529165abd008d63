"""The client and a real worker behind a real ``QProcess``."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import qt
from ParetoSegPanel import worker_process as room
from ParetoSegPanel.worker_client import Pending, SegmentRequest, WorkerClient
from ParetoSegPanel.worker_process import Launch, StartError, WorkerProcess, find_launch

from ParetoSegLib.service import exchange as exchange_room
from ParetoSegLib.service.exchange import Exchange
from Testing.service.small import GRID, head, small_model
from Testing.service.test_process_tree import _gone

PYTHON = Launch(sys.executable)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_model(tmp_path_factory.mktemp("models") / "small")


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(exchange_room.tempfile, "tempdir", str(tmp_path))
    return tmp_path


class Told:
    """What a client was told about its requests."""

    def __init__(self, client: WorkerClient, harness) -> None:
        self.client = client
        self.harness = harness
        self.stages: list[str] = []
        self.lefts: list[float | None] = []
        self.results: list = []
        self.errors: list[tuple[str, str]] = []
        self.log: list[str] = []

    def begin(self, request: SegmentRequest) -> Pending:
        def on_progress(stage: str, _fraction: float, left: float | None) -> None:
            self.stages.append(stage)
            self.lefts.append(left)

        return self.client.segment(
            request,
            on_progress,
            self.results.append,
            lambda *error: self.errors.append(error),
            self.log.append,
        )

    def until_stage(self, stage: str) -> None:
        self.stages.clear()
        said = self.harness.process_events(90, lambda: stage in self.stages or bool(self.errors))
        assert said, self.log
        assert stage in self.stages, self.errors


@pytest.fixture
def told(harness, scene, temporary: Path) -> Iterator[Told]:
    made = Told(WorkerClient(PYTHON), harness)
    yield made
    pid = made.client.pid
    made.client.shutdown()
    assert not made.client.is_running
    assert pid is None or _gone([pid])
    assert list(temporary.iterdir()) == []


def _request(model: Path, overlap: float | None = None) -> SegmentRequest:
    return SegmentRequest({"t1c": (head(), GRID)}, model, "cpu", "case", overlap)


@pytest.mark.slow
def test_segment_twice_cancel_crash_and_segment_again(told: Told, model: Path) -> None:
    """The life of a worker in one go: each start takes seconds."""
    assert told.begin(_request(model)).wait(120), told.log
    assert told.errors == []
    (first,) = told.results
    assert first.model_name == "small"
    assert set(first.regions) == {"et", "tc", "wt"}
    assert np.isfinite(first.membership["tc"]).all()
    pid = told.client.pid
    assert any("Loaded the model" in line for line in told.log)

    told.stages.clear(), told.lefts.clear(), told.log.clear()
    assert told.begin(_request(model)).wait(60)
    assert told.client.pid == pid
    assert "loading" not in told.stages
    assert not any("Loaded the model" in line for line in told.log)
    assert any(left is not None for left in told.lefts)
    np.testing.assert_allclose(told.results[1].membership["tc"], first.membership["tc"], atol=0.05)

    slow = told.begin(_request(model, overlap=0.9))
    told.until_stage("segmenting")
    began = time.monotonic()
    slow.cancel()
    assert slow.wait(10)
    assert time.monotonic() - began < 2
    assert told.errors.pop()[0] == "cancelled"
    assert told.client.pid == pid  # it obeyed, and is still warm

    slow = told.begin(_request(model, overlap=0.9))
    told.until_stage("segmenting")
    os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))
    assert slow.wait(10)
    code, sentence = told.errors.pop()
    assert code == "crashed"
    assert "started again" in sentence
    assert told.client.is_running
    assert told.begin(_request(model)).wait(120), told.log
    assert told.client.pid != pid
    assert told.errors == []
    assert len(told.results) == 3


def test_a_worker_that_hears_nothing_is_killed_with_its_children(
    told: Told, model: Path, tmp_path_factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaf = tmp_path_factory.mktemp("deaf")
    # It loads for ever, and holds the interpreter while it does.
    (deaf / "torch.py").write_text(
        "import subprocess, sys, re\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print('child', child.pid); sys.stdout.flush()\n"
        "re.match(r'(a+)+$', 'a' * 60 + 'b')\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(deaf))
    pending = told.begin(_request(model))
    said = told.harness.process_events(30, lambda: any("child" in line for line in told.log))
    assert said, told.log
    child = next(int(line.split()[-1]) for line in told.log if "child" in line)
    worker = told.client.pid
    assert worker is not None
    told.harness.process_events(0.3)
    began = time.monotonic()
    pending.cancel()
    assert pending.wait(10)
    assert 1.5 < time.monotonic() - began < 6
    assert [code for code, _ in told.errors] == ["cancelled"]
    assert _gone([worker, child])
    assert not told.client.is_running


def test_a_program_that_does_not_exist_is_told(harness, scene, temporary: Path) -> None:
    client = WorkerClient(Launch(str(temporary / "no-python")))
    errors: list = []
    log: list = []
    pending = client.segment(
        _request(temporary), on_error=lambda *e: errors.append(e), on_log=log.append
    )
    assert pending.wait(10)
    assert [code for code, _ in errors] == ["start"]
    assert log
    client.shutdown()
    assert list(temporary.iterdir()) == []


class Heard:
    """What a process said and how it ended."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.log: list[str] = []
        self.ends: list[bool] = []

    def start(self, code: str, exchange: Exchange, environment=None) -> WorkerProcess:
        """Start a program in place of the worker."""
        launch = Launch(sys.executable, environment)
        object.__setattr__(launch, "arguments", lambda _exchange: ["-c", code])
        return WorkerProcess(
            launch, exchange.path, self.lines.append, self.log.append, self.ends.append
        )


@pytest.fixture
def exchange(temporary: Path) -> Iterator[Exchange]:
    made = Exchange()
    yield made
    assert made.remove()


@pytest.mark.parametrize(("code", "well"), [("", True), ("raise SystemExit(3)", False)])
def test_how_a_process_ended_is_told_once_after_all_it_said(
    harness, scene, exchange: Exchange, code: str, well: bool
) -> None:
    heard = Heard()
    said = "import sys; sys.stdout.write('one\\ntw'); sys.stderr.write('log µ\\n')\n"
    said += "sys.stdout.write('o\\n' + 'x' * 200000 + '\\n'); sys.stdout.flush()\n"
    process = heard.start(
        "import sys; sys.stderr.reconfigure(encoding='utf-8')\n" + said + code, exchange
    )
    assert harness.process_events(20, lambda: bool(heard.ends))
    harness.process_events(0.1)
    assert heard.ends == [well]
    assert heard.lines == [b"one", b"two", b"x" * 200000]
    assert heard.log == ["log µ"]
    assert not process.is_running
    process.kill()  # nobody else's process is hit


def test_lines_are_kept_until_the_process_listens(harness, scene, exchange: Exchange) -> None:
    heard = Heard()
    process = heard.start("import sys; print(sys.stdin.readline().upper())", exchange)
    process.write(b"written before it runs\n")
    assert harness.process_events(20, lambda: bool(heard.ends))
    assert heard.lines == [b"WRITTEN BEFORE IT RUNS"]


def test_the_environment_is_the_one_that_was_given(harness, scene, exchange: Exchange) -> None:
    heard = Heard()
    code = "import os; print(os.environ['OWN'], 'PYTHONHOME' in os.environ, os.getcwd())"
    heard.start(code, exchange, {**os.environ, "OWN": "yes"})
    assert harness.process_events(20, lambda: bool(heard.ends))
    assert heard.lines[0].decode().split() == ["yes", "False", str(exchange.path / "working")]


def test_closing_a_process_waits_for_its_end(harness, scene, exchange: Exchange) -> None:
    heard = Heard()
    process = heard.start("import sys; sys.stdin.read()", exchange)
    process.close(b"good bye\n")
    assert not process.is_running
    stubborn = heard.start("import time; time.sleep(60)", exchange)
    harness.process_events(0.5)
    began = time.monotonic()
    stubborn.close(b"good bye\n")
    assert not stubborn.is_running
    assert time.monotonic() - began < 2 * room.END_MS / 1000 + 1


def test_python_slicer_is_found_on_the_path_or_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(room.sys, "executable", str(tmp_path / "bin" / "python-real"))
    with pytest.raises(StartError, match="PythonSlicer"):
        find_launch()
    name = "PythonSlicer.exe" if sys.platform == "win32" else "PythonSlicer"
    for folder in (tmp_path / "bin", tmp_path):
        folder.mkdir(exist_ok=True)
        (folder / name).write_text("")
        (folder / name).chmod(0o755)
        launch = find_launch()
        assert Path(launch.program).parent == folder
        assert launch.environment is None  # PythonSlicer needs what Slicer has set


def test_another_python_gets_nothing_of_slicers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHOME", "/slicer/lib/Python")
    monkeypatch.setenv("KEPT", "1")
    launch = find_launch(sys.executable)
    assert launch.program == sys.executable
    assert launch.environment is not None
    assert "PYTHONHOME" not in launch.environment
    assert launch.environment["KEPT"] == "1"
    with pytest.raises(StartError, match="no-python"):
        find_launch("/nowhere/no-python")


def test_the_worker_is_started_by_its_path() -> None:
    flags, script, *_ = (PYTHON.arguments(Path("x"))[:2], PYTHON.arguments(Path("x"))[2])
    assert flags == ["-X", "utf8"]
    assert Path(script).is_file()
    assert Path(script).name == "worker.py"


@pytest.mark.parametrize("data", [b"bytes", "text", None])
def test_bytes_come_out_of_qt_in_every_wrapping(data) -> None:
    class Array:
        def data(self):
            return data

    assert room._bytes(Array()) == {"text": b"text", None: b""}.get(data, data)
    assert room._bytes(qt.QByteArray(b"x\0y")) == b"x\0y"
