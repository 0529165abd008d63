"""Calibration on held-out cases: what membership means, which spots are lesions, and which volumes
a lesion may have.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

from ParetoSegLib.core.geometry import components, distance_to, padded_box
from ParetoSegLib.core.labels import MODALITIES, REGIONS, presence_key
from ParetoSegLib.core.seeds import derive_seed
from ParetoSegLib.data.case import CaseFiles, read_case
from ParetoSegLib.data.preprocessing import prepare
from ParetoSegLib.model.cache import CachedCase
from ParetoSegLib.model.calibration import (
    Calibration,
    CalibrationSample,
    draw_samples,
    fit_calibration,
)
from ParetoSegLib.model.detection_levels import Spot, find_spots, fit_peaks, fit_slopes
from ParetoSegLib.model.levels import VolumeSample, fit_levels
from ParetoSegLib.model.training import Progress, Report
from ParetoSegLib.model.training_settings import TrainingSettings
from ParetoSegLib.model.validation import case_logits

TERRITORY_MM = 6.0
"""How far around a reference lesion its predicted membership is looked for."""


def calibrate(
    network: torch.nn.Module,
    cases: Sequence[tuple[CaseFiles, CachedCase]],
    settings: TrainingSettings,
    device: torch.device,
    half: bool,
    report: Report = lambda progress: None,
    interrupted: Callable[[], bool] = lambda: False,
    largest_move: float = math.inf,
) -> tuple[Calibration, Mapping[str, tuple[float, float]]]:
    """Fit membership and volume levels on cases that neither training nor stopping has seen.

    Args:
        network: on ``device``.
        cases: labelled; where other raters' masks lie beside a case's labels (``-rater1`` …), the
            volume interval is fitted to theirs.
        settings: of the run: patch, overlap, and ``calibrate``, the sets of sequences that get a
            calibration of their own.
        device: to run on.
        half: whether in bfloat16.
        report, interrupted: as in ``fitting.fit``.
        largest_move: as in ``fit_calibration``.

    Returns:
        The calibration, and (certain, possible) levels by region.
    """
    samples: list[CalibrationSample] = []
    spots: list[Spot] = []
    full: list[tuple[CaseFiles, CachedCase, np.ndarray]] = []
    turns = [(f, c, p) for f, c in cases for p in _patterns(c, settings.calibrate)]
    for done, (files, case, presence) in enumerate(turns):
        stop_if(interrupted)
        report(Progress("calibrate", done, len(turns)))
        logits = case_logits(network, case, presence, settings, device, half)
        key = presence_key([m for m, there in zip(MODALITIES, presence, strict=True) if there])
        seed = derive_seed(settings.seed, "calibration", case.name)
        mask = case.array("mask").astype(bool)
        hard = _hard(case, presence)
        samples += draw_samples(logits, hard, mask, key, seed)
        spots += find_spots(logits, hard, key, math.prod(case.spacing_mm))
        if presence == case.presence:
            full.append((files, case, logits.astype(np.float16)))
    report(Progress("calibrate", len(turns), len(turns)))
    values = fit_calibration(samples, largest_move) if samples else Calibration.identity()
    slopes = fit_slopes(spots)
    values = values.with_peaks(fit_peaks(spots, slopes), slopes)
    volumes: dict[str, list[VolumeSample]] = {region: [] for region in REGIONS}
    for files, case, logits in full:
        key = presence_key([m for m, t in zip(MODALITIES, case.presence, strict=True) if t])
        membership = values.apply(logits.astype(np.float32), key)
        values.settle(membership, key, math.prod(case.spacing_mm))
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


def stop_if(interrupted: Callable[[], bool]) -> None:
    """Raise KeyboardInterrupt if the user has asked to stop."""
    if interrupted():
        raise KeyboardInterrupt
