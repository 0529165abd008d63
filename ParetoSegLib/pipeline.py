"""The one path from a case to a result, shared by `predict`, the demo and the worker.

case → prepare → network → calibrate → the case's own grid, nested → lesions → ``Result``.

The first two steps need no network: ``make_ready`` does them, in a thread if one likes, while
``segment_ready`` does the others for the case before (``core/prefetch.py``).
"""

from __future__ import annotations

import math
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch

import ParetoSegLib
from ParetoSegLib.core.errors import ModelFolderError
from ParetoSegLib.core.free_memory import give_back_memory
from ParetoSegLib.core.images import file_hash
from ParetoSegLib.core.labels import MODALITIES, REGIONS, presence_key
from ParetoSegLib.data.case import Case, CaseFiles, read_case
from ParetoSegLib.data.head_start import Begun, HeadStart
from ParetoSegLib.data.normalisation import NORMALISATION
from ParetoSegLib.data.preprocessing import Prepared, PreprocessingSettings, prepare
from ParetoSegLib.measure.lesions import find_lesions
from ParetoSegLib.model.backends.conversion_cache import is_stored
from ParetoSegLib.model.deferred import DeferredNetwork, deferred_model
from ParetoSegLib.model.description import ModelDescription
from ParetoSegLib.model.inference import choose_device, predict_logits
from ParetoSegLib.model.networks import window_step
from ParetoSegLib.model.outlining import look_within
from ParetoSegLib.model.way_back import restore
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

SLAB = 16
"""Slices that are calibrated at once: as fast as all of them, in a tenth of the memory."""

CERTAINLY_OUTSIDE = -1e4
"""Logit of a region that cannot be assessed, so that nesting lets it add nothing to the others."""


@dataclass(frozen=True)
class Model:
    """A model folder in memory, ready for any number of cases.

    Args:
        description: what ``model.json`` says.
        network: in evaluation mode, on the CPU until a case moves it; or one that is built when
            its layers are needed.
        fingerprint: SHA-256 of ``model.json``, which holds the SHA-256 of the weights.
    """

    description: ModelDescription
    network: torch.nn.Module | DeferredNetwork
    fingerprint: str


@dataclass(frozen=True)
class SegmentOptions:
    """How a case is segmented.

    Args:
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        overlap: of neighbouring windows, as a fraction of each, where there are several.
        tta: average over mirrored copies: eight times the work.
        backend: ``auto``, ``torch`` or ``openvino``.
        half: compute in 16 bits, or not; ``None`` for whichever is faster.
        trained_windows: windows of the size that the model was trained with, though it could take
            the head at once: to compare with.
    """

    device: str = "auto"
    overlap: float = 0.25
    tta: bool = False
    backend: str = "auto"
    half: bool | None = None
    trained_windows: bool = False


class Ready:
    """A case that has been read and prepared, and the seconds that took.

    Args:
        case: as read.
        prepared: what ``take`` gives, once.
        seconds: by stage.
        notes: sentences a user should read, before those of the preparation.
    """

    def __init__(
        self,
        case: Case,
        prepared: Prepared,
        seconds: Mapping[str, float],
        notes: tuple[str, ...] = (),
    ) -> None:
        self.case, self.seconds, self.notes = case, seconds, notes
        self._prepared: Prepared | None = prepared

    def take(self) -> Prepared:
        """The prepared case, which then is the caller's alone: its images are the largest part of
        what a run holds, and must be free to go when the network has seen them.
        """
        prepared, self._prepared = self._prepared, None
        if prepared is None:
            raise ValueError(f"the case {self.case.name} has been segmented already")
        return prepared


def load(folder: Path) -> Model:
    """Read and check a model folder.

    The network is built at once, which shows whether the weights are its own, unless it has been
    converted before: then that was seen to, and importing its layers would take seconds.

    Raises:
        ModelFolderError: the folder is incomplete, altered, or of an unknown version.
    """
    description, network = deferred_model(folder)
    if description.normalisation != NORMALISATION:
        raise ModelFolderError(
            f"The model {description.name} wants images normalised by "
            f"{description.normalisation!r}, which this program does not do; update it."
        )
    if not is_converted(description, network):
        network.whole  # noqa: B018
    return Model(description, network, file_hash(folder / "model.json"))


