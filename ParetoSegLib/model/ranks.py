"""The processes of a cohort: started here, by torchrun or by SLURM, told apart by lightning-fabric.

Training needs all of its processes at every step; the cases of a cohort need nobody. So there is
no process group while they work, and Fabric's own launcher, which ends all processes when one
dies, is not used: its environments say who is who.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ParetoSegLib.core.errors import DeviceError, ParetoSegError, UsageError

RUN_VARIABLE = "PARETOSEG_RUN"
"""Tells the processes that this program started itself which run they belong to."""

GRACE_SECONDS = 2.0
"""To end after Ctrl-C."""


@dataclass(frozen=True)
class Ranks:
    """One process among those that share a cohort.

    Args:
        rank: its number over all machines, from 0.
        count: of all processes.
        local_rank: its number on this machine.
        run: a name that all processes of this run share and no other run has.
        started: the processes that this one has started.
    """

    rank: int
    count: int
    local_rank: int
    run: str
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def stop(self) -> None:
        """End the processes started here that do not end by themselves, as Ctrl-C would."""
        for process in self.started:
            try:
                # A terminal has told them as it told this one.
                process.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                if sys.platform == "win32":
                    process.terminate()
                else:
                    process.send_signal(signal.SIGINT)
                process.wait()


def start_ranks(
    module: str,
    arguments: Sequence[str],
    devices: int,
    nodes: int,
    prepare: Callable[[str], object] = lambda run: None,
    quiet: bool = True,
) -> Ranks:
    """Start the processes of a cohort on this machine, or join those that torchrun or SLURM did.

    On several machines without either, the same command is given on each, with ``MASTER_ADDR``,
    ``MASTER_PORT`` and ``NODE_RANK`` set, as for training.

    Args:
        module: of the command, for ``python -m``.
        arguments: of the command; every process gets the same.
        devices: processes on each machine.
        nodes: machines.
        prepare: called by the first process with the run's name before any other goes on.
        quiet: let the processes started here print nothing: the first one owns the screen.

    Raises:
        ParetoSegError: the extra ``train`` is not installed.
        UsageError: torchrun or SLURM started another number of processes.
    """
    environment = _environment()
    try:
        environment.validate_settings(devices, nodes)
    except ValueError as error:
        raise UsageError(
            f"--devices {devices} and --nodes {nodes} are not what the processes were started "
            "with; give torchrun or SLURM the same numbers."
        ) from error
    local_rank = int(environment.local_rank())
    count = devices * nodes
    # torchrun and SLURM know better, and take no advice here.
    environment.set_global_rank(int(environment.node_rank()) * devices + local_rank)
    rank = int(environment.global_rank())
    alone = nodes == 1 and not environment.creates_processes_externally
    run = os.environ.get(RUN_VARIABLE, "")
    if alone:
        run = uuid.uuid4().hex
        prepare(run)
    started = []
    if not environment.creates_processes_externally:
        if nodes > 1:
            os.environ["MASTER_ADDR"] = environment.main_address
            os.environ["MASTER_PORT"] = str(environment.main_port)
        started = [
            _started(module, arguments, environment.node_rank(), number, run, quiet)
            for number in range(1, devices)
        ]
    if not run:
        run = _agreed(environment, rank, count, prepare)
    return Ranks(rank, count, local_rank, run, started)


def device_of(name: str, ranks: Ranks, devices: int) -> str:
    """The device of this process; on a CPU it also takes its share of the cores, no more.

    Raises:
        DeviceError: there are not as many GPUs as processes on this machine.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cpu":
        torch.set_num_threads(max(1, torch.get_num_threads() // devices))
    if name != "cuda":
        return name
    if devices > torch.cuda.device_count():
        raise DeviceError(
            f"There are {torch.cuda.device_count()} CUDA GPUs here, not {devices}; lower "
            "--devices or choose --device cpu."
        )
    return f"cuda:{ranks.local_rank}"


def _environment() -> Any:
    # It tells of every process that joins; the screen belongs to the command.
    for name in ("lightning_fabric", "lightning_utilities"):
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        from lightning_fabric.plugins.environments import (
            LightningEnvironment,
            SLURMEnvironment,
            TorchElasticEnvironment,
        )
    except ImportError as error:
        raise ParetoSegError(
            "Several processes need more packages: install them with pip install "
            '"ParetoSeg[train]".'
        ) from error
    # torchrun comes first, as in Fabric: it can be used inside SLURM.
    for kind in (TorchElasticEnvironment, SLURMEnvironment):
        if kind.detect():
            return kind()
    return LightningEnvironment()


def _started(
    module: str, arguments: Sequence[str], node: int, number: int, run: str, quiet: bool
) -> subprocess.Popen[bytes]:
    # The package may have been found through the present folder or a path set by hand.
    paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {
        "LOCAL_RANK": str(number),
        "NODE_RANK": str(node),
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
    }
    if run:
        environment[RUN_VARIABLE] = run
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL if quiet else None,
    )


def _agreed(environment: Any, rank: int, count: int, prepare: Callable[[str], object]) -> str:
    """A name for the run from process 0; the processes meet this once and part again."""
    os.environ["MASTER_ADDR"] = environment.main_address
    os.environ["MASTER_PORT"] = str(environment.main_port)
    torch.distributed.init_process_group("gloo", rank=rank, world_size=count)
    try:
        names = [uuid.uuid4().hex if rank == 0 else ""]
        if rank == 0:
            prepare(names[0])
        torch.distributed.broadcast_object_list(names, src=0)
        # Process 0 may not leave, and take the meeting place with it, before all have heard.
        torch.distributed.barrier()
    finally:
        torch.distributed.destroy_process_group()
    return names[0]
