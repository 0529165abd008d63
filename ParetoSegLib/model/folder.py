"""The model folder on disk: ``weights.safetensors``, ``model.json`` and ``MODEL_CARD.md``.

A folder may come from a stranger. Nothing in it is executed, imported or unpickled, every value
has a range, and every size is checked before anything of that size is allocated. The SHA-256 in
``model.json`` shows that the weights are whole; it says nothing about who made them.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError

from ParetoSegLib.core.errors import ModelFolderError
from ParetoSegLib.core.outputs import whole_folder
from ParetoSegLib.data.head_mask import HEAD
from ParetoSegLib.model.calibration import Calibration
from ParetoSegLib.model.description import FILE_NAME, ModelDescription, check_version
from ParetoSegLib.model.networks import (
    build_network,
    weight_shapes,
    weights_of,
)

WEIGHTS, DESCRIPTION, CARD = "weights.safetensors", FILE_NAME, "MODEL_CARD.md"

LARGEST_WEIGHTS = 512 * 2**20
LARGEST_HEADER = 10 * 2**20
LARGEST_TEXT = 2**20
"""Bytes of ``model.json`` and of the card."""

_DTYPES = {"F16": 2, "F32": 4}
_PICKLES = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
_KEYS = (
    "format_version",
    "name",
    "network",
    "network_arguments",
    "modalities",
    "regions",
    "spacing_mm",
    "normalisation",
    "patch",
    "calibration",
    "levels",
    "assessable",
    "label_band",
    "training",
    "weights",
)
_NEWER_KEYS = {"outline": HEAD}
"""Left out where they have these values: older versions can then read the model, too."""


def save_model(
    folder: Path,
    description: ModelDescription,
    state_dict: Mapping[str, torch.Tensor],
    card: str,
    half: bool = True,
) -> None:
    """Write a model folder, whole or not at all.

    Args:
        folder: replaced if it is there.
        description: what ``model.json`` will say.
        state_dict: of a network that ``build_network`` made, on any device.
        card: text of ``MODEL_CARD.md``.
        half: store weights in half precision (half the size); those that it cannot hold stay whole.

    Raises:
        ModelFolderError: the weights are not this network's or not finite, or the card or the
            training provenance is too long or not JSON.
        OutputError: the folder cannot be written.
    """
    weights: dict[str, torch.Tensor] = {}
    for name, shape in weight_shapes(description.network, description.network_arguments).items():
        tensor = state_dict.get(name)
        if tensor is None or tuple(tensor.shape) != shape:
            raise ModelFolderError(
                f"The weights are not those of the network {description.network}: {name} does not "
                "fit."
            )
        tensor = tensor.detach().to("cpu", torch.float32)
        _check_finite(name, tensor)
        halved = tensor.to(torch.float16) if half else tensor
        kept = halved if bool(torch.isfinite(halved).all()) else tensor
        # Copies: a state dict may hold views of one storage, which safetensors refuses.
        weights[name] = kept.clone(memory_format=torch.contiguous_format)
    data = safetensors.torch.save(weights)
    tree = _to_tree(description, hashlib.sha256(data).hexdigest())
    try:
        text = json.dumps(tree, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise ModelFolderError(
            f"The training provenance cannot be written as JSON: {error}."
        ) from error
    for name, content in ((DESCRIPTION, text), (CARD, card)):
        if len(content.encode()) > LARGEST_TEXT:
            raise ModelFolderError(f"{name} would be larger than 1 MB; shorten it.")
    with whole_folder(folder) as partial:
        (partial / WEIGHTS).write_bytes(data)
        (partial / DESCRIPTION).write_bytes(text.encode())
        (partial / CARD).write_bytes(card.encode())


def read_card(folder: Path) -> str:
    """The model card as plain text; what it says is its author's claim.

    Raises:
        ModelFolderError: missing, longer than 1 MB, or not UTF-8.
    """
    return _read_text(folder, CARD)


def read_description(folder: Path) -> ModelDescription:
    """Read and check ``model.json`` without touching the weights.

    Raises:
        ModelFolderError: missing, too large, not JSON, of an unknown version, a key missing or
            unknown, or a value out of range.
    """
    return _read_tree(folder)[0]


def load_model(folder: Path) -> tuple[ModelDescription, torch.nn.Module]:
    """Read a model folder.

    Returns:
        The description and its network: in evaluation mode, on the CPU, in float32.

    Raises:
        ModelFolderError: as ``read_description``, or the weights are missing, too large, altered,
            not safetensors, not this network's, or not finite.
    """
    description, digest = _read_tree(folder)
    shapes = weight_shapes(description.network, description.network_arguments)
    whole = sum(math.prod(shape) for shape in shapes.values()) * _DTYPES["F32"]
    data = _read_weights(folder, whole + LARGEST_HEADER + 8, digest)
    _check_header(data, shapes)
    try:
        stored = safetensors.torch.load(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise _not_safetensors() from error
    # A fresh network draws its weights; whoever loads a model must not lose their own draws.
    with torch.random.fork_rng(devices=[]):
        network = build_network(description.network, description.network_arguments)
    with torch.no_grad():
        for name, weight in weights_of(network).items():
            _check_finite(name, stored[name])
            weight.copy_(stored[name])
    return description, network.eval()


def check_weights(folder: Path) -> tuple[ModelDescription, str]:
    """Read ``model.json`` and check that the weights are the ones it names, building no network.

    Returns:
        The description and the SHA-256 of the weights.

    Raises:
        ModelFolderError: as ``read_description``, or the weights are missing, too large or altered.
    """
    description, digest = _read_tree(folder)
    _read_weights(folder, LARGEST_WEIGHTS, digest)
    return description, digest


def _read_weights(folder: Path, most_bytes: int, digest: str) -> bytes:
    """The bytes of the weights file, if they have that SHA-256."""
    data = _read_bytes(folder, WEIGHTS, min(LARGEST_WEIGHTS, most_bytes))
    if data.startswith(_PICKLES):
        raise ModelFolderError(
            f"{WEIGHTS} is a pickle, which can run a stranger's code, so it is not read; get the "
            "model as a model folder."
        )
    if hashlib.sha256(data).hexdigest() != digest:
        raise ModelFolderError(
            f"The SHA-256 of {WEIGHTS} is not the one in {DESCRIPTION}: the file is damaged or "
            "altered; get the model again."
        )
    return data


def _check_header(data: bytes, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Compare a safetensors header with what the network needs, before any tensor is made."""
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > min(LARGEST_HEADER, len(data) - 8):
        raise _not_safetensors()
    header = _parse(data[8 : 8 + length], WEIGHTS)
    header.pop("__metadata__", None)
    for name in sorted(set(shapes) ^ set(header)):
        state = "lacks" if name in shapes else "has an unknown"
        raise ModelFolderError(
            f"{WEIGHTS} {state} weight {name!r:.80}, so it is not for this network; get the model "
            "again."
        )
    for name, shape in shapes.items():
        entry = header[name]
        if not isinstance(entry, dict):
            raise _not_safetensors()
        stored, kind = entry.get("shape"), entry.get("dtype")
        if stored != list(shape) or kind not in _DTYPES:
            raise ModelFolderError(
                f"The weight {name} in {WEIGHTS} is {kind!r:.10} {stored!r:.40}, but the network "
                f"needs {list(shape)} in half or single precision; get the model again."
            )


