"""What the panel needs to know of a model, read from its folder without loading PyTorch.

The worker checks a model folder in full (``ParetoSegLib/model/folder.py``); here only the few
values that are shown are read, with the same suspicion: sizes first, plain JSON, known names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from slicer.i18n import tr as _

from ParetoSegLib.core.errors import ModelFolderError
from ParetoSegLib.core.labels import MODALITIES, REGIONS

WEIGHTS, DESCRIPTION, CARD = "weights.safetensors", "model.json", "MODEL_CARD.md"
LARGEST_TEXT = 2**20
LONGEST_NAME = 100


@dataclass(frozen=True)
class ModelSummary:
    """A model as the panel shows it.

    Args:
        folder: where it lies.
        name: as its author called it.
        modalities: the sequences that its training has seen.
        assessable: presence key (``"t1c+t2f"``) → regions; a set that is not listed has none.
    """

    folder: Path
    name: str
    modalities: tuple[str, ...]
    assessable: Mapping[str, tuple[str, ...]]


def read_summary(folder: Path) -> ModelSummary:
    """Read the few values that are shown.

    Raises:
        ModelFolderError: the description is missing, too large, or not what it should be.
    """
    try:
        tree = json.loads(_text(folder, DESCRIPTION))
        name, modalities, table = tree["name"], tree["modalities"], tree["assessable"]
        if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME:
            raise ValueError("name")
        return ModelSummary(
            folder,
            name,
            _known(modalities, MODALITIES),
            {str(key): _known(regions, REGIONS) for key, regions in table.items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelFolderError(
            _("{file} in the model folder {folder} is damaged; get the model again.").format(
                file=DESCRIPTION, folder=folder.name
            )
        ) from error


def read_card(folder: Path) -> str:
    """The model card as plain text; what it says is its author's claim.

    Raises:
        ModelFolderError: missing, longer than 1 MB, or not UTF-8.
    """
    return _text(folder, CARD)


def _known(values: object, names: tuple[str, ...]) -> tuple[str, ...]:
    if not isinstance(values, list) or not set(values) <= set(names):
        raise ValueError("unknown name")
    return tuple(name for name in names if name in values)


def _text(folder: Path, name: str) -> str:
    path = folder / name
    try:
        if not path.is_file():
            raise ModelFolderError(
                _(
                    "The folder {folder} is no model folder: it has no {name}; choose a folder "
                    "that holds {weights}, {description} and {card}."
                ).format(
                    folder=folder.name,
                    name=name,
                    weights=WEIGHTS,
                    description=DESCRIPTION,
                    card=CARD,
                )
            )
        with path.open("rb") as stream:
            data = stream.read(LARGEST_TEXT + 1)
        if len(data) > LARGEST_TEXT:
            raise ModelFolderError(
                _("{name} is larger than 1 MB; get the model again.").format(name=name)
            )
        return data.decode()
    except UnicodeDecodeError as error:
        raise ModelFolderError(
            _("{name} is not UTF-8 text; get the model again.").format(name=name)
        ) from error
    except OSError as error:
        raise ModelFolderError(
            _(
                "{name} in the model folder {folder} cannot be read ({reason}); check that you may "
                "read it."
            ).format(name=name, folder=folder.name, reason=error.strerror)
        ) from error
