"""The one path from a case to a result, shared by `predict`, the demo and the worker.

case → prepare → network → calibrate → the case's own grid, nested → lesions → ``Result``.
"""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch

import ParetoSegLib
from ParetoSegLib.core.errors import ModelFolderError
from ParetoSegLib.core.images import file_hash
from ParetoSegLib.core.labels import MODALITIES, REGIONS, presence_key
from ParetoSegLib.data.case import Case, CaseFiles, read_case
from ParetoSegLib.data.normalisation import NORMALISATION
from ParetoSegLib.data.preprocessing import PreprocessingSettings, prepare
from ParetoSegLib.measure.lesions import find_lesions
from ParetoSegLib.model.folder import ModelDescription, load_model
from ParetoSegLib.model.inference import choose_device, predict_logits
from ParetoSegLib.review.result import Result

Progress = Callable[[str, float], None]
"""Called with the stage's name and the fraction of the case that is done, in [0, 1]."""

STAGES: Mapping[str, tuple[float, float]] = {
    "reading": (0.0, 0.05),
    "preparing": (0.05, 0.2),
    "segmenting": (0.2, 0.85),
    "restoring": (0.85, 0.92),
    "measuring": (0.92, 1.0),
}
"""The part of a case's work that each stage is given on a progress bar."""

CERTAINLY_OUTSIDE = -1e4
"""Logit of a region that cannot be assessed, so that nesting lets it add nothing to the others."""


@dataclass(frozen=True)
class Model:
    """A model folder in memory, ready for any number of cases.

    Args:
        description: what ``model.json`` says.
        network: in evaluation mode, on the CPU until a case moves it.
        fingerprint: SHA-256 of ``model.json``, which holds the SHA-256 of the weights.
    """

    description: ModelDescription
    network: torch.nn.Module
    fingerprint: str


@dataclass(frozen=True)
class SegmentOptions:
    """How a case is segmented.

    Args:
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        overlap: of neighbouring windows, as a fraction of the patch.
        tta: average over mirrored copies: eight times the work.
    """

    device: str = "auto"
    overlap: float = 0.25
    tta: bool = False


def load(folder: Path) -> Model:
    """Read and check a model folder.

    Raises:
        ModelFolderError: the folder is incomplete, altered, or of an unknown version.
    """
    description, network = load_model(folder)
    if description.normalisation != NORMALISATION:
        raise ModelFolderError(
            f"The model {description.name} wants images normalised by "
            f"{description.normalisation!r}, which this program does not do; update it."
        )
    return Model(description, network, file_hash(folder / "model.json"))


def segment_files(
    files: CaseFiles,
    model: Model,
    options: SegmentOptions = SegmentOptions(),
    progress: Progress | None = None,
) -> Result:
    """Read a case and segment it; as ``segment``, with the seconds of reading in the facts.

    Raises:
        ImageReadError: a file is missing or is not a usable image.
        GeometryError: the images' grids cannot be matched.
    """
    clock = _Clock(progress)
    with clock.stage("reading"):
        case = read_case(files, with_labels=False)
    return _segment(case, model, options, clock)


def segment(
    case: Case,
    model: Model,
    options: SegmentOptions = SegmentOptions(),
    progress: Progress | None = None,
) -> Result:
    """Segment one case.

    Args:
        case: any non-empty subset of the four sequences.
        model: from ``load``.
        options: device, overlap, mirroring.
        progress: called as the work goes on.

    Returns:
        Calibrated, nested membership on the case's own grid, its lesions, and the facts of the
        run: versions, device, backend, seconds per stage, peak memory, notes.

    Raises:
        ModelFolderError: the model can assess no region from these sequences.
        DeviceError: the device is not there.
    """
    return _segment(case, model, options, _Clock(progress))


def assessable_regions(
    description: ModelDescription, modalities: tuple[str, ...]
) -> tuple[str, ...]:
    """The regions that a model can assess from these sequences, in the order of ``REGIONS``.

    Enhancement cannot be seen without a contrast-enhanced image, whatever a model claims.

    Raises:
        ModelFolderError: none is left.
    """
    key = presence_key(modalities)
    claimed = description.assessable.get(key, ())
    regions = tuple(r for r in REGIONS if r in claimed and (r != "et" or "t1c" in modalities))
    if not regions:
        raise ModelFolderError(
            f"The model {description.name} can assess no region from {key} alone; "
            "add another sequence or choose another model."
        )
    return regions


