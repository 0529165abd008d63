"""Converted networks in the user's cache folder, so that each is converted once.

An entry is a folder with OpenVINO's two files and their hashes. Nothing depends on it: what is
missing, damaged or cannot be written costs a conversion and no more.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import shutil
import tempfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import ParetoSegLib
from ParetoSegLib.core.cache_folder import cache_folder
from ParetoSegLib.model import networks

logger = logging.getLogger(__name__)

FORMAT = 1
"""Raised when what is converted, or how it is checked, changes."""

LARGEST_FILE = 2**30
KEPT = 16
"""Entries that are kept; the ones unused for longest go."""

LAYERS, WEIGHTS, HASHES = "network.xml", "network.bin", "hashes.json"


@dataclass(frozen=True)
class Converted:
    """A network in OpenVINO's format: the text of its layers, and the bytes of its weights."""

    layers: bytes
    weights: bytes


def entry_of(identity: str, patch: tuple[int, int, int] | None) -> Path | None:
    """The folder of a network for one window size, or for any; ``None`` where there is no cache.

    Its name is a hash of the network's identity, the window, the code that builds networks, and
    the versions of all that has a part in the conversion.
    """
    root = cache_folder()
    if root is None:
        return None
    told = [FORMAT, identity, list(patch or ()), _code()]
    told += [_version(package) for package in ("openvino", "torch", "monai")]
    digest = hashlib.sha256(json.dumps(told).encode()).hexdigest()
    return root / "openvino" / digest[:32]


def is_stored(identity: str, patch: tuple[int, int, int] | None) -> bool:
    """Whether there is an entry, whole or not."""
    entry = entry_of(identity, patch)
    try:
        return entry is not None and (entry / HASHES).is_file()
    except OSError:
        return False


def read_entry(entry: Path) -> Converted | None:
    """An entry whose files are the ones that were written; ``None`` for any other."""
    try:
        files = []
        hashes = json.loads((entry / HASHES).read_text(encoding="utf-8"))
        for name in (LAYERS, WEIGHTS):
            if (entry / name).stat().st_size > LARGEST_FILE:
                raise ValueError(f"{name} is too large")
            data = (entry / name).read_bytes()
            if hashlib.sha256(data).hexdigest() != hashes[name]:
                raise ValueError(f"{name} is damaged")
            files.append(data)
        with contextlib.suppress(OSError):
            (entry / HASHES).touch()  # used now: others go first
        return Converted(*files)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        logger.debug("A converted network in the cache cannot be used: %s", error)
        return None


def write_entry(entry: Path, converted: Converted) -> None:
    """Keep a converted network, whole or not at all; where that fails, it is not kept."""
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=entry.parent))
        try:
            hashes = {}
            for name, data in ((LAYERS, converted.layers), (WEIGHTS, converted.weights)):
                (partial / name).write_bytes(data)
                hashes[name] = hashlib.sha256(data).hexdigest()
            (partial / HASHES).write_text(json.dumps(hashes), encoding="utf-8")
            if entry.exists():
                shutil.rmtree(entry)
            partial.rename(entry)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        _drop_oldest(entry.parent)
    except OSError as error:
        logger.debug("A converted network could not be kept: %s", error)


def _drop_oldest(folder: Path) -> None:
    entries = [path for path in folder.iterdir() if (path / HASHES).is_file()]
    entries.sort(key=lambda path: (path / HASHES).stat().st_mtime, reverse=True)
    for path in entries[KEPT:]:
        shutil.rmtree(path, ignore_errors=True)


def _code() -> str:
    """The hash of the files that build networks: layers may change with their names kept."""
    folder = Path(networks.__file__).parent
    files = ("networks.py", "refinement.py", "fixed_norm.py")
    try:
        told = b"".join((folder / name).read_bytes() for name in files)
        return hashlib.sha256(told).hexdigest()
    except OSError:
        return ParetoSegLib.__version__


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # bundled without metadata
        return "unknown"
