"""Work on the next item while the present one is in use, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")


def prefetched(
    items: Iterable[Item], make: Callable[[Item], Made]
) -> Iterator[tuple[Item, Callable[[], Made]]]:
    """Make something of each item in a thread, one item ahead of whoever asks.

    Yields:
        Each item, in order, and a function that waits for what was made of it. An error is raised
        there, to whom it concerns; the items after it still come.

    While item k is in use at most item k + 1 has been made or is being made. ``items`` is only
    ever asked from the caller's thread. What a function has given is forgotten by it, so that
    memory is free as soon as its user lets go; it can be called once.
    """
    waiting: list[tuple[Item, Future[Made]]] = []
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="prefetch") as pool:
        try:
            for item in items:
                waiting.append((item, pool.submit(make, item)))
                if len(waiting) > 1:
                    yield _handed_over(waiting)
            if waiting:
                yield _handed_over(waiting)
        finally:
            for _, future in waiting:
                future.cancel()


def _handed_over(waiting: list[tuple[Item, Future[Made]]]) -> tuple[Item, Callable[[], Made]]:
    """The first that waits; nothing here refers to what was made of it any more."""
    item, future = waiting.pop(0)
    return item, _taken_once(future)


def _taken_once(future: Future[Made]) -> Callable[[], Made]:
    kept: list[Future[Made]] = [future]

    def take() -> Made:
        if not kept:
            raise ValueError("what was made of this item has been taken already")
        return kept.pop().result()

    return take
