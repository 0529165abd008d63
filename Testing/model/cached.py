"""Small cached cases with two lesions, painted without a file to read."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ParetoSegLib.model.augmentation import QUANTA
from ParetoSegLib.model.cache import CachedCase, CachedLesion

SHAPE = (40, 36, 44)
LARGE, SMALL = (12, 12, 12), (30, 28, 33)


def make_case(
    folder: Path,
    presence: tuple[bool, ...] = (True,) * 4,
    labelled: tuple[bool, ...] = (True,) * 3,
) -> CachedCase:
    """A case whose first image is its TC membership, so that misalignment shows."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(3)
    membership = np.zeros((3, *SHAPE), np.uint8)
    membership[:, 6:18, 6:18, 6:18] = QUANTA
    membership[:, 29:32, 27:30, 32:35] = 200
    images = rng.normal(5, 1, (4, *SHAPE)).astype(np.float16)
    images[0] = membership[1].astype(np.float16) + 1
    images *= np.array(presence)[:, None, None, None]
    np.save(folder / "images.npy", images)
    np.save(folder / "membership.npy", membership)
    np.save(folder / "regions.npy", (membership > 127).astype(np.uint8))
    np.save(folder / "mask.npy", np.ones(SHAPE, np.uint8))
    lesions = (CachedLesion(LARGE, 1728), CachedLesion(SMALL, 27))
    crop = tuple((0, n) for n in SHAPE)
    return CachedCase(folder.name, folder, presence, labelled, lesions, (1.0, 1.0, 1.0), crop)
