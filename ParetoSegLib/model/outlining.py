"""Preparing a case as a model wants it: inside the head, or inside the brain found in it.

A small network finds it. It ships beside the models and was trained by the same code, on painted
whole heads whose label was the brain: its answer lies in the channel of the whole tumour.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from ParetoSegLib.core.labels import REGIONS
from ParetoSegLib.core.resources import brain_outliner
from ParetoSegLib.data.brain import solid_brain, within_brain
from ParetoSegLib.data.case import Case
from ParetoSegLib.data.head_mask import HEAD, Outline
from ParetoSegLib.data.preprocessing import Prepared, PreprocessingSettings, prepare
from ParetoSegLib.data.resampling import resample, working_grid
from ParetoSegLib.model.deferred import DeferredNetwork, deferred_model
from ParetoSegLib.model.description import ModelDescription
from ParetoSegLib.model.inference import predict_logits
from ParetoSegLib.model.networks import window_step

NOT_FOUND = (
    "The brain could not be outlined in this whole head, so all of the head was searched; for "
    "fewer false lesions strip the skull first."
)

FOUND = "The images show a whole head; only the brain that a network outlined in it was searched."

_CHANNEL = REGIONS.index("wt")


def prepare_within(case: Case, settings: PreprocessingSettings, outline: Outline) -> Prepared:
    """Prepare a case inside what a model looks at.

    Args:
        case: as read.
        settings: of the preparation.
        outline: ``HEAD`` or ``BRAIN``, of whole heads; stripped images show their own mask.

    Raises:
        GeometryError: an image lies elsewhere than the reference.
        ModelFolderError: the brain is wanted and the network that finds it is missing.
    """
    return look_within(prepare(case, settings), settings, outline)


def look_within(prepared: Prepared, settings: PreprocessingSettings, outline: Outline) -> Prepared:
    """What a model looks at of a case that ``prepare`` has prepared, as ``prepare_within`` says.

    Where a brain was looked for a note says what came of it; if none was found the head stays
    whole. The images as they were before they were scaled are let go.

    Raises:
        ModelFolderError: the network that finds the brain is missing or damaged.
    """
    if prepared.mask_source != HEAD:
        return prepared
    if outline == HEAD:
        return replace(prepared, unscaled={})
    brain = find_brain(prepared)
    if brain is None:
        return replace(prepared, unscaled={}, notes=(*prepared.notes, NOT_FOUND))
    inside = within_brain(prepared, brain, settings.margin_mm)
    return replace(inside, notes=(*prepared.notes, FOUND))


def find_brain(prepared: Prepared, folder: Path | None = None) -> np.ndarray | None:
    """The brain in a prepared whole head.

    Args:
        prepared: with the head as its mask.
        folder: of the network; the one that ships where none is given.

    Returns:
        bool ``(D, H, W)`` on ``prepared.grid``, or ``None`` where there is nothing like a brain.

    Raises:
        ModelFolderError: the network is missing or damaged.
    """
    description, network = _outliner(folder or brain_outliner())
    grid = prepared.grid
    coarse = working_grid(grid, description.spacing_mm)
    images = np.zeros((len(prepared.images), *coarse.shape), np.float32)
    for channel, there in enumerate(prepared.presence):
        if there:
            images[channel] = resample(prepared.images[channel], grid, coarse)
    mask = resample(prepared.mask.astype(np.float32), grid, coarse, antialias=False) > 0.5
    logits = predict_logits(
        network,
        images,
        prepared.presence,
        mask,
        description.patch,
        # Timing both precisions costs more than such a small network does.
        half=False,
        backend="auto",
        step=window_step(description.network, description.network_arguments),
    ).values[_CHANNEL]
    brain = solid_brain(logits > 0, coarse.spacing_mm)
    if brain is None:
        return None
    # None outside the solid part, some in its holes; at its border the logit says where it ends.
    settled = np.where(brain, np.maximum(logits, 0.1), np.minimum(logits, -0.1))
    found = (resample(settled, coarse, grid, antialias=False) > 0) & prepared.mask
    return found if found.any() else None


@cache
def _outliner(folder: Path) -> tuple[ModelDescription, DeferredNetwork]:
    return deferred_model(folder)
