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
from ParetoSegLib.core.images import file_hash
from ParetoSegLib.core.labels import MODALITIES, REGIONS
from ParetoSegLib.core.seeds import derive_seed
from ParetoSegLib.data.case import CaseFiles
from ParetoSegLib.data.head_mask import BRAIN, HEAD, Outline
from ParetoSegLib.data.normalisation import NORMALISATION
from ParetoSegLib.data.splits import Split
from ParetoSegLib.model.cache import CachedCase, cache_case
from ParetoSegLib.model.calibrating import calibrate, stop_if
from ParetoSegLib.model.calibration import Calibration
from ParetoSegLib.model.card import model_card
from ParetoSegLib.model.description import ModelDescription, usual_assessable
from ParetoSegLib.model.fixed_norm import fix_norms
from ParetoSegLib.model.folder import DESCRIPTION, load_model, save_model
from ParetoSegLib.model.networks import PresenceNetwork, build_network
from ParetoSegLib.model.patches import draw_patch
from ParetoSegLib.model.processes import Processes
from ParetoSegLib.model.training import CHECKPOINT, Outcome, Progress, Report, Run, resume
from ParetoSegLib.model.training_settings import NetworkSettings, TrainingSettings

PATCHES_OF_NORMS = 40
"""Over so many patches the statistics of a norm are taken."""


@dataclass(frozen=True)
class Start:
    """A trained model to begin a run with.

    Args:
        network: with its weights.
        origin: its name and the SHA-256 of its ``model.json``, for the new model's provenance.
        norms_to_fix: whether the run's network has fixed norms and this one has not yet.
    """

    network: PresenceNetwork
    origin: Mapping[str, str]
    norms_to_fix: bool = False

    @property
    def weights(self) -> Mapping[str, torch.Tensor]:
        """The state of its network."""
        return self.network.state_dict()


def start_from(folder: Path, settings: TrainingSettings) -> tuple[TrainingSettings, Start]:
    """Settings with the network of a model folder, and its weights.

    A HalfUNet can gain details and fixed norms where the settings ask for them, and nothing else
    that is new. With details it begins with the same answers; the statistics that its norms keep
    are taken from the run's first patches. A model that looks inside the brain keeps doing so.

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
    wanted = settings.network.arguments.get("details", 0)
    if settings.network.name == kind.name == "HalfUNet" and wanted and not _details(kind):
        kind = replace(kind, arguments={**kind.arguments, "details": wanted})
        network = _with_details(kind, network, settings.seed)
    to_fix = kind.name == settings.network.name == "HalfUNet" and (
        bool(settings.network.arguments.get("fixed_norms")) > bool(kind.arguments["fixed_norms"])
    )
    if to_fix:
        kind = replace(kind, arguments={**kind.arguments, "fixed_norms": True})
    origin = {"name": description.name, "fingerprint": file_hash(folder / DESCRIPTION)}
    assert isinstance(network, PresenceNetwork)
    outline: Outline = BRAIN if BRAIN in (description.outline, settings.outline) else HEAD
    return replace(settings, network=kind, outline=outline), Start(network, origin, to_fix)


def _details(kind: NetworkSettings) -> int:
    return int(kind.arguments.get("details", 0))


def _with_details(kind: NetworkSettings, network: torch.nn.Module, seed: int) -> PresenceNetwork:
    """The network of ``kind`` that answers as ``network``, which has no details, does."""
    from ParetoSegLib.model.refinement import HalfUNet, take_over

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "details"))
        fine = build_network(kind.name, kind.arguments)
    coarse = network.body
    assert isinstance(fine.body, HalfUNet)
    assert isinstance(coarse, HalfUNet)
    take_over(fine.body, coarse)
    return fine


def _mm(spacing: Sequence[float]) -> str:
    return "×".join(f"{v:g}" for v in spacing) + " mm"


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
    # A run that goes on has its weights in its checkpoint.
    goes_on = go_on and (folder / CHECKPOINT).is_file()
    weights = None if goes_on else _first_weights(settings, start, training)
    run = Run(settings, training, validation, folder, processes, weights)
    if go_on:
        resume(run)
    outcome = run.train(report, interrupted)
    if outcome.finished and processes.rank == 0:
        outcome.network.to(processes.device)
        held_out = [(by_name[case.name], case) for case in calibration]
        half = outcome.precision == "bf16"
        values, levels = calibrate(
            outcome.network, held_out, settings, processes.device, half, report, interrupted
        )
        origin = start.origin if start else None
        _save(settings, outcome, values, levels, folder, wanted, parts, cached, processes, origin)
    processes.wait()
    return outcome


def _first_weights(
    settings: TrainingSettings, start: Start | None, training: Sequence[CachedCase]
) -> Mapping[str, torch.Tensor] | None:
    """What a run begins with: a trained model's weights, or none for random ones.

    Fixed norms need statistics to keep, be the weights before them trained or random: without
    any, each layer of a fresh network would pass on less than it got.
    """
    wanted = bool(settings.network.arguments.get("fixed_norms"))
    if start is None and wanted:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(settings.seed, "weights"))
            kind = settings.network
            loose = {**kind.arguments, "fixed_norms": False}
            start = Start(build_network(kind.name, loose, kind.prior), {}, norms_to_fix=True)
    if start is None:
        return None
    if start.norms_to_fix and training:
        _fix_norms(start.network, training, settings)
    return start.weights


def _fix_norms(
    network: PresenceNetwork, training: Sequence[CachedCase], settings: TrainingSettings
) -> None:
    """Give a network fixed norms, with the statistics of patches as the run draws them."""
    s = settings
    patches = [
        draw_patch(
            training,
            index,
            derive_seed(s.seed, "norms"),
            s.patch,
            s.sampling,
            s.augmentation if s.augment else None,
        )
        for index in range(PATCHES_OF_NORMS)
    ]
    fix_norms(network, [(p.images[None], p.presence[None]) for p in patches])


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
                stop_if(interrupted)
                report(Progress("prepare", done, len(files)))
                try:
                    cached[case.name] = cache_case(
                        case,
                        store,
                        settings.preprocessing,
                        settings.labels,
                        settings.data.ignore_labels,
                        settings.outline,
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
        outline=settings.outline,
    )
    parameters = sum(p.numel() for p in outcome.network.parameters())
    card = model_card(settings.name, settings.network.name, parameters, training, outcome.scores)
    save_model(folder / "model", description, outcome.network.state_dict(), card)
