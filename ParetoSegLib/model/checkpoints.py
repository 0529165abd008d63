"""Checkpoints: the whole state of a run between two steps, replaced in one move."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from ParetoSegLib.core.errors import TrainingError
from ParetoSegLib.core.outputs import whole_file

CHECKPOINT_VERSION = 1


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write tensors and plain values; a process killed at any moment leaves the old file whole.

    Raises:
        OutputError: the disk is full, or the place cannot be written.
    """
    with whole_file(path) as partial:
        try:
            torch.save({"version": CHECKPOINT_VERSION, **state}, partial)
        except RuntimeError as error:
            # What torch's writer raises when the disk is full.
            raise OSError("the checkpoint could not be written whole") from error


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint; only tensors and plain values are accepted, never code.

    Raises:
        TrainingError: the file is damaged or of another version.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise TrainingError(
            f"The checkpoint {path.name} is damaged; remove it to start again."
        ) from error
    if not isinstance(state, dict) or state.get("version") != CHECKPOINT_VERSION:
        raise TrainingError(f"The checkpoint {path.name} is of another version.")
    return state