def is_converted(description: ModelDescription, network: DeferredNetwork) -> bool:
    """Whether a model need not be converted again, whatever size its windows have."""
    return is_stored(network.identity, None if _step(description) else description.patch)


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
    return segment_ready(make_ready(files, model, progress), model, options, progress)


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
        options: device, overlap, mirroring, backend, precision.
        progress: called as the work goes on; what it raises ends the work.

    Returns:
        Calibrated, nested membership on the case's own grid, its lesions, and the facts of the
        run: versions, device, backend, seconds per stage, peak memory, notes.

    Raises:
        ModelFolderError: the model can assess no region from these sequences.
        DeviceError: the device or the backend is not there.
    """
    return segment_ready(_ready(case, model, _Clock(progress)), model, options, progress)


def make_ready(
    files: CaseFiles,
    model: Model,
    progress: Progress | None = None,
    keep_voxels: bool = True,
    head_start: HeadStart | None = None,
) -> Ready:
    """Read a case and prepare it for a model: all that can be done before the network is free.

    Args:
        files: of the case.
        model: from ``load``.
        progress: as for ``segment``.
        keep_voxels: whether the images as read stay with the case, to be drawn; four of them are
            a quarter of what a run holds.
        head_start: what may have been done of this before the model was there; used where it is
            for this case, and as far as it suits the model.

    Raises:
        ImageReadError: a file is missing or is not a usable image.
        GeometryError: the images' grids cannot be matched.
        ModelFolderError: the model can assess no region from these sequences.
    """
    clock = _Clock(progress)
    with clock.stage("reading"):
        begun = head_start.take(files) if head_start is not None else None
        case = begun.case if begun is not None else read_case(files, with_labels=False)
    return _ready(case, model, clock, keep_voxels, begun)


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


def segment_ready(
    ready: Ready,
    model: Model,
    options: SegmentOptions = SegmentOptions(),
    progress: Progress | None = None,
) -> Result:
    """Segment a case that ``make_ready`` has prepared for the same model; it is used up.

    Raises:
        DeviceError: the device or the backend is not there.
    """
    clock = _Clock(progress, ready.seconds)
    description, case = model.description, ready.case
    modalities = tuple(m for m in MODALITIES if m in case.images)
    assessable = assessable_regions(description, modalities)
    device = choose_device(options.device)
    on_gpu = device.type == "cuda"
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(device)

    prepared = ready.take()
    seen = {
        "mask_source": prepared.mask_source,
        "transforms": {m: [float(v) for v in t] for m, t in prepared.transforms.items()},
    }
    notes, way_back = [*ready.notes, *prepared.notes], prepared.way_back
    with clock.stage("segmenting") as within:
        give_back_memory()
        logits = predict_logits(
            model.network,
            prepared.images,
            prepared.presence,
            prepared.mask,
            description.patch,
            overlap=options.overlap,
            device=device,
            half=options.half,
            tta=options.tta,
            progress=within,
            backend=options.backend,
            step=0 if options.trained_windows else _step(description),
        )
    del prepared
    with clock.stage("restoring"):
        values = _calibrated(logits.values, description, modalities, assessable)
        restored = restore(values, way_back)
        if way_back.working != way_back.reference:
            # Resampling rounds each region by itself; ET ⊆ TC ⊆ WT must hold exactly.
            for inner, outer in pairwise(restored):
                np.maximum(outer, inner, out=outer)
        membership = {r: restored[i] for i, r in enumerate(REGIONS) if r in assessable}
        ran_on, backend = logits.device, logits.backend
        notes += logits.notes
        del logits, values, restored
        give_back_memory()
    with clock.stage("measuring"):
        lesions = find_lesions(membership, case.grid, assessable, description.levels)
        give_back_memory()

    facts = {
        "versions": versions(),
        "model": {"name": description.name, "fingerprint": model.fingerprint},
        "options": {"overlap": options.overlap, "tta": options.tta},
        "device": str(ran_on),
        "backend": backend,
        "seconds": clock.seconds,
        "peak_memory_mb": peak_memory_mb(),
        "peak_device_memory_mb": _peak_device_memory_mb(device) if on_gpu else None,
        "presence": {m: m in modalities for m in MODALITIES},
        **seen,
        "notes": notes,
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


def _ready(
    case: Case,
    model: Model,
    clock: _Clock,
    keep_voxels: bool = True,
    begun: Begun | None = None,
) -> Ready:
    case, unknown = _known_to(model.description, case)
    assessable_regions(model.description, tuple(m for m in MODALITIES if m in case.images))
    with clock.stage("preparing"):
        settings = PreprocessingSettings(spacing_mm=model.description.spacing_mm)
        suits = begun is not None and begun.case is case and begun.settings == settings
        ahead = begun.prepared if begun is not None and suits else None
        prepared = prepare(case, settings) if ahead is None else ahead
        prepared = look_within(prepared, settings, model.description.outline)
    if begun is not None:
        # What it took, though most of it happened beside something else.
        clock.seconds["reading"] = begun.seconds["reading"]
        if ahead is not None:
            outlined = clock.seconds["preparing"]
            clock.seconds["preparing"] = round(begun.seconds["preparing"] + outlined, 3)
    return Ready(case if keep_voxels else case.without_voxels(), prepared, clock.seconds, unknown)


def _step(description: ModelDescription) -> int:
    return window_step(description.network, description.network_arguments)


def _calibrated(
    logits: np.ndarray,
    description: ModelDescription,
    modalities: tuple[str, ...],
    assessable: tuple[str, ...],
) -> np.ndarray:
    """Calibrated membership, nested, in the logits' own memory."""
    for channel, region in enumerate(REGIONS):
        if region not in assessable:
            logits[channel] = CERTAINLY_OUTSIDE
    key = presence_key(modalities)
    for start in range(0, logits.shape[1], SLAB):
        slab = logits[:, start : start + SLAB]
        slab[...] = description.calibration.apply(slab, key)
    return description.calibration.settle(logits, key, math.prod(description.spacing_mm))


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

    def __init__(
        self, progress: Progress | None, seconds: Mapping[str, float] = MappingProxyType({})
    ) -> None:
        self.seconds = dict(seconds)
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
