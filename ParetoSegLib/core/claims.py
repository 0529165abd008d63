"""Which of several processes does which item: marks in a folder that all of them share.

There is nobody to ask and nobody to wait for. A mark is a file made by exclusive creation, which
one process alone can win; a process that dies leaves its mark, so an item that killed it kills no
second one, and everything it had not begun is there for the others.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ParetoSegLib.core.errors import OutputError
from ParetoSegLib.core.outputs import whole_file

BEAT_SECONDS = 1.0
"""How often a process shows that it lives."""

DEAD_SECONDS = 20.0
"""A process that has not shown it for so long does not live; a busy machine is not that busy."""

STALE_SECONDS = 86400.0
"""Folders of runs that were killed are swept after a day."""

RESERVED, BEGUN, ENDED, ALIVE = ".reserved", ".begun", ".ended.json", ".alive"


class Claims:
    """One process's view of the marks of a run.

    Args:
        folder: of this run and no other, made by ``open_folder``. Where it is gone the run is
            over, and nothing can be claimed.
        rank: of this process, from 0.
        count: of all processes.
    """

    def __init__(self, folder: Path, rank: int, count: int) -> None:
        self.rank, self.count = rank, count
        self._folder = folder
        self._seen: set[str] = set()
        self._beats: dict[int, tuple[str, float]] = {}

    @staticmethod
    def open_folder(output: Path, run: str) -> Path:
        """Make the folder of a run inside ``output``; sweep those of runs that are long dead.

        Raises:
            OutputError: the place cannot be written.
        """
        folder = Claims.place(output, run)
        try:
            folder.mkdir(parents=True)
        except OSError as error:
            raise OutputError(
                f"The output {output.name} cannot be written ({error.strerror}); "
                "choose a folder you may write to."
            ) from error
        for old in output.glob("cohort-*.partial"):
            with contextlib.suppress(OSError):
                if time.time() - old.stat().st_mtime > STALE_SECONDS:
                    shutil.rmtree(old, ignore_errors=True)
        return folder

    @staticmethod
    def place(output: Path, run: str) -> Path:
        """Where the marks of a run lie; ``.partial`` tells everybody that this is no result."""
        return output / f"cohort-{run}.partial"

    def remove(self) -> None:
        """Take all marks away: the run is over."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def reserve(self, item: str) -> bool:
        """Whether this process may prepare the item; another may still begin it first."""
        return self._won(item, RESERVED)

    def begin(self, item: str) -> bool:
        """Whether this process, and no other ever, is to do the item."""
        return self._won(item, BEGUN)

    def end(self, item: str, facts: Mapping[str, Any]) -> None:
        """Tell the others how the item ended."""
        if self._folder.is_dir():
            with whole_file(self._folder / f"{item}{ENDED}") as file:
                file.write_text(json.dumps(facts), encoding="utf-8")

    def news(self) -> Iterator[dict[str, Any]]:
        """The facts of items that have ended, each once, whoever did them."""
        for path in sorted(self._folder.glob(f"*{ENDED}")):
            # Files that are being written begin with ".partial-".
            if path.name not in self._seen and not path.name.startswith(".partial-"):
                self._seen.add(path.name)
                yield json.loads(path.read_text(encoding="utf-8"))

    @contextlib.contextmanager
    def present(self) -> Iterator[None]:
        """Show the others that this process lives, in a thread, and that it has left."""
        mark = self._folder / f"{self.rank}{ALIVE}"
        left = threading.Event()

        def beat() -> None:
            number = 0
            while not left.is_set():
                number += 1
                with contextlib.suppress(OSError):
                    mark.write_text(f"{os.getpid()} {number}", encoding="utf-8")
                left.wait(BEAT_SECONDS)

        thread = threading.Thread(target=beat, name="alive", daemon=True)
        thread.start()
        try:
            yield
        finally:
            left.set()
            thread.join()
            with contextlib.suppress(OSError):
                mark.write_text("left", encoding="utf-8")

    def others_live(self) -> bool:
        """Whether any other process is still there; call it again and again.

        Only this process's own clock is read: those of machines differ. A process that has not
        come yet is given ``DEAD_SECONDS`` from the first call on.
        """
        return any(self._lives(rank) for rank in range(self.count) if rank != self.rank)

    def _lives(self, rank: int) -> bool:
        try:
            beat = (self._folder / f"{rank}{ALIVE}").read_text(encoding="utf-8")
        except OSError:
            beat = ""
        if beat == "left":
            return False
        now = time.monotonic()
        last, since = self._beats.get(rank, (None, now))
        if last != beat:
            since = now
        self._beats[rank] = (beat, since)
        return now - since < DEAD_SECONDS

    def _won(self, item: str, mark: str) -> bool:
        try:
            with (self._folder / f"{item}{mark}").open("x", encoding="utf-8") as file:
                file.write(str(self.rank))
        except (FileExistsError, FileNotFoundError):
            return False
        return True
