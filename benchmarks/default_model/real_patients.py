"""Look at a model on real patients: agreement with other programs' masks, lesions where none are.

    python benchmarks/default_model/real_patients.py --model MODEL --images DIR --output real.json

DIR holds brats-met-00110, brats-gli-00001 and open-ms. The masks of the first two come from other
programs: what is printed is agreement, never accuracy. Patients of open-ms have no tumour, so
every lesion found there is a false one.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np

from ParetoSegLib.core.images import read_labels
from ParetoSegLib.core.labels import AURORA, BRATS_METS, MODALITIES, LabelScheme
from ParetoSegLib.data.case import CaseFiles
from ParetoSegLib.pipeline import Model, load, segment_files
from ParetoSegLib.review.export import write_result
from ParetoSegLib.review.overview import draw_overview

SETS = ("t1n+t1c+t2w+t2f", "t1c+t2f", "t1c", "t2f")
MASKED: dict[str, tuple[str, LabelScheme]] = {
    "brats-met-00110": ("aurora_t1c_segmentation", AURORA),
    "brats-gli-00001": ("seg-BraTS23_1", BRATS_METS),
}
TUMOUR_FREE = ("patient19",)
"""Of open-ms: kept out of training."""

_OPEN_MS = {"t1n": "T1", "t1c": "T1POST", "t2w": "T2", "t2f": "FLAIR"}


def images_of(folder: Path) -> dict[str, Path]:
    """The four sequences of a patient's folder, by either naming."""
    found: dict[str, Path] = {}
    for modality in MODALITIES:
        for pattern in (f"*{modality}.nii.gz", f"{_OPEN_MS[modality]}.nii.gz"):
            for path in sorted(folder.glob(pattern)):
                found[modality] = path
    return found


def segment(model: Model, folder: Path, name: str, sequences: str, output: Path) -> Any:
    """Segment one patient with one set of sequences; leaves result and picture in ``output``."""
    images = {m: p for m, p in images_of(folder).items() if m in sequences.split("+")}
    result = segment_files(CaseFiles(name, name, images), model)
    place = output / f"{name}-{sequences}"
    write_result(result, place)
    draw_overview(result, place / "overview.png")
    return result


def agreement(result: Any, mask: Path, scheme: LabelScheme) -> dict[str, float]:
    """Dice between the ½-cuts and another program's mask, by region."""
    import SimpleITK as sitk

    labels = sitk.GetArrayFromImage(sitk.DICOMOrient(read_labels(mask), "LPS"))
    references = scheme.region_masks(labels, mask.name)
    found: dict[str, float] = {}
    for region in result.regions:
        if region in references:
            ours = result.membership[region] >= 0.5
            both = np.count_nonzero(ours & references[region])
            sizes = np.count_nonzero(ours) + np.count_nonzero(references[region])
            found[region] = float(2 * both / max(1, int(sizes)))
    return found


def main() -> int:
    """Segment every patient with every set, write and print."""
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    p.add_argument("--model", type=Path, required=True)
    p.add_argument("--images", type=Path, required=True)
    p.add_argument("--output", type=Path, required=True, help="JSON to write; pictures beside it")
    p.add_argument("--sequences", nargs="+", default=list(SETS))
    given = p.parse_args()
    model = load(given.model)
    pictures = given.output.with_suffix("")
    rows: list[dict[str, Any]] = []
    for sequences in given.sequences:
        for name, (mask, scheme) in MASKED.items():
            folder = given.images / name
            if not folder.is_dir():
                continue
            result = segment(model, folder, name, sequences, pictures)
            (path,) = folder.glob(f"*{mask}*.nii.gz")
            rows.append(
                {
                    "patient": name,
                    "sequences": sequences,
                    "agreement": agreement(result, path, scheme),
                    "lesions": sum(le.kind == "lesion" for le in result.lesions.lesions),
                }
            )
            print(rows[-1], flush=True)
        for name in TUMOUR_FREE:
            folder = given.images / "open-ms" / name
            if folder.is_dir():
                result = segment(model, folder, name, sequences, pictures)
                kinds = [lesion.kind for lesion in result.lesions.lesions]
                rows.append(
                    {
                        "patient": name,
                        "sequences": sequences,
                        "false_lesions": kinds.count("lesion"),
                        "candidates": kinds.count("candidate"),
                    }
                )
                print(rows[-1], flush=True)
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