def _read_tree(folder: Path) -> tuple[ModelDescription, str]:
    tree = _parse(_read_text(folder, DESCRIPTION).encode(), DESCRIPTION)
    if "format_version" in tree:
        # Before the keys: another version may well have others.
        check_version(tree["format_version"])
    for key in _KEYS:
        if key not in tree:
            raise ModelFolderError(f"{DESCRIPTION} lacks the key {key!r}; get the model again.")
    for key in tree:
        if key not in (*_KEYS, *_NEWER_KEYS):
            raise ModelFolderError(f"{DESCRIPTION} has the unknown key {key!r:.60}; remove it.")
    weights = tree.pop("weights")
    digest = weights.get("sha256") if isinstance(weights, dict) else None
    if not isinstance(digest, str) or set(weights) != {"sha256"}:
        raise ModelFolderError(
            f"The weights entry in {DESCRIPTION} must hold the SHA-256 of {WEIGHTS} and no more."
        )
    tree["calibration"] = Calibration.from_json(tree["calibration"])
    return ModelDescription(**tree), digest


def _to_tree(description: ModelDescription, digest: str) -> dict[str, Any]:
    tree = {key: getattr(description, key) for key in _KEYS if key != "weights"}
    tree["calibration"] = description.calibration.to_json()
    for key in ("network_arguments", "levels", "assessable", "label_band", "training"):
        tree[key] = dict(tree[key])
    for key, usual in _NEWER_KEYS.items():
        if getattr(description, key) != usual:
            tree[key] = getattr(description, key)
    tree["weights"] = {"sha256": digest}
    return tree


def _parse(data: bytes, file: str) -> dict[str, Any]:
    """JSON with keys and values, each key once, and numbers that are numbers."""

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        tree = dict(items)
        if len(tree) != len(items):
            raise ValueError("a key occurs twice")
        return tree

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    try:
        tree = json.loads(data.decode(), object_pairs_hook=pairs, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise ModelFolderError(
            f"{file} is damaged: its text is not proper JSON; get the model again."
        ) from error
    if not isinstance(tree, dict):
        raise ModelFolderError(f"{file} must hold keys and values; get the model again.")
    return tree


def _read_text(folder: Path, name: str) -> str:
    try:
        return _read_bytes(folder, name, LARGEST_TEXT).decode()
    except UnicodeDecodeError as error:
        raise ModelFolderError(f"{name} is not UTF-8 text; get the model again.") from error


def _read_bytes(folder: Path, name: str, limit: int) -> bytes:
    """Read a file of at most ``limit`` bytes, once, so that what is checked is what is used."""
    path = folder / name
    try:
        if not path.is_file():
            raise ModelFolderError(
                f"The model folder {folder.name} has no {name}; a model folder holds {WEIGHTS}, "
                f"{DESCRIPTION} and {CARD}."
            )
        size = path.stat().st_size
        if size > limit:
            raise ModelFolderError(
                f"{name} has {size:,} bytes where at most {limit:,} are expected; get the model "
                "again."
            )
        with path.open("rb") as stream:
            return stream.read(limit)
    except OSError as error:
        raise ModelFolderError(
            f"{name} in the model folder {folder.name} cannot be read ({error.strerror}); check "
            "that you may read it."
        ) from error


def _check_finite(name: str, tensor: torch.Tensor) -> None:
    if not bool(torch.isfinite(tensor).all()):
        raise ModelFolderError(
            f"The weight {name} holds values that are not finite numbers; the model cannot be used."
        )


def _not_safetensors() -> ModelFolderError:
    return ModelFolderError(f"{WEIGHTS} is not a whole safetensors file; get the model again.")
