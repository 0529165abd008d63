"""A trained model calibrated anew on other cases; its weights stay as they are."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from ParetoSegLib.core.errors import OutputError, ParetoSegError, TrainingError
from ParetoSegLib.data.case import CaseFiles
from ParetoSegLib.data.preprocessing import PreprocessingSettings
from ParetoSegLib.model.cache import CachedCase, LabelBand, cache_case
from ParetoSegLib.model.calibrating import calibrate, stop_if
from ParetoSegLib.model.description import ModelDescription
from ParetoSegLib.model.folder import load_model, read_card, save_model
from ParetoSegLib.model.training import Progress, Report, choose_precision
from ParetoSegLib.model.training_settings import (
    DataSettings,
    NetworkSettings,
    TrainingSettings,
)


def recalibrate(
    folder: Path,
    files: Sequence[CaseFiles],
    output: Path,
    store: Path,
    sequences: Sequence[str],
    device: torch.device,
    ignore_labels: tuple[int, ...] = (),
    report: Report = lambda progress: None,
    interrupted: Callable[[], bool] = lambda: False,
    largest_move: float = math.inf,
) -> ModelDescription:
    """Write a copy of a model folder whose calibration and volume levels fit other cases.

    Args:
        folder: of the model.
        files: labelled cases that the model was not trained on.
        output: the new model folder.
        store: where prepared cases go meanwhile.
        sequences: sets such as ``t1c+t2f`` that get a calibration of their own, besides all the
            sequences of each case.
        device: to run on.
        ignore_labels: stray label values to treat as background.
        report, interrupted: as in ``fitting.fit``.
        largest_move: as in ``fit_calibration``.

    Returns:
        The new model's description.

    Raises:
        TrainingError: no case can be used.
        ModelFolderError: the model cannot be read.
        OutputError: the folder cannot be written.
    """
    description, network = load_model(folder)
    settings = TrainingSettings(
        patch=description.patch,
        calibrate=tuple(sequences),
        data=DataSettings(ignore_labels=ignore_labels),
        preprocessing=PreprocessingSettings(spacing_mm=description.spacing_mm),
        outline=description.outline,
        labels=LabelBand(**description.label_band),
        network=NetworkSettings(description.network, dict(description.network_arguments)),
    )
    held_out: list[tuple[CaseFiles, CachedCase]] = []
    failure: ParetoSegError | None = None
    for done, case in enumerate(files):
        stop_if(interrupted)
        report(Progress("prepare", done, len(files)))
        try:
            cached = cache_case(
                case,
                store,
                settings.preprocessing,
                settings.labels,
                ignore_labels,
                settings.outline,
            )
        except OutputError:
            raise
        except ParetoSegError as error:
            failure = error
            report(Progress("prepare", done, len(files), str(error)))
        else:
            held_out.append((case, cached))
            for note in cached.notes:
                report(Progress("prepare", done, len(files), note))
    report(Progress("prepare", len(files), len(files)))
    if not held_out:
        raise failure or TrainingError("There is no case to calibrate on.")
    network.to(device)
    half = choose_precision(network, settings, device) == "bf16"
    values, levels = calibrate(
        network, held_out, settings, device, half, report, interrupted, largest_move
    )
    cases = {**description.training.get("cases", {}), "calibration": len(held_out)}
    datasets = sorted({case.dataset or "unnamed" for case, _ in held_out})
    changed = replace(
        description,
        calibration=values,
        levels={region: levels[region] for region in description.regions},
        training={
            **description.training,
            "cases": cases,
            "calibrated": True,
            "calibration_datasets": datasets,
        },
    )
    card = read_card(folder).rstrip() + (
        f"\n\n## Calibrated anew\nOn {len(held_out)} cases ({', '.join(datasets)}), which replaces "
        "the calibration described above; the weights are unchanged.\n"
    )
    save_model(output, changed, network.state_dict(), card)
    return changed
