"""A synthetic patient on disk: BraTS-METS names, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ParetoSegLib.core.errors import OutputError
from ParetoSegLib.core.images import write_image
from ParetoSegLib.core.labels import encode_labels
from ParetoSegLib.core.outputs import whole_folder
from ParetoSegLib.data.synthesis.patient import SyntheticPatient

RECORD = "synthesis.json"


def case_name(number: int) -> str:
    """The name of the patient with that number, e.g. ``ParetoSynth-00001-000``."""
    return f"ParetoSynth-{number:05d}-000"


def record_of(patient: SyntheticPatient) -> dict[str, object]:
    """What ``synthesis.json`` holds: seed, settings, background with licence, true lesions."""
    return {
        "name": patient.name,
        **patient.facts,
        "lesions": [asdict(lesion) for lesion in patient.lesions],
    }


def write_patient(patient: SyntheticPatient, folder: Path) -> Path:
    """Write a patient to ``folder/<name>/`` and return that place.

    ``-t1n/-t1c/-t2w/-t2f`` (int16), ``-seg`` (BraTS-METS labels), ``-truth_{et,tc,wt}`` (true
    membership, float32), ``-rater{1…R}`` (labels), and ``synthesis.json``.

    Raises:
        OutputError: the place cannot be written.
    """
    target = folder / patient.name
    with whole_folder(target) as place:

        def put(array: np.ndarray, suffix: str) -> None:
            write_image(patient.grid.image(array), place / f"{patient.name}-{suffix}.nii.gz")

        for modality, image in patient.images.items():
            put(np.clip(np.rint(image), 0, 32767).astype(np.int16), modality)
        put(patient.labels, "seg")
        for region, truth in patient.truth.items():
            put(truth, f"truth_{region}")
        for number, masks in enumerate(patient.raters, start=1):
            put(encode_labels(masks), f"rater{number}")
        text = json.dumps(record_of(patient), indent=2, ensure_ascii=False)
        (place / RECORD).write_text(text + "\n", encoding="utf-8")
    return target


def is_finished(target: Path, wanted: Mapping[str, object]) -> bool:
    """Whether a case is already there, made from the same seed and settings.

    Args:
        target: the case's folder.
        wanted: entries that its ``synthesis.json`` must hold.

    Raises:
        OutputError: something else is there: it is not overwritten.
    """
    if not target.exists():
        return False
    try:
        record = json.loads((target / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        record = {}
    if isinstance(record, dict) and all(record.get(k) == v for k, v in wanted.items()):
        return True
    raise OutputError(
        f"{target.name} is already there and was made with other settings; choose another "
        "--output or delete it."
    )
