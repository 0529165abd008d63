"""From labelled patients to a model folder: prepare, train, calibrate, describe, save."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ParetoSegLib import __version__
from ParetoSegLib.core.errors import OutputError, ParetoSegError, TrainingError
from ParetoSegLib.core.geometry import components, distance_to, padded_box
from ParetoSegLib.core.images import file_hash
from ParetoSegLib.core.labels import MODALITIES, REGIONS, presence_key
from ParetoSegLib.core.seeds import derive_seed
from ParetoSegLib.data.case import CaseFiles, read_case
from ParetoSegLib.data.normalisation import NORMALISATION
from ParetoSegLib.data.preprocessing import prepare
from ParetoSegLib.data.splits import Split
from ParetoSegLib.model.cache import CachedCase, cache_case
from ParetoSegLib.model.calibration import (
    Calibration,
    CalibrationSample,
    draw_samples,
    fit_calibration,
)
from ParetoSegLib.model.card import model_card
from ParetoSegLib.model.description import ModelDescription, usual_assessable
from ParetoSegLib.model.folder import DESCRIPTION, load_model, save_model
from ParetoSegLib.model.levels import VolumeSample, fit_levels
from ParetoSegLib.model.processes import Processes
from ParetoSegLib.model.training import Outcome, Progress, Report, Run, resume
from ParetoSegLib.model.training_settings import NetworkSettings, TrainingSettings
from ParetoSegLib.model.validation import case_logits


@dataclass(frozen=True)
class Start:
    """A trained model to begin a run with.

    Args:
        weights: the state of its network.
        origin: its name and the SHA-256 of its ``model.json``, for the new model's provenance.
    """

    weights: Mapping[str, torch.Tensor]
    origin: Mapping[str, str]


def start_from(folder: Path, settings: TrainingSettings) -> tuple[TrainingSettings, Start]:
    """Settings with the network of a model folder, and its weights.

    Raises:
        ModelFolderError: the folder is not a whole model.
        TrainingError: its images were prepared in another way than this run's.
    """
    description, network = load_model(folder)
    if description.normalisation != NORMALISATION:
        raise TrainingError(
            f"The model {description.name} wants images normalised by "
            f"{description.normalisation!r}, which this program does not do; update it."
        )
    if tuple(description.spacing_mm) != tuple(settings.preprocessing.spacing_mm):
        raise TrainingError(
            f"The model {description.name} works at {_mm(description.spacing_mm)} and this run at "
            f"{_mm(settings.preprocessing.spacing_mm)}; set preprocessing.spacing_mm alike."
        )
    kind = NetworkSettings(description.network, dict(description.network_arguments))
    origin = {"name": description.name, "fingerprint": file_hash(folder / DESCRIPTION)}
    return replace(settings, network=kind), Start(network.state_dict(), origin)


def _mm(spacing: Sequence[float]) -> str:
    return "×".join(f"{v:g}" for v in spacing) + " mm"


TERRITORY_MM = 6.0
"""How far around a reference lesion its predicted membership is looked for."""


def fit(
    settings: TrainingSettings,
    files: Sequence[CaseFiles],
    split: Split,
    folder: Path,
    processes: Processes,
    report: Report = lambda progress: None,
    interrupted: Callable[[], bool] = lambda: False,
    go_on: bool = False,
    start: Start | None = None,
) -> Outcome:
    """Train on a split of labelled cases and write ``<folder>/model``.

    Args:
        settings: of the run.
        files: every labelled case; the split names them.
        split: case names to train on, to validate on, to calibrate on.
        folder: of the run; gets ``cache``, ``checkpoints``, ``logs`` and ``model``.
        processes: from ``start_processes``; all of them call this.
        report: told where the run is.
        interrupted: asked between steps; true ends the run with a checkpoint and no model folder.
        go_on: start from the last checkpoint if there is one.
        start: a trained model to begin with; its network must be the one of the settings.

    Raises:
        TrainingError: no case can be read, or a checkpoint does not fit.
    """
    by_name = {case.name: case for case in files}
    parts = (split.train, split.validation, split.calibration)
    wanted = [by_name[name] for part in parts for name in part if name in by_name]
    cached = _prepare(settings, wanted, folder / "cache", processes, report, interrupted)
    training, validation, calibration = (
        [cached[name] for name in part if name in cached] for part in parts
    )
    weights = start.weights if start else None
    run = Run(settings, training, validation, folder, processes, weights)
    if go_on:
        resume(run)
    outcome = run.train(report, interrupted)
    if outcome.finished and processes.rank == 0:
        outcome.network.to(processes.device)
        held_out = [(by_name[case.name], case) for case in calibration]
        values, levels = _calibrate(
            outcome, held_out, settings, processes.device, report, interrupted
        )
        origin = start.origin if start else None
        _save(settings, outcome, values, levels, folder, wanted, parts, cached, processes, origin)
    processes.wait()
    return outcome


def _prepare(
    settings: TrainingSettings,
    files: Sequence[CaseFiles],
    store: Path,
    processes: Processes,
    report: Report,
    interrupted: Callable[[], bool],
) -> dict[str, CachedCase]:
    """Every readable case, prepared once: the first process makes, the others find."""
    cached: dict[str, CachedCase] = {}
    failures: list[ParetoSegError] = []
    for turn in range(2):
        if (turn == 0) == (processes.rank == 0):
            for done, case in enumerate(files):
                _stop_if(interrupted)
                report(Progress("prepare", done, len(files)))
                try:
                    cached[case.name] = cache_case(
                        case,
                        store,
                        settings.preprocessing,
                        settings.labels,
                        settings.data.ignore_labels,
                    )
                    for note in cached[case.name].notes:
                        report(Progress("prepare", done, len(files), note))
                except OutputError:
                    raise  # a full disk is not the case's fault
                except ParetoSegError as error:
                    # A bad case costs itself, not the run; it is named when the run starts.
                    failures.append(error)
                    report(Progress("prepare", done, len(files), str(error)))
            report(Progress("prepare", len(files), len(files)))
        processes.wait()
    if not cached:
        raise failures[0] if failures else TrainingError("There is no case to train on.")
    return cached


def _calibrate(
    outcome: Outcome,
    cases: Sequence[tuple[CaseFiles, CachedCase]],
    settings: TrainingSettings,
    device: torch.device,
    report: Report,
    interrupted: Callable[[], bool],
) -> tuple[Calibration, Mapping[str, tuple[float, float]]]:
    """Fit membership and volume levels on cases that neither training nor stopping has seen."""
    half = outcome.precision == "bf16"
    samples: list[CalibrationSample] = []
    full: list[tuple[CaseFiles, CachedCase, np.ndarray]] = []
    turns = [(f, c, p) for f, c in cases for p in _patterns(c, settings.calibrate)]
    for done, (files, case, presence) in enumerate(turns):
        _stop_if(interrupted)
        report(Progress("calibrate", done, len(turns)))
        logits = case_logits(outcome.network, case, presence, settings, device, half)
        key = presence_key([m for m, there in zip(MODALITIES, presence, strict=True) if there])
        seed = derive_seed(settings.seed, "calibration", case.name)
        mask = case.array("mask").astype(bool)
        samples += draw_samples(logits, _hard(case, presence), mask, key, seed)
        if presence == case.presence:
            full.append((files, case, logits.astype(np.float16)))
    report(Progress("calibrate", len(turns), len(turns)))
    values = fit_calibration(samples) if samples else Calibration.identity()
    volumes: dict[str, list[VolumeSample]] = {region: [] for region in REGIONS}
    for files, case, logits in full:
        key = presence_key([m for m, t in zip(MODALITIES, case.presence, strict=True) if t])
        membership = values.apply(logits.astype(np.float32), key)
        raters = _raters(files, case, settings)
        for channel, region in enumerate(REGIONS):
            if case.labelled[channel]:
                volumes[region] += lesion_volumes(
                    np.asarray(membership[channel]),
                    [r[region] for r in raters if region in r]
                    or [case.array("regions")[channel].astype(bool)],
                    case.array("regions")[channel].astype(bool),
                    case.spacing_mm,
                )
    return values, fit_levels(volumes)


def lesion_volumes(
    membership: np.ndarray,
    raters: Sequence[np.ndarray],
    reference: np.ndarray,
    spacing_mm: tuple[float, float, float],
) -> list[VolumeSample]:
    """Predicted membership around each reference lesion, and its volume by every rater.

    Voxels within ``TERRITORY_MM`` of a lesion are its own where no other lesion is nearer.

    Args:
        membership: float ``(D, H, W)``, calibrated.
        raters: bool ``(D, H, W)`` each.
        reference: bool ``(D, H, W)``; its components are the lesions.
        spacing_mm: along ``(D, H, W)``.
    """
    labelled, boxes = components(reference)
    pad = tuple(int(np.ceil(TERRITORY_MM / s)) for s in spacing_mm)
    voxel_mm3 = float(np.prod(spacing_mm))
    samples = []
    for number, box in enumerate(boxes, start=1):
        around = padded_box(box, (pad[0], pad[1], pad[2]), reference.shape)
        local = labelled[around]
        own = distance_to(local == number, spacing_mm)
        territory = own <= TERRITORY_MM
        others = (local > 0) & (local != number)
        if others.any():
            territory &= own < distance_to(others, spacing_mm)
        volumes = [float((r[around] & territory).sum()) * voxel_mm3 / 1000 for r in raters]
        samples.append(VolumeSample(membership[around][territory], voxel_mm3, tuple(volumes)))
    return samples


def _raters(
    files: CaseFiles, case: CachedCase, settings: TrainingSettings
) -> list[dict[str, np.ndarray]]:
    """Other people's masks of the same case, where they lie beside its labels."""
    if len(files.labels) != 1:
        return []
    folder = files.labels[0].parent
    found = []
    for path in sorted(folder.glob(f"{files.name}-rater[0-9]*.nii.gz")):
        prepared = prepare(
            read_case(replace(files, labels=(path,)), ignore_labels=settings.data.ignore_labels),
            settings.preprocessing,
        )
        crop = tuple(slice(start, stop) for start, stop in case.crop)
        found.append({r: m[crop] for r, m in (prepared.regions or {}).items()})
    return found


