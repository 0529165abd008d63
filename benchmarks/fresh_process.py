"""Run something in a process of its own and learn how long it took and how much memory it held."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any


def run_fresh(script: Path, arguments: Sequence[object]) -> dict[str, Any]:
    """Start a script, wait for it, and return what it wrote to ``report`` and its wall clock.

    The clock runs from before the process starts until it has ended: imports count.
    """
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, str(script), *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    seconds = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"{script.name} failed:\n{done.stderr[-2000:]}")
    facts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {**facts, "wall_seconds": seconds}


def report(**facts: object) -> None:
    """Tell the process that waits; the last line counts."""
    print("\n" + json.dumps(facts), flush=True)


def peak_mb() -> float | None:
    """The largest resident memory so far; ``None`` where the system does not tell."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What a function returns, and its seconds."""
    began = time.perf_counter()
    result = work()
    return result, time.perf_counter() - began
