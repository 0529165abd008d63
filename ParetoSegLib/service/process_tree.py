"""End a process together with everything it started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path


def kill_tree(pid: int) -> None:
    """Kill a process and its descendants at once, without waiting for them to be gone.

    On POSIX that includes what belongs to the process's own group, whoever has adopted it since.
    """
    if sys.platform == "win32":
        subprocess.Popen(
            ["taskkill", "/T", "/F", "/PID", str(pid)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            creationflags=subprocess.CREATE_NO_WINDOW,
        )
        return
    if pid <= 1:
        raise ValueError(f"{pid} is no worker")
    # Found first: the children of the dead are adopted by others.
    followers = followers_of(pid)
    _kill(pid)
    for follower in followers:
        _kill(follower)


def kill_followers(pid: int) -> None:
    """Kill what a process started, but not the process; on Windows nothing is done."""
    if sys.platform != "win32":
        for follower in followers_of(pid):
            _kill(follower)


def followers_of(pid: int) -> list[int]:
    """POSIX: the descendants of a process and the others in the group that it leads."""
    table = _processes()
    found = [child for child, (_, group) in table.items() if group == pid and child != pid]
    unseen = [pid, *found]
    while unseen:
        parent = unseen.pop()
        for child, (its_parent, _) in table.items():
            if its_parent == parent and child != pid and child not in found:
                found.append(child)
                unseen.append(child)
    return found


def _kill(pid: int) -> None:
    if sys.platform != "win32":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def _processes() -> dict[int, tuple[int, int]]:
    """Parent and group of every process."""
    if Path("/proc/self/stat").exists():
        return _from_proc()
    said = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,pgid="], capture_output=True, text=True, check=False
    ).stdout
    rows = [line.split() for line in said.splitlines()]
    return {int(row[0]): (int(row[1]), int(row[2])) for row in rows if len(row) == 3}


def _from_proc() -> dict[int, tuple[int, int]]:
    table = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        with contextlib.suppress(OSError):  # it has ended since
            text = Path("/proc", entry, "stat").read_bytes()
            # pid (name, which may hold anything) state parent group …
            fields = text[text.rindex(b")") + 1 :].split()
            table[int(entry)] = (int(fields[1]), int(fields[2]))
    return table
