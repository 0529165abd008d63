"""Making many patients: one after another, or in several processes at once.

A patient depends on its own number and seed alone, so the files are the same however many
processes there are, and what is already there is kept.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ParetoSegLib.core.seeds import derive_seed
from ParetoSegLib.data.synthesis.files import case_name, is_finished, write_patient
from ParetoSegLib.data.synthesis.patient import make_patient
from ParetoSegLib.data.synthesis.recipe import Recipe, head_chooser

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor


@dataclass(frozen=True)
class Order:
    """What is to be made; small enough to be sent to another process.

    Args:
        recipe: of all patients.
        heads: the folder that the recipe's places are looked for in.
        output: where cases go.
        seed: of the whole set.
    """

    recipe: Recipe
    heads: Path
    output: Path
    seed: int


def unfinished(order: Order, cases: int) -> list[int]:
    """Numbers, from the recipe's first, of the patients that are not there yet.

    Raises:
        LayoutError: heads are missing.
        OutputError: a case is there that was made otherwise.
    """
    choose = head_chooser(order.recipe, order.heads)
    settings = order.recipe.settings.record()
    missing = []
    for number in range(order.recipe.first, order.recipe.first + cases):
        seed = derive_seed(order.seed, number)
        wanted = {"seed": seed, "settings": settings, "head": choose(seed).name}
        if not is_finished(order.output / case_name(number), wanted):
            missing.append(number)
    return missing


def make_one(order: Order, number: int) -> int:
    """Make and write one patient; returns how many lesions it has."""
    seed = derive_seed(order.seed, number)
    head = head_chooser(order.recipe, order.heads)(seed).load()
    patient = make_patient(head, seed, order.recipe.settings, case_name(number))
    write_patient(patient, order.output)
    return len(patient.lesions)


def make_all(order: Order, numbers: list[int], jobs: int = 1) -> Iterator[int]:
    """Make patients; yields the lesions of each as it is finished, in any order.

    Args:
        order: what to make.
        numbers: which of them.
        jobs: processes; 1 works in this one.
    """
    if jobs == 1 or len(numbers) < 2:
        for number in numbers:
            yield make_one(order, number)
        return
    from concurrent.futures import as_completed

    with _pool(min(jobs, len(numbers))) as pool:
        for future in as_completed([pool.submit(make_one, order, n) for n in numbers]):
            yield future.result()


@contextmanager
def _pool(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Spawned processes, which every system has; leaving early drops what has not begun."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_begin)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=True, cancel_futures=True)
        raise
    pool.shutdown()


def _begin() -> None:
    """Prepare a process: it finishes its case on Ctrl-C, and leaves the other cores alone."""
    import SimpleITK as sitk

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
