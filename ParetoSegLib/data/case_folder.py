"""One case from one folder, or from files named one by one.

Each rule looks at one folder's listing and says which case it holds, if it knows its names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ParetoSegLib.core.errors import ImageReadError, LayoutError, UsageError
from ParetoSegLib.core.images import SUFFIXES, file_hash, is_image_file, shown_name, stem_of
from ParetoSegLib.core.labels import (
    BINARY_CORE,
    BRATS_2018,
    BRATS_METS,
    CORE_EDEMA,
    MODALITIES,
    LabelScheme,
)
from ParetoSegLib.data.case import CaseFiles
from ParetoSegLib.data.sequence_names import patient_of, sequence_of, speaks_of_mask

_BRATS_2018_NAMES = {"t1n": "t1", "t1c": "t1ce", "t2w": "t2", "t2f": "flair"}
_UCSF_NAMES = {"t1n": "T1pre", "t1c": "T1post", "t2w": "T2Synth", "t2f": "FLAIR"}


@dataclass(frozen=True)
class Listing:
    """A folder's content.

    Args:
        folder: the folder.
        files: its visible files by name.
        folders: its visible subfolders by name.
    """

    folder: Path
    files: Mapping[str, Path]
    folders: Mapping[str, Path]

    @classmethod
    def of(cls, folder: Path) -> Listing:
        """List a folder once.

        Raises:
            LayoutError: it cannot be read.
        """
        try:
            entries = sorted(p for p in folder.iterdir() if not p.name.startswith("."))
        except OSError as error:
            raise LayoutError(
                f"The folder {folder.name} cannot be listed ({error.strerror}); "
                "check its permissions."
            ) from error
        folders = {p.name: p for p in entries if p.is_dir()}
        return cls(folder, {p.name: p for p in entries if p.name not in folders}, folders)

    @property
    def name(self) -> str:
        """The folder's name, also where the path ends in ``.`` or ``..``."""
        return self.folder.name or self.folder.resolve().name

    def image(self, stem: str) -> Path | None:
        """The image file ``stem`` with any of the known suffixes."""
        return next((self.files[stem + s] for s in SUFFIXES if stem + s in self.files), None)


def brats_case(listing: Listing, dataset: str) -> CaseFiles | None:
    """BraTS-METS names: ``<prefix>-<patient>-<visit>-{t1c,t1n,t2f,t2w,seg}``."""
    name = listing.name
    if not re.fullmatch(r".+-\w+-\d+", name):
        return None
    patient = name.rpartition("-")[0]
    labels = listing.image(f"{name}-seg")
    sequences = {m: f"{name}-{m}" for m in MODALITIES}
    return _case(listing, name, patient, sequences, labels, BRATS_METS, dataset)


def brats_2018_case(listing: Listing, dataset: str = "brats-2018") -> CaseFiles | None:
    """BraTS 2018 names: ``Brats18_X_{flair,t1,t1ce,t2,seg}``."""
    name = listing.name
    if not re.fullmatch(r"brats\d\d_.+", name, re.IGNORECASE):
        return None
    labels = listing.image(f"{name}_seg")
    sequences = {m: f"{name}_{word}" for m, word in _BRATS_2018_NAMES.items()}
    return _case(listing, name, name, sequences, labels, BRATS_2018, dataset)


def ucsf_case(listing: Listing, dataset: str = "ucsf-bmsr") -> CaseFiles | None:
    """UCSF-BMSR names: ``100101A_{T1pre,T1post,FLAIR,T2Synth,seg,BraTS-seg}``.

    The letter is the visit. Labels by compartment win over the binary mask.
    """
    name = listing.name
    match = re.fullmatch(r"(\d{4,})[A-Za-z]?", name)
    if not match:
        return None
    labels, scheme = listing.image(f"{name}_BraTS-seg"), BRATS_METS
    if labels is None:
        labels, scheme = listing.image(f"{name}_seg"), BINARY_CORE
    sequences = {m: f"{name}_{word}" for m, word in _UCSF_NAMES.items()}
    return _case(listing, name, match[1], sequences, labels, scheme, dataset)