def _segment(case: Case, model: Model, options: SegmentOptions, clock: _Clock) -> Result:
    description = model.description
    case, unknown = _known_to(description, case)
    modalities = tuple(m for m in MODALITIES if m in case.images)
    assessable = assessable_regions(description, modalities)
    device = choose_device(options.device)
    on_gpu = device.type == "cuda"
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(device)

    with clock.stage("preparing"):
        settings = PreprocessingSettings(spacing_mm=description.spacing_mm)
        prepared = prepare(case, settings)
    with clock.stage("segmenting") as within:
        logits = predict_logits(
            model.network,
            prepared.images,
            prepared.presence,
            prepared.mask,
            description.patch,
            overlap=options.overlap,
            device=device,
            tta=options.tta,
            progress=within,
        )
    with clock.stage("restoring"):
        values = np.array(logits.values, np.float32)
        for channel, region in enumerate(REGIONS):
            if region not in assessable:
                values[channel] = CERTAINLY_OUTSIDE
        calibrated = description.calibration.apply(values, presence_key(modalities))
        restored = prepared.way_back.restore(np.asarray(calibrated, np.float32))
        # Resampling rounds each region by itself; ET ⊆ TC ⊆ WT must hold exactly.
        nested = np.maximum.accumulate(restored, axis=0)
        membership = {r: nested[i] for i, r in enumerate(REGIONS) if r in assessable}
    with clock.stage("measuring"):
        lesions = find_lesions(membership, case.grid, assessable, description.levels)

    facts = {
        "versions": versions(),
        "model": {"name": description.name, "fingerprint": model.fingerprint},
        "options": {"overlap": options.overlap, "tta": options.tta},
        "device": str(logits.device),
        "backend": logits.backend,
        "seconds": clock.seconds,
        "peak_memory_mb": peak_memory_mb(),
        "peak_device_memory_mb": _peak_device_memory_mb(device) if on_gpu else None,
        "presence": {m: m in modalities for m in MODALITIES},
        "mask_source": prepared.mask_source,
        "transforms": {m: [float(v) for v in t] for m, t in prepared.transforms.items()},
        "notes": [*unknown, *prepared.notes, *logits.notes],
    }
    return Result(
        case=case,
        membership=membership,
        assessable=assessable,
        lesions=lesions,
        levels=description.levels,
        model_name=description.name,
        facts=facts,
    )


def _known_to(description: ModelDescription, case: Case) -> tuple[Case, tuple[str, ...]]:
    """The case without sequences that the model has never seen, and a sentence that says so."""
    unknown = [m for m in case.images if m not in description.modalities]
    if not unknown:
        return case, ()
    if case.reference in unknown:
        raise ModelFolderError(
            f"The model {description.name} was not trained on {case.reference}, which results "
            "would be aligned to; leave that image out or choose another model."
        )
    known = {m: image for m, image in case.images.items() if m not in unknown}
    note = f"The model was not trained on {', '.join(unknown)}; it was left out."
    return replace(case, images=known), (note,)


def versions() -> dict[str, str]:
    """The versions that a result depends on."""
    found = {"ParetoSegLib": ParetoSegLib.__version__, "python": platform.python_version()}
    for package in ("torch", "monai", "numpy", "SimpleITK"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # bundled without metadata, as in some Slicer builds
            found[package] = "unknown"
    return found


def peak_memory_mb() -> float | str:
    """The largest resident memory of this process so far; "not measured" on Windows."""
    if sys.platform == "win32":
        return "not measured"
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # macOS counts bytes, Linux kilobytes.
    return round(peak / 2**20 if sys.platform == "darwin" else peak / 2**10, 1)


def _peak_device_memory_mb(device: torch.device) -> float:
    return round(torch.cuda.max_memory_allocated(device) / 2**20, 1)


class _Clock:
    """Seconds per stage, and the caller told where the work is."""

    def __init__(self, progress: Progress | None) -> None:
        self.seconds: dict[str, float] = {}
        self._progress = progress or (lambda stage, fraction: None)

    @contextmanager
    def stage(self, name: str) -> Iterator[Callable[[float], None]]:
        """Time a stage; gives the function that takes the stage's own fraction in [0, 1]."""
        first, last = STAGES[name]
        began = time.perf_counter()
        self._progress(name, first)
        yield lambda fraction: self._progress(name, first + (last - first) * fraction)
        self.seconds[name] = round(time.perf_counter() - began, 3)
        self._progress(name, last)
