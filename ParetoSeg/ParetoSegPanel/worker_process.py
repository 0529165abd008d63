"""The worker as a process: which Python runs it, how it starts, how it ends with its children."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import qt
from slicer.i18n import tr as _

import ParetoSegLib
from ParetoSegLib.core.errors import ParetoSegError
from ParetoSegLib.service.exchange import WORKING
from ParetoSegLib.service.lines import LineCutter
from ParetoSegLib.service.process_tree import kill_tree
from ParetoSegLib.service.protocol import LONGEST_EVENT

WORKER = Path(ParetoSegLib.__file__).resolve().parent / "worker.py"

LONGEST_LOG_LINE = 1 << 16
IDLE_SECONDS = 600.0
END_MS = 2000
"""How long a worker that was asked to leave is waited for, when Slicer closes."""


class StartError(ParetoSegError):
    """There is no Python that could run the worker."""


@dataclass(frozen=True)
class Launch:
    """How the worker is started.

    Args:
        program: a Python that has what inference needs: Slicer's ``PythonSlicer``, or another.
        environment: all of its variables; ``None`` for those of this process, as ``PythonSlicer``
            needs them.
        idle_s: without a request for so long the worker leaves.
    """

    program: str
    environment: Mapping[str, str] | None = None
    idle_s: float = IDLE_SECONDS

    def arguments(self, exchange: Path) -> list[str]:
        """The command line after the program."""
        flags = ["--exchange", str(exchange), "--idle-seconds", f"{self.idle_s:g}"]
        return ["-X", "utf8", str(WORKER), *flags]


def find_launch(python: str = "") -> Launch:
    """The Python that the user chose, or Slicer's own.

    Args:
        python: a Python outside Slicer; empty for Slicer's own.

    Raises:
        StartError: it is not there.
    """
    if python:
        if not Path(python).is_file():
            raise StartError(
                _("The Python {name} is not there; choose another one.").format(
                    name=Path(python).name
                )
            )
        return Launch(python, _outside_slicer())
    name = "PythonSlicer.exe" if sys.platform == "win32" else "PythonSlicer"
    # Slicer puts it on the PATH; an administrator may have cut that short.
    beside = Path(sys.executable).with_name(name)
    found = shutil.which("PythonSlicer") or (str(beside) if beside.is_file() else None)
    if found is None:
        raise StartError(
            _(
                "PythonSlicer, which belongs to 3D Slicer, was not found; install Slicer again or "
                "choose another Python."
            )
        )
    return Launch(found)


def _outside_slicer() -> dict[str, str]:
    """The variables without those that lead a Python to Slicer's own libraries."""
    import slicer

    try:
        outside = dict(slicer.util.startupEnvironment())
    except AttributeError:  # no Slicer application around
        outside = dict(os.environ)
    for name in ("PYTHONHOME", "PYTHONPATH", "PYTHONNOUSERSITE"):
        outside.pop(name, None)
    return outside


class Process(Protocol):
    """What the client needs of a worker's process."""

    pid: int | None
    """The worker's own, as soon as it has said so."""

    @property
    def is_running(self) -> bool:
        """Whether it has been started and has not ended."""

    def write(self, line: bytes) -> None:
        """Send a line; kept until the process is ready for it."""

    def kill(self) -> None:
        """End it at once, with its children."""

    def close(self, farewell: bytes) -> None:
        """Send a last line, close the pipe and return when the process has ended."""


class WorkerProcess:
    """A worker behind ``QProcess``; its callbacks come on the GUI thread.

    Args:
        launch: how to start it, which happens at once.
        exchange: the folder through which volumes travel.
        on_line: gets each line of the protocol.
        on_log: gets each line that it, or a library in it, printed.
        on_end: called once, with whether it ended by itself and well.
    """

    def __init__(
        self,
        launch: Launch,
        exchange: Path,
        on_line: Callable[[bytes], None],
        on_log: Callable[[str], None],
        on_end: Callable[[bool], None],
    ) -> None:
        self.pid: int | None = None
        self._on_line, self._on_log, self._on_end = on_line, on_log, on_end
        self._lines = LineCutter(LONGEST_EVENT)
        self._log_lines = LineCutter(LONGEST_LOG_LINE)
        self._ended = False
        self._process = qt.QProcess()
        self._process.connect("readyReadStandardOutput()", self._read)
        self._process.connect("readyReadStandardError()", self._read_log)
        self._process.connect("finished(int,QProcess::ExitStatus)", self._finished)
        self._process.connect("errorOccurred(QProcess::ProcessError)", self._failed)
        self._process.setWorkingDirectory(str(exchange / WORKING))
        if launch.environment is not None:
            variables = qt.QProcessEnvironment()
            for name, value in launch.environment.items():
                variables.insert(name, value)
            self._process.setProcessEnvironment(variables)
        self._process.start(launch.program, launch.arguments(exchange))

    @property
    def is_running(self) -> bool:
        """Whether it has been started and has not ended."""
        return not self._ended and self._process.state() != qt.QProcess.NotRunning

    def write(self, line: bytes) -> None:
        """Send a line; kept until the process is ready for it."""
        self._process.write(line)

    def kill(self) -> None:
        """End it at once, with its children; ``on_end`` follows."""
        if not self.is_running:
            return
        # The process that was started may be a launcher: killing that alone would leave its child
        # on the GPU.
        for pid in {self.pid, int(self._process.processId())}:
            if pid:
                kill_tree(pid)

    def close(self, farewell: bytes) -> None:
        """Send a last line, close the pipe and return when the process has ended."""
        if self.is_running:
            self._process.write(farewell)
            self._process.closeWriteChannel()
            if not self._process.waitForFinished(END_MS):
                self.kill()
                self._process.waitForFinished(END_MS)

    def _read(self) -> None:
        for line in self._lines.cut(_bytes(self._process.readAllStandardOutput())):
            self._on_line(line)

    def _read_log(self) -> None:
        for line in self._log_lines.cut(_bytes(self._process.readAllStandardError())):
            self._on_log(line.decode("utf-8", "replace"))

    def _finished(self, *_code_and_status: object) -> None:
        well = self._process.exitStatus() == qt.QProcess.NormalExit
        self._end(well and int(self._process.exitCode()) == 0)

    def _failed(self, *_error: object) -> None:
        # A program that cannot be started never finishes.
        if self._process.state() == qt.QProcess.NotRunning:
            words = self._process.errorString()
            self._on_log(_("The process reports: {words}").format(words=words))
            self._end(False)

    def _end(self, well: bool) -> None:
        if not self._ended:
            self._ended = True
            self._read()
            self._read_log()
            # Later, since whoever lets go of this object must not do so in the middle of a signal.
            qt.QTimer.singleShot(0, lambda: self._on_end(well))


def _bytes(array: Any) -> bytes:
    """The content of a ``QByteArray``; PythonQt gives ``None`` for an empty one."""
    data = array.data()
    return data.encode("utf-8") if isinstance(data, str) else bytes(data or b"")
