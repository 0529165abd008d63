"""The worker's end of the pipes: lines in, lines out, and nothing else on them."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable

from ParetoSegLib.service.lines import LineCutter
from ParetoSegLib.service.protocol import LONGEST_REQUEST, Event
from ParetoSegLib.service.wire import encode

PIECE = 1 << 16


class Channel:
    """Owns the pipes that were stdin and stdout.

    From then on stdin is empty and stdout leads to stderr, for this process, the libraries in it
    (C++ prints too) and its children: none of them can spoil a message or swallow one.
    """

    def __init__(self) -> None:
        self._in, self._out = os.dup(0), os.dup(1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)
        self._writing = threading.Lock()

    def send(self, event: Event) -> None:
        """Write one event, whole, from any thread.

        Raises:
            OSError: nobody reads any more.
        """
        line = encode(event)
        with self._writing:
            while line:
                line = line[os.write(self._out, line) :]

    def listen(self, on_line: Callable[[bytes], None], on_end: Callable[[], None]) -> None:
        """Give every line to ``on_line`` until there will be no more, then call ``on_end``.

        That nobody listens to the answers is an end too.
        """
        lines = LineCutter(LONGEST_REQUEST)
        with contextlib.suppress(OSError):  # a lost reader, or how Windows reports a lost writer
            while piece := os.read(self._in, PIECE):
                for line in lines.cut(piece):
                    on_line(line)
        on_end()
