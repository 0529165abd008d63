"""Lesions as files: a numbered label image, a table, and a summary, as the panel shows them now.

No name of the scene is written: names of images and patients stay in Slicer.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
from slicer.i18n import tr as _

from ParetoSegLib.core.errors import OutputError
from ParetoSegLib.core.images import write_image
from ParetoSegLib.core.outputs import whole_folder
from ParetoSegLib.core.project import DISCLAIMER
from ParetoSegLib.review.export import LESION_COLUMNS, lesion_row
from ParetoSegPanel.result_nodes import CaseNodes

FOLDER = "ParetoSeg-lesions"
LABELS, TABLE, SUMMARY = "lesion-labels.nii.gz", "lesions.csv", "lesions.json"
CUT_COLUMNS = ("shown", "cut_at", "volume_at_cut_cc")
"""What the table has beside the columns of ``predict``'s."""

MOST_FOLDERS = 1000


def export_lesions(case: CaseNodes, parent: Path) -> Path:
    """Write the lesions into a new folder.

    Args:
        case: the result; each lesion is cut where it is cut now, hidden ones are left out of the
            image. Changes made by hand in the Segment Editor are not in it.
        parent: folder in which the new one is made.

    Returns:
        The new folder.

    Raises:
        OutputError: the folder cannot be written.
    """
    labels = lesion_labels(case)
    rows = [_row(case, lesion, labels) for lesion in case.lesions]
    target = _free(parent)
    with whole_folder(target) as folder:
        write_image(case.field.grid.image(labels), folder / LABELS)
        with (folder / TABLE).open("w", encoding="utf-8", newline="") as stream:
            table = csv.DictWriter(stream, (*LESION_COLUMNS, *CUT_COLUMNS), lineterminator="\n")
            table.writeheader()
            table.writerows(rows)
        summary = {
            "disclaimer": DISCLAIMER,
            "model": case.model_name,
            "region": case.region,
            "alpha": case.alpha,
            "facts": case.facts,
            "lesions": rows,
        }
        text = json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False)
        (folder / SUMMARY).write_text(text + "\n", encoding="utf-8")
    return target


def lesion_labels(case: CaseNodes) -> np.ndarray:
    """Each lesion's number where it is shown, uint16 on the reference image's own grid."""
    field = case.field
    steps = field.membership[field.region]
    cut = np.zeros(steps.shape, np.uint16)
    for number, level in case.levels.items():
        if number > 0:
            cut[(field.territories == number) & (steps >= level)] = number
    labels = np.zeros(field.grid.shape, np.uint16)
    labels[field.box] = cut
    return labels


def _row(case: CaseNodes, lesion: Any, labels: np.ndarray) -> dict[str, object]:
    voxels = np.count_nonzero(labels == lesion.number)
    return {
        **lesion_row(lesion),
        "shown": "yes" if case.is_shown(lesion.number) else "no",
        "cut_at": round(case.own_alphas.get(lesion.number, case.alpha), 3),
        "volume_at_cut_cc": round(voxels * case.field.grid.voxel_mm3 / 1000.0, 4),
    }


def _free(parent: Path) -> Path:
    """The first folder name that is not taken: nothing is ever overwritten."""
    for number in range(1, MOST_FOLDERS):
        target = parent / (FOLDER if number == 1 else f"{FOLDER}-{number}")
        if not target.exists():
            return target
    raise OutputError(
        _("{folder} holds too many exports already; choose another folder.").format(
            folder=parent.name
        )
    )
