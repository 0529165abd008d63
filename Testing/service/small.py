"""A model that is read in no time, a head to segment with it, and a real worker process."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from described import described
from phantom import CENTRE, RADIUS, SHAPE, distance_from

import ParetoSegLib
from ParetoSegLib.core.geometry import Grid
from ParetoSegLib.core.labels import MODALITIES, REGIONS, presence_key
from ParetoSegLib.model.folder import save_model
from ParetoSegLib.model.networks import build_network, tiny_arguments
from ParetoSegLib.service.exchange import WORKING, Exchange, finish, write_volume
from ParetoSegLib.service.protocol import Event, Options, Request, Segment
from ParetoSegLib.service.wire import decode_event, encode

WORKER = Path(ParetoSegLib.__file__).parent / "worker.py"

SLOW = Options("cpu", overlap=0.9)
"""Takes minutes for the phantom: time enough to do something in the middle."""

# Axes of the array: right to left reversed and turned, so that a mix-up would show.
GRID = Grid(SHAPE, (1.0, 1.0, 1.0), (-20.0, 11.0, 5.0), (-1, 0, 0, 0, 1, 0, 0, 0, 1))


def small_model(folder: Path, name: str = "small", seed: int = 0) -> Path:
    """Write a model folder with an untrained network."""
    arguments = tiny_arguments("UNet")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_network("UNet", arguments)
    assessable = {presence_key([m]): REGIONS for m in MODALITIES}
    assessable |= {"t1c+t2f": REGIONS, presence_key(MODALITIES): REGIONS}
    description = described(arguments, name=name, assessable=assessable)
    save_model(folder, description, network.state_dict(), "A small model.")
    return folder


def head(seed: int = 7) -> np.ndarray:
    """A head of 100 ± 8 with one bright lesion, float32, as ``phantom`` paints it."""
    array = np.random.default_rng(seed).normal(100, 8, SHAPE)
    array[distance_from(CENTRE) <= RADIUS] = 320
    array[distance_from(tuple(n / 2 for n in SHAPE)) > 17] = 0
    return array.astype(np.float32)


def segment_request(
    exchange: Exchange, number: int, model: Path, options: Options = Options("cpu")
) -> Segment:
    """Put a head into the exchange folder and ask for its lesions."""
    folder = exchange.make_folder(f"request-{number}")
    finish(write_volume(folder / "t1c.npy", head()))
    return Segment(number, folder.name, "case", str(model), {"t1c": GRID}, options)


class RunningWorker:
    """A worker as the panel starts it, with what it said so far in ``events``."""

    def __init__(self, exchange: Exchange, idle_s: float = 60.0) -> None:
        self.events: list[Event] = []
        self.log: list[str] = []
        flags = ["--exchange", str(exchange.path), "--idle-seconds", str(idle_s)]
        self.process = subprocess.Popen(
            [sys.executable, "-X", "utf8", str(WORKER), *flags],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=exchange.path / WORKING,
        )
        self._threads = [
            threading.Thread(target=target, daemon=True) for target in (self._hear, self._keep_log)
        ]
        for thread in self._threads:
            thread.start()

    def _hear(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.events.append(decode_event(line.rstrip()))

    def _keep_log(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log.append(line.decode())

    def say(self, request: Request) -> None:
        """Send a request."""
        self.say_raw(encode(request))

    def say_raw(self, line: bytes) -> None:
        """Send bytes."""
        assert self.process.stdin is not None
        self.process.stdin.write(line)
        self.process.stdin.flush()

    def wait_for(self, wanted: Callable[[Event], bool], seconds: float = 60.0) -> Event:
        """The first event that is wanted."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = next((e for e in list(self.events) if wanted(e)), None)
            if found is not None:
                return found
            time.sleep(0.01)
        raise AssertionError(f"no such event in {self.events[-5:]}; the log: {self.log[-20:]}")

    def end(self, seconds: float = 20.0) -> int:
        """Close the pipe; the exit code."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        code = self.process.wait(seconds)
        for thread in self._threads:
            thread.join(5)
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.process.stdout.close()
        self.process.stderr.close()
        return code
