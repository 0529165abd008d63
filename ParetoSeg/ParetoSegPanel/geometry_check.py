"""Whether the chosen images can belong together, said in one sentence before the button enables.

Different grids are fine: they are aligned and resampled. What cannot work is refused here rather
than after minutes of computing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from slicer.i18n import tr as _

from ParetoSegLib.core.geometry import Grid
from ParetoSegLib.core.labels import MODALITIES, REFERENCE_ORDER
from ParetoSegLib.data.preprocessing import LEAST_COVERAGE, SAME_PLACE_MM
from ParetoSegLib.data.registration import covered_share
from ParetoSegPanel.wording import listed, sequence_name

FEWEST_VOXELS = 4
"""Along any axis; fewer make no volume."""

LARGEST_EXTENT_MM = 1000.0
"""Beyond it a header is wrong: no head scan is a metre long."""


@dataclass(frozen=True)
class GeometryVerdict:
    """Args:
    fits: whether the images can be segmented together.
    sentence: what to tell the user; empty where there is nothing to say.
    """

    fits: bool
    sentence: str


def check_geometry(grids: Mapping[str, Grid]) -> GeometryVerdict:
    """Judge the images' grids.

    Args:
        grids: by modality, in LPS; may be empty.
    """
    for modality in MODALITIES:
        grid = grids.get(modality)
        if grid is not None and (wrong := _wrong_alone(grid)):
            return GeometryVerdict(
                False, _("{name}: {what}").format(name=sequence_name(modality), what=wrong)
            )
    reference = next((m for m in REFERENCE_ORDER if m in grids), None)
    if reference is None:
        return GeometryVerdict(False, "")
    moved = []
    for modality in MODALITIES:
        if modality not in grids or modality == reference:
            continue
        grid = grids[modality]
        if grid.matches(grids[reference], SAME_PLACE_MM):
            continue
        if covered_share(grids[reference], grid) < LEAST_COVERAGE:
            return GeometryVerdict(
                False,
                _(
                    "{other} lies apart from {reference} in space; check that both show the same "
                    "patient and visit."
                ).format(other=sequence_name(modality), reference=sequence_name(reference)),
            )
        moved.append(modality)
    if not moved:
        same = _("All images share one grid.") if len(grids) > 1 else ""
        return GeometryVerdict(True, same)
    return GeometryVerdict(
        True,
        _("{others} will be aligned to the grid of {reference}.").format(
            others=listed(map(sequence_name, moved)), reference=sequence_name(reference)
        ),
    )


def _wrong_alone(grid: Grid) -> str:
    if min(grid.shape) < FEWEST_VOXELS:
        return _("too few slices along one axis ({count}); a whole volume is needed.").format(
            count=min(grid.shape)
        )
    extents = [n * s for n, s in zip(grid.shape, grid.spacing_mm, strict=True)]
    if not all(math.isfinite(e) and 0 < e <= LARGEST_EXTENT_MM for e in extents):
        return _("its voxel size makes no sense ({spacing} mm); correct it in Volumes.").format(
            spacing=" × ".join(f"{s:g}" for s in grid.spacing_mm)
        )
    return ""
