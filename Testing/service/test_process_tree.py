"""Killing a process ends its children too, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ParetoSegLib.service import process_tree
from ParetoSegLib.service.process_tree import followers_of, kill_followers, kill_tree

pytestmark = pytest.mark.skipif(os.name != "posix", reason="POSIX process groups")

# Starts a child and a grandchild, says their numbers, and waits.
FAMILY = """
import os, subprocess, sys, time
if sys.argv[1] == "leader": os.setsid()
grandchild = "import time; time.sleep(60)"
child = (
    "import subprocess, sys, time\\n"
    f"p = subprocess.Popen([sys.executable, '-c', {grandchild!r}]); print(p.pid, flush=True)\\n"
    "time.sleep(0 if sys.argv[1] == 'leader' else 60)"
)
p = subprocess.Popen([sys.executable, "-c", child, sys.argv[1]])
print(p.pid, flush=True)
time.sleep(60)
"""


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent does not."""
    try:
        os.kill(pid, 0)
        status = Path("/proc", str(pid), "stat")
        return not status.exists() or status.read_bytes().rpartition(b")")[2].split()[0] != b"Z"
    except OSError:
        return False


def _family(kind: str) -> tuple[subprocess.Popen[str], list[int]]:
    process = subprocess.Popen(
        [sys.executable, "-c", FAMILY, kind], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, [int(process.stdout.readline()) for _ in range(2)]


def _gone(pids: list[int]) -> bool:
    until = time.monotonic() + 5
    while any(is_alive(p) for p in pids) and time.monotonic() < until:
        time.sleep(0.01)
    return not any(is_alive(p) for p in pids)


# The leader's child ends at once, so that its grandchild is an orphan in the leader's group.
@pytest.mark.parametrize("kind", ["plain", "leader"])
def test_a_process_goes_with_all_that_came_of_it(kind: str) -> None:
    process, pids = _family(kind)
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    if kind == "leader":
        time.sleep(0.3)  # the child ends
    kill_tree(process.pid)
    assert process.wait(5) < 0
    assert _gone(pids)
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()
    process.stdout.close()


def test_children_can_be_ended_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    process, pids = _family("plain")
    # As on macOS, where there is no /proc.
    expected = set(followers_of(process.pid))
    monkeypatch.setattr(process_tree, "Path", lambda *_: Path("/nowhere"))
    assert set(followers_of(process.pid)) == expected
    assert expected >= set(pids)
    kill_followers(process.pid)
    assert _gone(pids)
    assert process.poll() is None
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.mark.parametrize("pid", [0, 1, -1])
def test_no_number_means_everybody(pid: int) -> None:
    with pytest.raises(ValueError, match="no worker"):
        kill_tree(pid)
