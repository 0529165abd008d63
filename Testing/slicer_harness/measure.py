"""How long a user waits, how long the window stands still, and how much memory it keeps: as JSON.

    python Testing/slicer_harness/measure.py PATIENT MODEL [--runs 10]

PATIENT is a case folder, MODEL a model folder. The window's standstill is measured by a timer that
wants to fire every 2 ms: the longest time between two ticks, apart for the moment in which the
result is put into the scene. The views are not drawn meanwhile, so drawing is timed by itself.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1])]

from slicer_harness import harness  # noqa: E402

TICK_MS = 2
WAIT_S = 3600.0
MIB = 1 << 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("patient", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--runs", type=int, default=10)
    arguments = parser.parse_args()
    harness.install()
    found = measure(arguments.patient, arguments.model, arguments.runs)
    json.dump(found, sys.stdout, indent=2)
    sys.stdout.write("\n")


def measure(patient: Path, model: Path, runs: int) -> dict[str, object]:
    """Segment the same patient again and again, removing each result as a user would."""
    from slicer_harness.user import User

    user = User(model)
    user.load_patient(patient)
    harness.process_events(0.5)
    before = resident_mib()
    seconds, blocks, loading, kept = [], [], [], []
    for _ in range(runs):
        watch = Watch(user)
        start = time.perf_counter()
        user.segment(WAIT_S)
        seconds.append(time.perf_counter() - start)
        harness.process_events(1.0)
        watch.stop()
        blocks.append(watch.longest_ms)
        loading.append(watch.longest_loading_ms)
        remove_result(user)
        kept.append(resident_mib())
    return {
        "patient": patient.name,
        "model": model.name,
        "machine": {"cpu_cores": os.cpu_count(), "system": platform.system()},
        "seconds_first_run": round(seconds[0], 2),
        "seconds_second_run": round(seconds[1], 2) if runs > 1 else None,
        "seconds_all_runs": [round(s, 2) for s in seconds],
        "longest_standstill_ms": round(max(blocks), 1),
        "longest_standstill_loading_result_ms": round(max(loading), 1),
        "first_drawing_ms": drawing_ms(user),
        "gui_memory_mib_before": before,
        "gui_memory_mib_after_first_run": kept[0],
        "gui_memory_mib_after_all_runs": kept[-1],
        "runs": runs,
    }


class Watch:
    """Ticks on the GUI thread and keeps the longest time between two ticks."""

    def __init__(self, user: Any) -> None:
        import qt

        self._user = user
        self._last = time.perf_counter()
        self._case = user.case
        self.longest_ms = 0.0
        self.longest_loading_ms = 0.0
        self._timer = qt.QTimer()
        self._timer.setInterval(TICK_MS)
        self._timer.connect("timeout()", self._tick)
        self._timer.start()

    def stop(self) -> None:
        self._timer.stop()

    def _tick(self) -> None:
        now = time.perf_counter()
        gap_ms = 1000 * (now - self._last)
        self._last = now
        # The gap in which the result came to be is the one in which it was loaded.
        case = self._user.case
        if case is not self._case:
            self._case = case
            self.longest_loading_ms = max(self.longest_loading_ms, gap_ms)
        else:
            self.longest_ms = max(self.longest_ms, gap_ms)


def remove_result(user: Any) -> None:
    """Press "Remove" and agree."""
    import qt

    harness.dialogs().answer(qt.QMessageBox.Ok)
    user.ui.removeResultButton.click()
    harness.process_events(0.5)


def drawing_ms(user: Any) -> float:
    """Drawing the three slice views once, after a run."""
    user.segment(WAIT_S)
    start = time.perf_counter()
    for name in harness.core().slice_views:
        harness.render_slice(name)
    spent = 1000 * (time.perf_counter() - start)
    remove_result(user)
    return round(spent, 1)


def resident_mib() -> float | str:
    """Memory of this process now, without the worker's."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return "unknown on this system"
    return round(pages * os.sysconf("SC_PAGE_SIZE") / MIB, 1)


if __name__ == "__main__":
    main()
