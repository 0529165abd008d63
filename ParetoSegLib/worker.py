"""The process behind the panel: `python -X utf8 ParetoSegLib/worker.py --exchange FOLDER`.

It is started by its path and speaks over stdin and stdout; docs/worker.md has the messages.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    # Started by path, Python puts this very folder first, where `data`, `model` or `train` would
    # be found instead of anyone else's.
    sys.path[:] = [p for p in sys.path if Path(p or ".").resolve() != Path(__file__).parent]
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ParetoSegLib.core.command import DONE, FAILED, CommandParser, run
from ParetoSegLib.core.errors import UsageError

IDLE_SECONDS = 600.0
"""Without a request for so long the worker leaves, and with it what it holds on a GPU."""

TASKKILL_SECONDS = 1.5
"""How long Windows may take to find and end a process's children; ending first would lose them."""


def parser() -> CommandParser:
    """The command line of the worker."""
    flags = CommandParser(
        "worker",
        "Segment what the panel of 3D Slicer sends. Started by the panel, not by hand: it speaks\n"
        "JSON lines over stdin and stdout and ends with its stdin.",
    )
    flags.add_argument(
        "--exchange", type=Path, required=True, metavar="FOLDER", help="made by the panel"
    )
    flags.add_argument(
        "--idle-seconds", type=float, default=IDLE_SECONDS, metavar="S", help="leave after so long"
    )
    return flags


def main(arguments: Sequence[str]) -> int:
    """Serve the panel until it closes the pipe or sends nothing for long."""
    given = parser().parse_args(arguments)

    import faulthandler
    import logging
    import threading
    import time

    from ParetoSegLib.service.channel import Channel
    from ParetoSegLib.service.exchange import is_exchange, remove_orphan, sweep
    from ParetoSegLib.service.process_tree import kill_followers, kill_tree
    from ParetoSegLib.service.session import Session

    if not is_exchange(given.exchange):
        raise UsageError(f"{given.exchange.name} is no exchange folder; the panel makes one.")
    exchange = given.exchange.resolve()
    if sys.platform != "win32" and os.getpid() != os.getpgrp():
        os.setsid()  # a group of its own, by which its children are known
    faulthandler.enable()
    logging.getLogger("ParetoSegLib").setLevel(logging.INFO)
    channel = Channel()

    def leave() -> None:
        # From any thread, in the middle of anything; the operating system frees the GPU.
        if sys.platform == "win32":
            kill_tree(os.getpid())
            time.sleep(TASKKILL_SECONDS)
        kill_followers(os.getpid())
        os._exit(DONE)

    def forsaken() -> None:
        os.chdir(exchange.parent)  # Windows removes no folder that somebody works in
        remove_orphan(exchange)
        leave()

    session = Session(exchange, channel.send, leave, given.idle_seconds)
    listener = threading.Thread(target=channel.listen, args=(session.receive, forsaken))
    listener.daemon = True
    listener.start()
    # Aside: what others left behind may be gigabytes.
    threading.Thread(target=sweep, args=(exchange.parent, exchange), daemon=True).start()
    try:
        served = session.run()
    except OSError:  # nobody reads; the end of stdin, which says why, is about to come
        listener.join(timeout=5.0)
        forsaken()
    kill_followers(os.getpid())
    # Not by returning: the listener still waits at the pipe.
    sys.stderr.flush()
    os._exit(DONE if served else FAILED)


if __name__ == "__main__":
    sys.exit(run(main))
