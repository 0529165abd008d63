"""Data sets that a JSON file describes: nnU-Net raw folders and MONAI datalists."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from pathlib import Path

from ParetoSegLib.core.errors import LayoutError
from ParetoSegLib.core.images import stem_of
from ParetoSegLib.core.labels import MODALITIES, LabelScheme
from ParetoSegLib.data.case import CaseFiles
from ParetoSegLib.data.case_folder import Listing
from ParetoSegLib.data.label_names import named_scheme, scheme_from_names
from ParetoSegLib.data.sequence_names import patient_of, sequence_of, without_sequence

_log = logging.getLogger(__name__)

_SECTIONS = ("training", "validation", "testing")
_MOST_BYTES = 50_000_000
_NAME_KEYS = ("name", "id", "case", "case_id")
_LABEL_KEYS = ("label", "labels", "seg", "mask")


def nnunet_cases(listing: Listing) -> list[CaseFiles]:
    """Cases of an nnU-Net raw folder: ``imagesTr``, or ``imagesTs`` where there is no other.

    Channels are told by ``channel_names`` (or ``modality``) of ``dataset.json``, labels by its
    ``labels``. A folder that is none gives an empty list.

    Raises:
        LayoutError: ``dataset.json`` does not say what a channel or a label is.
    """
    place = listing.folders.get("imagesTr") or listing.folders.get("imagesTs")
    source = listing.files.get("dataset.json")
    if place is None or source is None:
        return []
    described = read_json(source)
    ending = str(described.get("file_ending", ".nii.gz"))
    form = re.compile(r"(.+)_(\d{4})" + re.escape(ending))
    files = Listing.of(place).files
    found: dict[str, dict[int, Path]] = {}
    for file_name, path in files.items():
        if match := form.fullmatch(file_name):
            found.setdefault(match[1], {})[int(match[2])] = path
    if not found:
        return []
    sequences = _sequences(described, source.name)
    if not any(sequences.values()):
        raise LayoutError(
            f"{source.name} does not say which sequence a channel is; "
            'give "channel_names" such as {"0": "T1c", "1": "FLAIR"}.'
        )
    labels_folder = listing.folders.get(place.name.replace("images", "labels"))
    labels = Listing.of(labels_folder).files if labels_folder else {}
    scheme = None
    if any(name + ending in labels for name in found):
        scheme = scheme_from_names(_mapping(described, "labels", source.name), source.name)
    cases = []
    for name, channels in found.items():
        images: dict[str, Path] = {}
        for number, path in channels.items():
            if number not in sequences:
                raise LayoutError(f"{path.name} is channel {number}, which {source.name} lacks.")
            _put(images, sequences[number], path, source.name)
        label = labels.get(name + ending)
        cases.append(_case(name, patient_of(name), images, (label,) if label else (), scheme))
    return cases


def is_datalist(path: Path) -> bool:
    """Whether a JSON file lists cases as MONAI does (and is not nnU-Net's own ``dataset.json``)."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            return False
        text = path.read_bytes()
        if not any(f'"{section}"'.encode() in text for section in _SECTIONS):
            return False
        content = json.loads(text)
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and any(
        isinstance(content.get(section), list)
        and any(isinstance(item, dict) for item in content[section])
        for section in _SECTIONS
    )


def datalist_cases(source: Path) -> list[CaseFiles]:
    """Cases of a MONAI datalist: its training and validation parts, or else its testing part.

    An item has ``image`` (a path, or one per channel) or a key per sequence, and perhaps
    ``label``, ``name``, ``patient``; paths are relative to the file. ``channel_names`` or
    ``modality`` says what channels are, else the file names do. ``labels`` (values to names) or
    ``scheme`` (one of ours) says what label values mean.

    Raises:
        LayoutError: an item is not understood.
    """
    described = read_json(source)
    training, validation, testing = (_section(described, name) for name in _SECTIONS)
    items = training + validation or testing
    sequences = _sequences(described, source.name)
    cases = []
    scheme: LabelScheme | None = None
    for number, item in enumerate(items, 1):
        if isinstance(item, (str, list)):
            item = {"image": item}
        if not isinstance(item, dict):
            raise LayoutError(f"{source.name} has an entry ({number}) that is not a case.")
        images = _item_images(item, sequences, source, number)
        given: object = next((item[key] for key in _LABEL_KEYS if item.get(key)), [])
        labels = tuple(_path(p, source) for p in (given if isinstance(given, list) else [given]))
        if labels and scheme is None:
            scheme = _given_scheme(described, source.name)
        first = images[next(m for m in MODALITIES if m in images)]
        name = next((str(item[key]) for key in _NAME_KEYS if item.get(key)), "")
        name = name or without_sequence(stem_of(first)) or first.parent.name
        patient = str(item.get("patient") or item.get("subject") or patient_of(name))
        cases.append(_case(name, patient, images, labels, scheme, "monai"))
    return cases


def read_json(path: Path) -> dict[str, object]:
    """A JSON object from a file.

    Raises:
        LayoutError: it cannot be read, or is something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise LayoutError(f"{path.name} cannot be read as JSON; correct it.") from error
    if not isinstance(content, dict):
        raise LayoutError(f"{path.name} does not hold a JSON object; correct it.")
    return content


def _case(
    name: str,
    patient: str,
    images: dict[str, Path],
    labels: tuple[Path, ...],
    scheme: LabelScheme | None,
    dataset: str = "nnunet",
) -> CaseFiles:
    ordered = {m: images[m] for m in MODALITIES if m in images}
    return CaseFiles(name, patient, ordered, labels, scheme if labels else None, dataset)


def _sequences(described: Mapping[str, object], file_name: str) -> dict[int, str | None]:
    """The sequence of each channel; ``None`` for one that is none of the four."""
    names = described.get("channel_names") or described.get("modality") or {}
    if isinstance(names, list):
        names = dict(enumerate(names))
    if isinstance(names, str):
        names = {0: names}
    if not isinstance(names, dict):
        raise LayoutError(f"{file_name} has channel names that are not a list; correct it.")
    found: dict[int, str | None] = {}
    for number, name in names.items():
        if not str(number).isdigit():
            raise LayoutError(f"{file_name} has a channel {number!r}; channels are numbered.")
        found[int(number)] = sequence_of(str(name))
        if found[int(number)] is None:
            _log.warning("%s: channel %s (%s) is left out.", file_name, number, name)
    return found


def _section(described: Mapping[str, object], name: str) -> list[object]:
    items = described.get(name) or []
    return list(items) if isinstance(items, list) else []


def _item_images(
    item: Mapping[str, object], sequences: Mapping[int, str | None], source: Path, number: int
) -> dict[str, Path]:
    images: dict[str, Path] = {}
    given = item.get("image")
    if given is not None:
        several = given if isinstance(given, list) else [given]
        for channel, entry in enumerate(several):
            path = _path(entry, source)
            known = channel in sequences and len(sequences) == len(several)
            sequence = sequences[channel] if known else sequence_of(stem_of(path))
            if sequence is None and not known:
                raise LayoutError(
                    f"{source.name} does not say which sequence {path.name} shows; "
                    'give "channel_names" such as {"0": "T1c", "1": "FLAIR"}.'
                )
            _put(images, sequence, path, source.name)
    else:
        for key, entry in item.items():
            sequence = key if key in MODALITIES else sequence_of(key)
            if sequence is not None and isinstance(entry, str):
                _put(images, sequence, _path(entry, source), source.name)
    if not images:
        raise LayoutError(f"{source.name} has an entry ({number}) without an image.")
    return images


def _put(images: dict[str, Path], sequence: str | None, path: Path, file_name: str) -> None:
    if sequence is None:
        return
    if sequence in images:
        raise LayoutError(
            f"{file_name} names both {images[sequence].name} and {path.name} as {sequence}; "
            "name each sequence once."
        )
    images[sequence] = path


def _path(entry: object, source: Path) -> Path:
    if not isinstance(entry, str):
        raise LayoutError(f"{source.name} gives {entry!r} where a file's path is needed.")
    return source.parent / entry


def _mapping(described: Mapping[str, object], key: str, file_name: str) -> Mapping[str, object]:
    value = described.get(key)
    if not isinstance(value, dict):
        raise LayoutError(
            f'{file_name} does not say what its labels mean; give "labels", '
            'such as {"0": "background", "1": "metastasis"}.'
        )
    return value


def _given_scheme(described: Mapping[str, object], file_name: str) -> LabelScheme:
    if "scheme" in described:
        return named_scheme(str(described["scheme"]), file_name)
    return scheme_from_names(_mapping(described, "labels", file_name), file_name)
