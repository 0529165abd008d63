"""Splits by patient, written to a file, and the check that no patient is on both sides."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ParetoSegLib.core.errors import ConfigError, LayoutError
from ParetoSegLib.core.outputs import whole_file
from ParetoSegLib.core.seeds import derive_seed
from ParetoSegLib.data.case import CaseFiles

_FORMAT = 1
_PARTS = ("train", "validation", "calibration")


@dataclass(frozen=True)
class Split:
    """Names of the cases to learn from, to choose the best weights by, and to calibrate on."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    calibration: tuple[str, ...]


def split_patients(
    cases: Sequence[CaseFiles],
    fractions: tuple[float, float, float] = (0.7, 0.15, 0.15),
    seed: int = 0,
) -> Split:
    """Split cases so that all visits of a patient are in one part.

    Patients are put in an order that depends on the seed and their own names alone, so neither
    the order of ``cases`` nor the machine matters. Parts with a fraction above 0 get a patient
    at least, training first, as long as there are enough.

    Args:
        cases: of one or several data sets.
        fractions: shares of patients for training, validation and calibration; they sum to 1.
        seed: of the order.

    Raises:
        ConfigError: the fractions are negative or do not sum to 1, or nothing is to train on.
    """
    if len(fractions) != 3 or min(fractions) < 0 or not abs(sum(fractions) - 1) <= 1e-6:
        shown = ", ".join(f"{f:g}" for f in fractions)
        raise ConfigError(
            f"The split fractions ({shown}) must be three numbers from 0 that sum to 1."
        )
    if fractions[0] == 0:
        raise ConfigError("The first split fraction is 0, which leaves no patient to train on.")
    patients = sorted(
        {_identity(case.patient) for case in cases},
        key=lambda patient: (derive_seed(seed, "split", patient), patient),
    )
    counts = _counts(len(patients), fractions)
    part_of: dict[str, int] = {}
    start = 0
    for part, count in enumerate(counts):
        part_of |= dict.fromkeys(patients[start : start + count], part)
        start += count
    names: tuple[list[str], list[str], list[str]] = ([], [], [])
    for case in cases:
        names[part_of[_identity(case.patient)]].append(case.name)
    train, validation, calibration = (tuple(sorted(part)) for part in names)
    return Split(train, validation, calibration)


def write_split(split: Split, path: Path) -> None:
    """Write a split as JSON.

    Raises:
        OutputError: the place cannot be written.
    """
    text = json.dumps({"format": _FORMAT, **asdict(split)}, indent=2, ensure_ascii=False)
    with whole_file(path) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def read_split(path: Path) -> Split:
    """Read what ``write_split`` wrote.

    Raises:
        ConfigError: the file is missing or damaged, of an unknown version, or lists a case twice.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"The split {path.name} cannot be read as JSON; check it.") from error
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise ConfigError(f"{path.name} is not a split of format {_FORMAT}; make a new one.")
    parts: list[list[str]] = [content.get(part, []) for part in _PARTS]
    if not set(_PARTS) <= content.keys() or not all(
        isinstance(part, list) and all(isinstance(name, str) for name in part) for part in parts
    ):
        raise ConfigError(f"{path.name} lacks a list of case names for one of {', '.join(_PARTS)}.")
    counted = Counter(name for part in parts for name in part)
    twice = sorted(name for name, count in counted.items() if count > 1)
    if twice:
        raise ConfigError(f"{path.name} lists the case {twice[0]} twice; make a new one.")
    train, validation, calibration = (tuple(part) for part in parts)
    return Split(train, validation, calibration)


def overlapping_patients(a: Iterable[CaseFiles], b: Iterable[CaseFiles]) -> set[str]:
    """Patients of ``a`` (named as there) that are in ``b`` too, whatever the data set.

    Pretreat-MetsToBrain-Masks and BraTS-METS share patients under the same ID, so IDs are compared
    across data sets. The same patient under two IDs cannot be told.
    """
    there = {_identity(case.patient) for case in b}
    return {case.patient for case in a if _identity(case.patient) in there}


def refuse_overlap(training: Iterable[CaseFiles], testing: Iterable[CaseFiles]) -> None:
    """Refuse to test on patients that were trained on.

    Raises:
        LayoutError: there are some; the first of them are named.
    """
    shared = sorted(overlapping_patients(training, testing))
    if shared:
        shown = ", ".join(shared[:3]) + (" …" if len(shared) > 3 else "")
        count = "1 patient is" if len(shared) == 1 else f"{len(shared)} patients are"
        raise LayoutError(
            f"{count} in both the training and the test data ({shown}); "
            "take them out of one of the two."
        )


def _identity(patient: str) -> str:
    return patient.strip().casefold()


def _counts(patients: int, fractions: Sequence[float]) -> list[int]:
    """Patients per part: largest remainders, then one at least where there should be some."""
    exact = [patients * f for f in fractions]
    counts = [int(e + 1e-9) for e in exact]
    for part in sorted(range(len(exact)), key=lambda i: counts[i] - exact[i])[
        : patients - sum(counts)
    ]:
        counts[part] += 1
    for part, fraction in enumerate(fractions):
        if fraction > 0 and counts[part] == 0:
            richest = max(range(len(counts)), key=lambda i: (counts[i], -i))
            if counts[richest] > 1 or (part == 0 and counts[richest] > 0):
                counts[richest] -= 1
                counts[part] += 1
    return counts
