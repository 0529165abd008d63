"""A result as files: label image, memberships, confidences, a row a lesion, and a summary.

Nothing written here holds a folder, a date, or a name other than the case's.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from ParetoSegLib.core.geometry import Box, bounding_box
from ParetoSegLib.core.images import packs_fast, write_array
from ParetoSegLib.core.labels import MODALITIES, REGIONS
from ParetoSegLib.core.outputs import whole_folder
from ParetoSegLib.core.project import DISCLAIMER
from ParetoSegLib.measure.confidence import HALF, boundary_confidence
from ParetoSegLib.measure.lesions import Lesion
from ParetoSegLib.review.result import Result

SEGMENTATION = "segmentation.nii.gz"
LESIONS = "lesions.csv"
SUMMARY = "summary.json"

STEPS = 1024
"""Written memberships are whole multiples of 1/1024: exact in float32, and small once packed."""

WRITERS = 2
"""Files that are packed at once where packing is most of the writing; each holds a copy."""

NOT_ASSESSABLE = "not assessable"

MISSING = "n/a"
"""In the table, where a lesion has no such number."""


def write_result(result: Result, folder: Path) -> None:
    """Write a result into ``folder``, whole or not at all; an earlier result there is replaced.

    ``segmentation.nii.gz`` (BraTS-METS labels), ``membership_<region>.nii.gz`` and
    ``boundary_confidence_<region>.nii.gz`` of the assessable regions, on the reference file's own
    grid and axes; ``lesions.csv``; ``summary.json``.

    Raises:
        OutputError: the folder cannot be written.
    """
    images = _images(result)
    files = [*images, LESIONS, SUMMARY]
    with whole_folder(folder) as place:

        def write(name: str) -> None:
            turned = result.case.orientation.undo(images[name]())
            write_array(turned, result.case.native_grid, place / name)

        with ThreadPoolExecutor(1 if packs_fast() else WRITERS) as pool:
            written = [pool.submit(write, name) for name in images]
            try:
                for future in written:
                    future.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        _write_lesions(result, place / LESIONS)
        text = json.dumps(summary(result, files), indent=2, ensure_ascii=False, allow_nan=False)
        (place / SUMMARY).write_text(text + "\n", encoding="utf-8")


def _images(result: Result) -> dict[str, Callable[[], np.ndarray]]:
    """What makes each image, by file name: only those being written need be in memory."""
    images: dict[str, Callable[[], np.ndarray]] = {SEGMENTATION: lambda: result.segmentation}
    # Most of a field of view is air, where every membership is 0.
    inside = bounding_box(np.logical_or.reduce([result.membership[r] > 0 for r in result.regions]))
    for region in result.regions:
        membership = result.membership[region]
        images[f"membership_{region}.nii.gz"] = partial(_inside, membership, inside, quantised, 0.0)
        images[f"boundary_confidence_{region}.nii.gz"] = partial(
            _inside, membership, inside, _written_confidence, 1.0
        )
    return images


def _inside(
    membership: np.ndarray,
    box: Box | None,
    function: Callable[[np.ndarray], np.ndarray],
    elsewhere: float,
) -> np.ndarray:
    """A function of the membership, worked out where it is not 0."""
    values = np.full(membership.shape, elsewhere, np.float32)
    if box is not None:
        values[box] = function(membership[box])
    return values


def _written_confidence(membership: np.ndarray) -> np.ndarray:
    return quantised(boundary_confidence(membership))


def quantised(values: np.ndarray) -> np.ndarray:
    """Round values in [0, 1] to the nearest 1/1024, float32, without ever crossing ½.

    So the segmentation is exactly {membership ≥ ½} of the written memberships too, they stay
    nested, and they are off by at most 1/2048 (just below ½ by at most 1/1024).
    """
    values = np.asarray(values, np.float32)
    steps = np.rint(values * np.float32(STEPS))
    steps[(steps == STEPS // 2) & (values < np.float32(HALF))] -= 1
    np.clip(steps, 0, STEPS, out=steps)
    steps /= np.float32(STEPS)
    return steps


def summary(result: Result, files: list[str]) -> dict[str, object]:
    """What ``summary.json`` holds: the facts of the run, and the case's regions and counts."""
    present = {m: m in result.case.images for m in MODALITIES}
    left_out = {r: _reason(r, present) for r in REGIONS if r not in result.regions}
    return {
        "disclaimer": DISCLAIMER,
        "case": result.case.name,
        "model": {"name": result.model_name},
        **result.facts,
        "inputs": dict(result.case.hashes),
        "reference": result.case.reference,
        "presence": present,
        NOT_ASSESSABLE.replace(" ", "_"): left_out,
        "regions": {r: _region(result, r) for r in REGIONS},
        "lesions": {
            "region": result.lesions.region,
            "lesions": len(result.lesions.found),
            "candidates": len(result.lesions.candidates),
        },
        "labels": {"1": "TC outside ET", "2": "WT outside TC", "3": "ET"},
        "files": files,
    }