def lung_case(listing: Listing, dataset: str = "brain-mets-lung") -> CaseFiles | None:
    """Brain-Mets-Lung-MRI-Path-Segs: T1CE and FLAIR in one folder, with a mask or several."""
    images = _images_by_name(listing)
    if not images or not set(images) <= {"t1c", "t2f"}:
        return None
    masks = [p for p in listing.files.values() if is_image_file(p) and speaks_of_mask(stem_of(p))]
    scheme = CORE_EDEMA if masks else None
    name = listing.name
    return CaseFiles(name, patient_of(name), images, tuple(masks), scheme, dataset)


def named_case(listing: Listing, dataset: str = "by-name") -> CaseFiles | None:
    """Any folder whose file (or DICOM subfolder) names say which sequence they show; no labels."""
    images = _images_by_name(listing)
    if not images:
        return None
    return CaseFiles(listing.name, patient_of(listing.name), images, dataset=dataset)


def case_from_folder(folder: Path) -> CaseFiles:
    """The case in one folder: by a data set's names if they fit, else by the sequences' names.

    Raises:
        LayoutError: no such folder, or no image whose name says which sequence it shows.
    """
    if not folder.is_dir():
        raise LayoutError(f"The folder {folder.name} does not exist; check its path.")
    listing = Listing.of(folder)
    case = (
        brats_case(listing, "brats-mets")
        or brats_2018_case(listing)
        or ucsf_case(listing)
        or named_case(listing)
    )
    if case is None:
        raise LayoutError(
            f"{listing.name} holds no image whose name says which sequence it shows (t1c, t1n, "
            "t2w, t2f; T1ce, T1, T2, FLAIR); rename the files or give them one by one."
        )
    return case


def case_from_files(
    name: str,
    t1n: Path | None = None,
    t1c: Path | None = None,
    t2w: Path | None = None,
    t2f: Path | None = None,
    labels: tuple[Path, ...] = (),
    scheme: LabelScheme | None = None,
) -> CaseFiles:
    """A case of files named one by one; at least one sequence.

    Raises:
        UsageError: no file, or one image given for two sequences (compared by content).
        ImageReadError: a file is missing.
    """
    given = {"t1n": t1n, "t1c": t1c, "t2w": t2w, "t2f": t2f}
    images = {m: path for m, path in given.items() if path is not None}
    if not images:
        raise UsageError("Give at least one image: T1c, T1, T2 or FLAIR.")
    for path in (*images.values(), *labels):
        if not path.exists():
            raise ImageReadError(f"{path.name} does not exist; check its path.")
    seen: dict[str, str] = {}
    for modality, digest in ((m, file_hash(p)) for m, p in images.items()):
        if digest in seen:
            raise UsageError(
                f"{shown_name(images[modality])} was given for both {seen[digest]} and {modality} "
                "(the content is the same); give each sequence its own image."
            )
        seen[digest] = modality
    return CaseFiles(name, patient_of(name), images, labels, scheme)


def _case(
    listing: Listing,
    name: str,
    patient: str,
    sequences: Mapping[str, str],
    labels: Path | None,
    scheme: LabelScheme,
    dataset: str,
) -> CaseFiles | None:
    found = {m: listing.image(stem) for m, stem in sequences.items()}
    images = {m: path for m, path in found.items() if path is not None}
    if not images:
        return None
    if labels is None:
        return CaseFiles(name, patient, images, dataset=dataset)
    return CaseFiles(name, patient, images, (labels,), scheme, dataset)


def _images_by_name(listing: Listing) -> dict[str, Path]:
    """Files, or subfolders (DICOM), by the sequence that their names speak of.

    Raises:
        LayoutError: two of them speak of the same.
    """
    own = patient_of(listing.name)
    places = {stem_of(p): p for p in listing.files.values() if is_image_file(p)}
    places |= {name: p for name, p in listing.folders.items() if name not in places}
    found: dict[str, Path] = {}
    for stem, path in places.items():
        # A patient's own name may hold words such as "T1"; it says nothing about the sequence.
        modality = sequence_of(stem.removeprefix(own))
        if modality is None:
            continue
        if modality in found:
            raise LayoutError(
                f"{listing.name} holds two images that look like {modality}: "
                f"{found[modality].name} and {path.name}; give the files one by one."
            )
        found[modality] = path
    return {m: found[m] for m in MODALITIES if m in found}
