"""Lesions as plain numbers that JSON can hold, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from ParetoSegLib.core.geometry import Box
from ParetoSegLib.data.case import Orientation
from ParetoSegLib.measure.lesions import Lesion


def row_of(lesion: Lesion, box: Box) -> dict[str, Any]:
    """A lesion as JSON would have it.

    Args:
        lesion: what is written.
        box: of its territory, in the arrays that the row will be read beside.
    """
    row = {f.name: getattr(lesion, f.name) for f in fields(Lesion)}
    row["box"] = [[s.start, s.stop] for s in box]
    row["centroid_lps"] = list(lesion.centroid_lps)
    row["volumes_cc"] = dict(lesion.volumes_cc)
    return row


def lesion_of(row: Mapping[str, Any]) -> Lesion:
    """The lesion that ``row_of`` wrote."""
    values = dict(row)
    d, h, w = (slice(start, stop) for start, stop in row["box"])
    x, y, z = row["centroid_lps"]
    values |= {"box": (d, h, w), "centroid_lps": (x, y, z)}
    return Lesion(**values)


def native_box(box: Box, turn: Orientation, shape: tuple[int, ...]) -> Box:
    """A box of LPS arrays as a box of the image's own arrays.

    Args:
        box: in arrays of ``shape``.
        turn: that made the LPS arrays.
        shape: of the LPS arrays.
    """
    ends = [
        slice(n - s.stop, n - s.start) if flipped else s
        for s, n, flipped in zip(box, shape, turn.flips, strict=True)
    ]
    d, h, w = (ends[int(axis)] for axis in np.argsort(turn.order))
    return (d, h, w)