def _region(result: Result, region: str) -> object:
    if region not in result.regions:
        return NOT_ASSESSABLE
    certain, possible = result.levels_of(region)
    return {
        "volume_cc": round(result.volume_cc(region, HALF), 4),
        "volume_interval_cc": [round(result.volume_cc(region, a), 4) for a in (certain, possible)],
        "certain_level": float(certain),
        "possible_level": float(possible),
    }


def _reason(region: str, present: Mapping[str, bool]) -> str:
    if region == "et" and not present["t1c"]:
        return "enhancement cannot be seen without t1c"
    return "the model does not assess it from these sequences"


def _write_lesions(result: Result, path: Path) -> None:
    rows = [lesion_row(lesion) for lesion in result.lesions.lesions]
    with path.open("w", encoding="utf-8", newline="") as stream:
        table = csv.DictWriter(stream, LESION_COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


LESION_COLUMNS = (
    "number",
    "kind",
    "region",
    "centroid_x_lps_mm",
    "centroid_y_lps_mm",
    "centroid_z_lps_mm",
    *(f"{region}_volume_cc" for region in REGIONS),
    "volume_low_cc",
    "volume_high_cc",
    "longest_axial_diameter_mm",
    "perpendicular_axial_diameter_mm",
    "rano_bm_measurable",
    "boundary_confidence",
    "margin_mm",
    "certain_core",
    "one_sided_margin_mm",
    "peak_membership",
)
"""The header of ``lesions.csv``; the interval is that of the volume of ``region``."""


def lesion_row(lesion: Lesion) -> dict[str, object]:
    """One row of ``lesions.csv``: rounded numbers, yes or no, ``n/a`` or ``not assessable``."""
    x, y, z = lesion.centroid_lps
    row: dict[str, object] = {
        "number": lesion.number,
        "kind": lesion.kind,
        "region": lesion.region,
        "centroid_x_lps_mm": round(x, 2),
        "centroid_y_lps_mm": round(y, 2),
        "centroid_z_lps_mm": round(z, 2),
        "volume_low_cc": round(lesion.volume_low_cc, 4),
        "volume_high_cc": round(lesion.volume_high_cc, 4),
        "longest_axial_diameter_mm": round(lesion.longest_diameter_mm, 2),
        "perpendicular_axial_diameter_mm": round(lesion.perpendicular_diameter_mm, 2),
        "rano_bm_measurable": "yes" if lesion.measurable else "no",
        "boundary_confidence": round(lesion.confidence, 3),
        "margin_mm": _number(lesion.margin_mm, 2, MISSING),
        "certain_core": "yes" if lesion.certain_core else "no",
        "one_sided_margin_mm": _number(lesion.one_sided_margin_mm, 2, MISSING),
        "peak_membership": round(lesion.peak, 3),
    }
    for region in REGIONS:
        row[f"{region}_volume_cc"] = _number(lesion.volumes_cc[region], 4, NOT_ASSESSABLE)
    return row


def _number(value: float | None, digits: int, otherwise: str) -> object:
    return otherwise if value is None else round(value, digits)
