"""How good are the weights now: whole cases, sliding window, Dice by region."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from ParetoSegLib.core.labels import REGIONS
from ParetoSegLib.model.cache import CachedCase
from ParetoSegLib.model.inference import predict_logits
from ParetoSegLib.model.networks import window_step
from ParetoSegLib.model.processes import Processes
from ParetoSegLib.model.training_settings import TrainingSettings

VALIDATION_COLUMNS = ("step", *(f"dice_{r}" for r in REGIONS), "dice", "cases", "seconds")


def validate(
    network: torch.nn.Module,
    cases: Sequence[CachedCase],
    settings: TrainingSettings,
    processes: Processes,
    half: bool,
    report: Callable[[int, int], None],
) -> tuple[dict[str, float], dict[str, Any]]:
    """Mean Dice over cases for each labelled region, and the row that the log gets.

    Cases are shared out over the processes. Both masks empty count as 1, one empty as 0.
    """
    began = time.monotonic()
    mine = list(cases[processes.rank :: processes.count])
    sums = np.zeros(len(REGIONS))
    counts = np.zeros(len(REGIONS))
    for done, case in enumerate(mine):
        report(done, len(mine))
        logits = case_logits(network, case, case.presence, settings, processes.device, half)
        # Nesting holds for the highest logit as it does for the highest membership.
        positive = np.maximum.accumulate(logits, axis=0) > 0
        truth = case.array("regions").astype(bool)
        for channel, labelled in enumerate(case.labelled):
            if labelled:
                size = positive[channel].sum() + truth[channel].sum()
                overlap = np.logical_and(positive[channel], truth[channel]).sum()
                sums[channel] += 2 * overlap / size if size else 1.0
                counts[channel] += 1
    report(len(mine), len(mine))
    totals = processes.total([*sums, *counts])
    scores = {
        region: totals[c] / totals[c + len(REGIONS)]
        for c, region in enumerate(REGIONS)
        if totals[c + len(REGIONS)]
    }
    row: dict[str, Any] = {f"dice_{region}": score for region, score in scores.items()}
    row["dice"] = float(np.mean(list(scores.values()))) if scores else None
    row["cases"] = len(cases)
    row["seconds"] = time.monotonic() - began
    return scores, row


def case_logits(
    network: torch.nn.Module,
    case: CachedCase,
    presence: Sequence[bool],
    settings: TrainingSettings,
    device: torch.device,
    half: bool,
) -> np.ndarray:
    """Logits ``(3, D, H, W)`` of a cached case that shows only the sequences in ``presence``."""
    kept = np.array(presence, np.float32)[:, None, None, None]
    images = case.array("images").astype(np.float32) * kept
    return predict_logits(
        network,
        images,
        tuple(presence),
        case.array("mask").astype(bool),
        settings.patch,
        overlap=settings.validation.overlap,
        device=device,
        half=half,
        step=window_step(settings.network.name, settings.network.arguments),
    ).values
