"""Make the shipped heads and the sample patient from SynthSeg's label maps.

    python Resources/Heads/make.py --maps DIR [--only heads|sample]

``DIR`` holds ``training_seg_01.nii.gz`` … of https://github.com/BBillot/SynthSeg
(``data/training_label_maps``, Apache-2.0).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import SimpleITK as sitk

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from ParetoSegLib.core.outputs import whole_file, whole_folder  # noqa: E402
from ParetoSegLib.data.synthesis.files import record_of  # noqa: E402
from ParetoSegLib.data.synthesis.head_files import read_label_map  # noqa: E402
from ParetoSegLib.data.synthesis.heads import Head  # noqa: E402
from ParetoSegLib.data.synthesis.patient import SynthesisSettings, make_patient  # noqa: E402
from ParetoSegLib.data.synthesis.tissues import Tissue, without_layers  # noqa: E402

_THIN = {Tissue.CHOROID: 1.6, Tissue.VEIN: 1.5, Tissue.ARTERY: 1.6, Tissue.BONE: 1.1}

SHIPPED = (2, 8, 11, 17)
"""Which maps ship; the others stay unseen by whoever trains on the shipped ones."""

SAMPLE_NAME, SAMPLE_MAP, SAMPLE_SEED = "ParetoSynth-00000-000", 9, 6
SAMPLE_SETTINGS = SynthesisSettings(
    lesions=(6, 8),
    radius_mm=(2.0, 16.0),
    weak_share=0.2,
    stripped_share=1.0,
    noise=(0.006, 0.009),
)


def smoothed(tissues: np.ndarray) -> np.ndarray:
    """Give every voxel the commonest tissue around it, weighted by a narrow Gaussian.

    Jagged borders take most of a compressed map's bytes and show in no painted image. Thin
    structures get more votes, so that they do not vanish.
    """
    from scipy import ndimage

    best = np.full(tissues.shape, -1.0, np.float32)
    winner = tissues.copy()
    for tissue in np.unique(tissues):
        width = 0.8 if tissue <= Tissue.ARTERY else 1.2
        votes = ndimage.gaussian_filter((tissues == tissue).astype(np.float32), width, truncate=3)
        votes *= _THIN.get(Tissue(tissue), 1.0)
        better = votes > best
        best[better] = votes[better]
        winner[better] = tissue
    return winner


def write_head(head: Head, path: Path) -> None:
    """Write a reduced label map as small as it gets."""
    tissues = smoothed(without_layers(head.tissues))
    with whole_file(path) as partial:
        sitk.WriteImage(head.grid.image(tissues), str(partial), True, 9)


def make_sample(head: Head, folder: Path) -> None:
    """Write the sample patient: skull-stripped, four sequences and labels, few brightness levels.

    Noise is what does not compress, so brightness is rounded to about 56 levels.
    """
    patient = make_patient(head, SAMPLE_SEED, SAMPLE_SETTINGS, SAMPLE_NAME)
    images = {}
    for modality, image in patient.images.items():
        step = float(np.percentile(image[image > 0], 99)) / 56
        images[modality] = np.clip(np.rint(image / step), 0, 255)
    with whole_folder(folder / SAMPLE_NAME) as place:
        arrays = {m: image.astype(np.uint8) for m, image in images.items()}
        for suffix, array in {**arrays, "seg": patient.labels}.items():
            file = place / f"{SAMPLE_NAME}-{suffix}.nii.gz"
            sitk.WriteImage(patient.grid.image(array), str(file), True, 9)
        text = json.dumps(record_of(patient), indent=2, ensure_ascii=False)
        (place / "synthesis.json").write_text(text + "\n", encoding="utf-8")


def main() -> None:
    """Parse and make what was asked for."""
    options = argparse.ArgumentParser(description="Make the heads and the sample.")
    options.add_argument("--maps", type=Path, required=True, metavar="DIR")
    options.add_argument("--only", choices=("heads", "sample"))
    chosen = options.parse_args()
    if chosen.only != "sample":
        for number in SHIPPED:
            head = read_label_map(chosen.maps / f"training_seg_{number:02d}.nii.gz")
            write_head(head, HERE / f"synthseg-{number:02d}.nii.gz")

    if chosen.only != "heads":
        head = read_label_map(chosen.maps / f"training_seg_{SAMPLE_MAP:02d}.nii.gz")
        make_sample(head, HERE.parent / "Sample")


if __name__ == "__main__":
    main()
