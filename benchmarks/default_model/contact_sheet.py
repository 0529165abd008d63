"""A contact sheet of synthetic patients: 24 slices, through lesions and without, as one PNG.

    python benchmarks/default_model/contact_sheet.py --output sheet.png [--heads SOURCE …]

A source is what ``find_heads`` takes: label maps, patients' folders, ``mni``. The captions name
head, sequence and what is to be seen; core and whole tumour are outlined with --outlines.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import matplotlib as mpl
import numpy as np
from rich.console import Console

from ParetoSegLib.core.labels import MODALITIES
from ParetoSegLib.core.outputs import whole_file
from ParetoSegLib.core.seeds import derive_seed
from ParetoSegLib.data.synthesis.head_files import find_heads, shipped_heads
from ParetoSegLib.data.synthesis.patient import SyntheticPatient, make_patient
from ParetoSegLib.data.synthesis.settings import SynthesisSettings

COLUMNS = 6
PATCH_VOXELS = 96**3


def chosen_slice(patient: SyntheticPatient, rng: np.random.Generator, lesion: bool) -> int:
    """An axial slice through one of the larger lesions, or through brain without any."""
    tumour = patient.truth["wt"].sum(axis=(1, 2))
    if lesion and patient.lesions:
        leading = [found for found in patient.lesions[:3] if found.radius_mm > 2] or [
            patient.lesions[0]
        ]
        centre = leading[int(rng.integers(len(leading)))].centre_lps
        place = np.linalg.solve(patient.grid.affine, np.array([*centre, 1.0]))
        return int(np.clip(np.rint(place[0]), 0, patient.grid.shape[0] - 1))
    depth = patient.grid.shape[0]
    free = [z for z in range(int(0.25 * depth), int(0.8 * depth)) if tumour[z] == 0]
    return int(rng.choice(free)) if free else int(np.argmin(tumour))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--heads", nargs="+", metavar="SOURCE")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--panels", type=int, default=24, help="how many patients (default 24)")
    parser.add_argument("--outlines", action="store_true", help="outline core and whole tumour")
    options = parser.parse_args()
    mpl.use("Agg")
    from matplotlib import pyplot

    files = find_heads(*options.heads) if options.heads else [*shipped_heads(), *find_heads("mni")]
    settings = SynthesisSettings(lesions=(0, 12))
    loaded: dict[str, object] = {}
    seconds, voxels = 0.0, 0
    rows = -(-options.panels // COLUMNS)
    figure, axes = pyplot.subplots(rows, COLUMNS, figsize=(2.0 * COLUMNS, 2.45 * rows))
    for number, axis in enumerate(axes.ravel()):
        axis.axis("off")
        if number >= options.panels:
            continue
        file = files[number % len(files)]
        if file.name not in loaded:
            loaded[file.name] = file.load()
        seed = derive_seed(options.seed, "contact sheet", number)
        began = time.process_time()
        patient = make_patient(loaded[file.name], seed, settings)  # type: ignore[arg-type]
        seconds += time.process_time() - began
        voxels += int(np.prod(patient.grid.shape))
        modality = MODALITIES[number % len(MODALITIES)]
        with_lesion = number % 3 != 2
        z = chosen_slice(patient, np.random.default_rng(seed), with_lesion)
        image = patient.images[modality]
        top = float(np.percentile(image[image > 0.02 * image.max()], 99.5))
        axis.imshow(image[z], cmap="gray", vmin=0, vmax=top)
        if options.outlines:
            for region, colour in (("wt", "tab:cyan"), ("tc", "tab:red")):
                if patient.truth[region][z].max() >= 0.5:
                    axis.contour(patient.truth[region][z], [0.5], colors=colour, linewidths=0.5)
        what = "tumour" if patient.truth["wt"][z].max() >= 0.5 else "none"
        axis.set_title(f"{file.name} {modality} {what}", color="w", fontsize=6, pad=2)
    figure.subplots_adjust(0.002, 0.002, 0.998, 0.978, 0.01, 0.06)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(options.output) as partial:
        figure.savefig(partial, dpi=110, facecolor="k", format="png")
    Console().print(
        f"{options.panels} patients, {seconds / options.panels:.2f} s of one core each, "
        f"{seconds / voxels * PATCH_VOXELS:.3f} s for every 96³ voxels."
    )


if __name__ == "__main__":
    main()
