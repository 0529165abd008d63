"""A patient in thick slices: what a clinical scan of 1 × 1 × 5 mm would have of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ParetoSegLib.core.geometry import Grid
from ParetoSegLib.core.labels import REGIONS, encode_labels
from ParetoSegLib.data.synthesis.records import SyntheticPatient


def in_slabs(patient: SyntheticPatient, slice_mm: float) -> SyntheticPatient:
    """The patient on a grid of thicker axial slices, each the mean of those it is made of.

    The mean of a true membership is the true membership of the thick voxel; labels and raters are
    where at least half of one is. Slices at the top that fill no slab are left out.
    """
    grid = patient.grid
    thick = max(1, round(slice_mm / grid.spacing_mm[0]))
    count = grid.shape[0] // thick
    if thick == 1 or count == 0:
        return patient
    half = grid.positions(np.array([[(thick - 1) / 2, 0.0, 0.0]]))[0]
    spacing = (grid.spacing_mm[0] * thick, *grid.spacing_mm[1:])
    origin = (float(half[0]), float(half[1]), float(half[2]))
    wide = Grid((count, *grid.shape[1:]), spacing, origin, grid.direction)

    def mean(array: np.ndarray) -> np.ndarray:
        whole = array[: count * thick].reshape(count, thick, *array.shape[1:])
        return np.asarray(whole.mean(axis=1, dtype=np.float32))

    truth = {region: mean(patient.truth[region]) for region in REGIONS}
    raters = [{r: mean(masks[r]) >= 0.5 for r in REGIONS} for masks in patient.raters]
    return replace(
        patient,
        images={m: mean(image) for m, image in patient.images.items()},
        grid=wide,
        truth=truth,
        labels=encode_labels({region: truth[region] >= 0.5 for region in REGIONS}),
        raters=raters,
        facts={**patient.facts, "slice_mm": spacing[0]},
    )
