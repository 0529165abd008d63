"""How scripts here measure: in turn, after a warm-up, medians and quartiles, into JSON."""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROUNDS, WARM_UP = 7, 2


def arguments(summary: str) -> argparse.ArgumentParser:
    """A parser with the flags that all scripts share."""
    parser = argparse.ArgumentParser(description=summary)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--quick", action="store_true", help="tiny sizes: that it runs, no numbers")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write JSON as well")
    return parser


def in_turn(
    ways: Mapping[str, Callable[[], object]], rounds: int = ROUNDS, warm_up: int = WARM_UP
) -> dict[str, list[float]]:
    """Seconds of each way, the ways taking turns, so that what else a machine does hits all."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(warm_up + rounds):
        for name, way in ways.items():
            gc.collect()
            began = time.perf_counter()
            way()
            if turn >= warm_up:
                seconds[name].append(time.perf_counter() - began)
    return seconds


def spread(values: Sequence[float]) -> dict[str, Any]:
    """The values with their quartiles; the one in the middle is the median."""
    return {
        "values": list(values),
        "quartiles": statistics.quantiles(values, n=4, method="inclusive"),
    }


def shown(row: Mapping[str, Any], digits: int = 3, scale: float = 1.0) -> tuple[str, str]:
    """The median and the quartiles of a ``spread`` as they stand in a table."""
    low, middle, high = (f"{value * scale:.{digits}f}" for value in row["quartiles"])
    return middle, f"{low} to {high}"


def ratio(one: Sequence[float], other: Sequence[float]) -> dict[str, Any]:
    """How many times longer ``one`` took than ``other``, round by round."""
    return spread([a / b for a, b in zip(one, other, strict=True)])


def write(output: Path | None, quick: bool, **facts: Any) -> None:
    """Write the facts and the machine's, whole or not at all."""
    if output is None:
        return
    from machine import machine_facts

    from ParetoSegLib.core.outputs import whole_file

    whole = {"machine": machine_facts(), "quick": quick, **facts}
    with whole_file(output) as file:
        file.write_text(json.dumps(whole, indent=1), encoding="utf-8")
