"""Plays the panel in a process of its own, which a test can kill: `panel_stand_in.py PARENT MODEL`.

Starts a worker, gives it a case that takes minutes, tells the numbers of both, and waits.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    """Say the worker's pid and the exchange folder once the case is under way."""
    sys.path[:0] = [str(ROOT), str(ROOT / "Testing")]
    from ParetoSegLib.service.exchange import Exchange
    from ParetoSegLib.service.protocol import Progress
    from Testing.service.small import SLOW, RunningWorker, segment_request

    exchange = Exchange(Path(sys.argv[1]))
    worker = RunningWorker(exchange)
    worker.say(segment_request(exchange, 1, Path(sys.argv[2]), SLOW))
    worker.wait_for(lambda e: isinstance(e, Progress) and e.stage == "segmenting", 120)
    sys.stdout.write(f"{worker.process.pid} {exchange.path}\n")
    sys.stdout.flush()
    time.sleep(120)


if __name__ == "__main__":
    main()
