"""Working ahead: everything once, in order, one ahead and no more, errors where they belong."""

from __future__ import annotations

import gc
import threading
import time
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ParetoSegLib.core.prefetch import prefetched


class Made:
    """Something that can be watched while it lives."""

    def __init__(self, number: int) -> None:
        self.number = number


@given(st.lists(st.integers(), max_size=8))
def test_all_come_in_order(items: list[int]) -> None:
    found = [(item, take()) for item, take in prefetched(items, lambda item: item + 1)]
    assert found == [(item, item + 1) for item in items]


def test_the_next_is_made_while_one_is_in_use() -> None:
    made = [threading.Event() for _ in range(3)]

    def make(number: int) -> int:
        made[number].set()
        return number

    items = prefetched(range(3), make)
    _, take = next(items)
    assert take() == 0
    assert made[1].wait(5)
    time.sleep(0.02)
    assert not made[2].is_set()
    assert [take() for _, take in items] == [1, 2]


def test_no_more_than_two_are_in_memory() -> None:
    alive: weakref.WeakSet[Made] = weakref.WeakSet()

    def make(number: int) -> Made:
        made = Made(number)
        alive.add(made)
        return made

    most = 0
    for number, take in prefetched(range(6), make):
        made = take()
        assert made.number == number
        time.sleep(0.01)
        gc.collect()
        most = max(most, len(alive))
        del made
    assert most == 2


def test_an_error_belongs_to_its_item() -> None:
    def make(number: int) -> int:
        if number == 1:
            raise OSError("the second is damaged")
        return number

    seen: list[object] = []
    for _, take in prefetched(range(3), make):
        try:
            seen.append(take())
        except OSError as error:
            seen.append(str(error))
    assert seen == [0, "the second is damaged", 2]


def test_what_was_made_is_given_once() -> None:
    ((_, take),) = prefetched([1], str)
    assert take() == "1"
    with pytest.raises(ValueError, match="already"):
        take()


def test_stopping_early_makes_no_more() -> None:
    made = []
    items = prefetched(range(9), made.append)
    next(items)
    items.close()
    assert len(made) <= 2