def _hard(case: CachedCase, presence: Sequence[bool]) -> dict[str, np.ndarray]:
    regions = case.array("regions")
    shown = presence[MODALITIES.index("t1c")]
    return {
        region: regions[c].astype(bool)
        for c, region in enumerate(REGIONS)
        if case.labelled[c] and (region != "et" or shown)
    }


def _patterns(case: CachedCase, wanted: Sequence[str]) -> list[tuple[bool, ...]]:
    """The case's own sequences first, then the wanted sets that it can show."""
    patterns = [tuple(case.presence)]
    for key in wanted:
        kept = tuple(
            p and m in key.split("+") for p, m in zip(case.presence, MODALITIES, strict=True)
        )
        if any(kept) and kept not in patterns and sum(kept) == len(key.split("+")):
            patterns.append(kept)
    return patterns


def _save(
    settings: TrainingSettings,
    outcome: Outcome,
    calibration: Calibration,
    levels: Mapping[str, tuple[float, float]],
    folder: Path,
    files: Sequence[CaseFiles],
    parts: Sequence[Sequence[str]],
    cached: Mapping[str, CachedCase],
    processes: Processes,
    origin: Mapping[str, str] | None,
) -> None:
    seen = np.any([case.presence for case in cached.values()], axis=0)
    labelled = np.any([case.labelled for case in cached.values()], axis=0)
    regions = tuple(r for r, there in zip(REGIONS, labelled, strict=True) if there)
    if not seen[MODALITIES.index("t1c")]:
        regions = tuple(r for r in regions if r != "et")
    counts = [sum(name in cached for name in part) for part in parts]
    training: dict[str, Any] = {
        "datasets": sorted({case.dataset or "unnamed" for case in files}),
        "cases": dict(zip(("train", "validation", "calibration"), counts, strict=True)),
        "steps": outcome.steps,
        "best_step": outcome.step,
        "minutes": outcome.seconds / 60,
        "loss": settings.loss,
        "balance": settings.pareto.mode if settings.loss == "regions" else "none",
        "curriculum": settings.curriculum.pace if settings.loss == "regions" else "none",
        "seed": settings.seed,
        "precision": outcome.precision,
        "processes": processes.count,
        "device": processes.device.type,
        "validation_dice": outcome.scores,
        "calibrated": bool(counts[2]),
        "started_from": dict(origin) if origin else None,
        "versions": {
            "ParetoSegLib": __version__,
            "python": platform.python_version(),
            "torch": str(torch.__version__),
        },
    }
    description = ModelDescription(
        name=settings.name,
        network=settings.network.name,
        network_arguments=settings.network.arguments,
        modalities=tuple(m for m, there in zip(MODALITIES, seen, strict=True) if there),
        regions=regions,
        spacing_mm=settings.preprocessing.spacing_mm,
        normalisation=NORMALISATION,
        patch=settings.patch,
        calibration=calibration,
        levels={region: levels[region] for region in regions},
        assessable=usual_assessable(regions),
        label_band={"band_mm": settings.labels.band_mm, "beta": settings.labels.beta},
        training=training,
    )
    parameters = sum(p.numel() for p in outcome.network.parameters())
    card = model_card(settings.name, settings.network.name, parameters, training, outcome.scores)
    save_model(folder / "model", description, outcome.network.state_dict(), card)


def _stop_if(interrupted: Callable[[], bool]) -> None:
    if interrupted():
        raise KeyboardInterrupt
