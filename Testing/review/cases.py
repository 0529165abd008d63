"""Small painted results, as the pipeline would give them, on grids that are not LPS in the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ParetoSegLib.core.geometry import Grid
from ParetoSegLib.core.labels import REGIONS
from ParetoSegLib.data.case import Case, Image, Orientation
from ParetoSegLib.measure.lesions import find_lesions
from ParetoSegLib.review.result import Result
from Testing.measure.memberships import Ball, regions

# Axes of the file: x to the right, y up, z to the front; a flip and a permutation away from LPS.
NATIVE = Grid((34, 22, 30), (1.0, 1.5, 1.2), (40.0, 30.0, -20.0), (-1, 0, 0, 0, 0, -1, 0, 1, 0))

ONE = (Ball((11, 15, 13), 5.0, 0.7),)
THREE = (*ONE, Ball((4, 25, 24), 2.5, 0.5), Ball((17, 6, 5), 2.0, 0.6, peak=0.8))
CANDIDATE = Ball((17, 28, 5), 3.0, 0.5, peak=0.4)

FACTS: Mapping[str, object] = {
    "versions": {"ParetoSegLib": "0.1.0"},
    "model": {"name": "painted", "fingerprint": "f" * 64},
    "seconds": {"segmenting": 1.5},
    "notes": [],
}


def painted(
    balls: Sequence[Ball] = ONE,
    assessable: Sequence[str] = REGIONS,
    modalities: Sequence[str] = ("t1c", "t2f"),
    name: str = "Fall 7 ü",
    native: Grid = NATIVE,
    levels: Mapping[str, tuple[float, float]] | None = None,
) -> Result:
    """A result whose memberships are ``regions(balls)``."""
    grid = Orientation.of(native).turned(native)
    membership = {r: m for r, m in regions(balls, grid).items() if r in assessable}
    anatomy = np.random.default_rng(0).normal(100, 5, grid.shape).astype(np.float32)
    anatomy[:, :2] = 0
    images = {}
    for modality in modalities:
        bright = "wt" if modality == "t2f" else "tc"
        array = anatomy + 80 * membership.get(bright, np.float32(0))
        images[modality] = Image(array.astype(np.float32), grid)
    reference = next(iter(images))
    hashes = {m: m[-1] * 64 for m in images}
    case = Case(name, "Patientin Geheim", images, reference, native, None, hashes)
    levels = levels or dict.fromkeys(REGIONS, (0.9, 0.1))
    found = find_lesions(membership, grid, assessable, levels)
    return Result(case, membership, tuple(assessable), found, levels, "painted", FACTS)
