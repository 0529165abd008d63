"""The folder layouts of public data sets: from a folder to its cases.

A layout is one function from the folder's listings to case files. ``find_cases`` runs all of
them and takes the one that fits; nothing is read but folder listings and JSON files.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from ParetoSegLib.core.errors import LayoutError, UsageError
from ParetoSegLib.core.images import is_image_file, stem_of
from ParetoSegLib.core.labels import BINARY_CORE, BRATS_METS
from ParetoSegLib.data.case import CaseFiles
from ParetoSegLib.data.case_folder import (
    Listing,
    brats_2018_case,
    brats_case,
    lung_case,
    named_case,
    ucsf_case,
)
from ParetoSegLib.data.listed_layouts import datalist_cases, is_datalist, nnunet_cases
from ParetoSegLib.data.sequence_names import patient_of

_log = logging.getLogger(__name__)

_DEPTH = 3
"""Deepest case below the folder given: one level above ``root/HGG/Brats18_X``."""

_OVERLAY = re.compile(r"corrected[-_ ]?labels?", re.IGNORECASE)
_YALE = "pretreat-metstobrain-masks"
_LUNG = "brain-mets-lung"


@dataclass(frozen=True)
class Layout:
    """A way to arrange cases in folders.

    Args:
        title: the data set's name, for people.
        expects: what its files are called, for error messages.
        find: all cases it recognises in the listings of a folder and what is below; the
            ``dataset`` of a case says which layout it belongs to if several could read it.
        fallback: only asked when no other layout fits.
    """

    title: str
    expects: str
    find: Callable[[Sequence[Listing]], list[CaseFiles]]
    fallback: bool = False


def find_cases(folder: Path, layout: str = "auto") -> tuple[str, list[CaseFiles]]:
    """Find the cases of a data set.

    Args:
        folder: the data set's root, the folder above it, one case's folder, or a datalist.
        layout: one of ``LAYOUTS``, or ``"auto"`` to recognise it.

    Returns:
        The layout's name and the cases, sorted by name.

    Raises:
        UsageError: no layout of that name.
        LayoutError: no such folder; no layout fits, or several do; two cases of one name.
    """
    if layout != "auto" and layout not in LAYOUTS:
        raise UsageError(
            f"There is no layout {layout!r}; choose one of auto, {', '.join(LAYOUTS)}."
        )
    if not folder.exists():
        raise LayoutError(f"The folder {folder.name} does not exist; check its path.")
    if folder.is_file():
        listings = [Listing(folder.parent, {folder.name: folder}, {})]
    else:
        listings = _walk(folder)
    name, cases = _recognise(folder, listings) if layout == "auto" else (layout, [])
    if layout != "auto":
        cases = [replace(case, dataset=layout) for case in LAYOUTS[layout].find(listings)]
        if not cases:
            raise LayoutError(
                f"{folder.name} does not hold {LAYOUTS[layout].title}; "
                f"it would hold {LAYOUTS[layout].expects}."
            )
    cases = sorted(cases, key=lambda case: case.name)
    _check_names(cases, folder)
    return name, cases


def _recognise(folder: Path, listings: Sequence[Listing]) -> tuple[str, list[CaseFiles]]:
    fitting = {
        name: [case for case in layout.find(listings) if case.dataset == name]
        for name, layout in LAYOUTS.items()
        if not layout.fallback
    }
    fitting = {name: cases for name, cases in fitting.items() if cases}
    if len(fitting) > 1:
        raise LayoutError(
            f"{folder.name} holds several data sets ({', '.join(fitting)}); "
            "give the folder of one, or name its layout by --layout."
        )
    for name, layout in LAYOUTS.items():
        if not fitting and layout.fallback and (cases := layout.find(listings)):
            fitting[name] = cases
    if not fitting:
        raise LayoutError(
            f"{folder.name} looks like none of the known layouts ({', '.join(LAYOUTS)}); it could "
            f"hold {LAYOUTS['brats-mets'].expects}, or a folder per patient with files named "
            "after their sequence (T1c, T1, T2, FLAIR)."
        )
    return next(iter(fitting.items()))


def _check_names(cases: Sequence[CaseFiles], folder: Path) -> None:
    """Names become folders of results: they must differ, and be folders' names."""
    seen: set[str] = set()
    for case in cases:
        if not case.name.strip(" .") or re.search(r'[<>:"/\\|?*\x00-\x1f]', case.name):
            raise LayoutError(f"The case name {case.name!r} cannot be a folder's name; rename it.")
        # Folders' names differ by more than case on Windows and macOS.
        if case.name.casefold() in seen:
            raise LayoutError(
                f"{folder.name} holds two cases called {case.name}; rename or remove one."
            )
        seen.add(case.name.casefold())


def _walk(folder: Path, depth: int = _DEPTH) -> list[Listing]:
    """Listings of a folder and what is below, parents first."""
    listing = Listing.of(folder)
    found = [listing]
    if depth > 0:
        for below in listing.folders.values():
            try:
                found += _walk(below, depth - 1)
            except LayoutError as error:
                _log.warning("%s", error)
    return found


def _case_per_folder(
    rule: Callable[[Listing], CaseFiles | None],
) -> Callable[[Sequence[Listing]], list[CaseFiles]]:
    """Every folder that the rule knows is a case; what lies inside a case is not another."""

    def find(listings: Sequence[Listing]) -> list[CaseFiles]:
        cases: dict[Path, CaseFiles] = {}
        for listing in listings:
            if cases.keys() & set(listing.folder.parents):
                continue
            if (case := rule(listing)) is not None:
                cases[listing.folder] = case
        return list(cases.values())

    return find


def _brats(listings: Sequence[Listing]) -> list[CaseFiles]:
    """Cases by BraTS-METS names, their labels replaced by corrected ones where there are any."""
    root = listings[0]
    corrected: dict[str, Path] = {}
    plain = []
    for listing in listings:
        if not any(_OVERLAY.search(part) for part in _parts(listing, root)[1:]):
            plain.append(listing)
            continue
        for path in listing.files.values():
            if is_image_file(path) and stem_of(path).endswith("-seg"):
                corrected[stem_of(path).removesuffix("-seg")] = path
    cases = _case_per_folder(lambda listing: brats_case(listing, _brats_dataset(listing, root)))(
        plain
    )
    if corrected:
        replaced = sum(case.name in corrected for case in cases)
        _log.info("Corrected labels replace those of %d cases.", replaced)
    return [
        replace(case, labels=(corrected[case.name],), scheme=BRATS_METS)
        if case.name in corrected
        else case
        for case in cases
    ]


def _brats_dataset(listing: Listing, root: Listing) -> str:
    if listing.name.startswith("ParetoSynth-"):
        return "paretosynth"
    marked = any(_YALE in part.lower() for part in _parts(listing, root))
    return "pretreat-mets" if marked else "brats-mets"


def _parts(listing: Listing, root: Listing) -> tuple[str, ...]:
    """Names of the folders from the root, included, to a listing."""
    return (root.name, *listing.folder.relative_to(root.folder).parts)


def _lung(listings: Sequence[Listing]) -> list[CaseFiles]:
    """Its file names are too plain to go by: the folder's name must say which data set it is."""
    inside = [
        listing
        for listing in listings
        if any(_LUNG in part.lower() for part in _parts(listing, listings[0]))
    ]
    return _case_per_folder(lung_case)(inside)


def _bcbm(listings: Sequence[Listing]) -> list[CaseFiles]:
    """T1c only; the masks of a case are its lesions, one or several a file, and are united."""
    images: list[tuple[str, Path]] = []
    masks: dict[str, list[Path]] = {}
    for path in (path for listing in listings for path in listing.files.values()):
        if not is_image_file(path):
            continue
        if match := re.fullmatch(r"(.+)_image_ss_n4", stem_of(path)):
            images.append((match[1], path))
        elif match := re.fullmatch(r"(.+?)_mask(_.*)?", stem_of(path)):
            masks.setdefault(match[1], []).append(path)
    cases = []
    for name, path in images:
        labels = tuple(masks.get(name, ()))
        scheme = BINARY_CORE if labels else None
        cases.append(CaseFiles(name, patient_of(name), {"t1c": path}, labels, scheme, "bcbm"))
    return cases


def _nnunet(listings: Sequence[Listing]) -> list[CaseFiles]:
    return [case for listing in listings for case in nnunet_cases(listing)]


def _monai(listings: Sequence[Listing]) -> list[CaseFiles]:
    root = listings[0].folder
    near = [listing for listing in listings if len(listing.folder.relative_to(root).parts) < 2]
    lists = [
        path
        for listing in near
        for path in listing.files.values()
        if path.suffix.lower() == ".json"
        and not (path.name == "dataset.json" and nnunet_cases(listing))
        and is_datalist(path)
    ]
    if len(lists) > 1:
        raise LayoutError(
            f"{listings[0].name} holds several datalists "
            f"({', '.join(path.name for path in lists)}); give the path of one."
        )
    return datalist_cases(lists[0]) if lists else []


_BRATS_FILES = "<name>-<patient>-<visit>/<name>-<patient>-<visit>-{t1c,t1n,t2w,t2f,seg}.nii.gz"

LAYOUTS: Mapping[str, Layout] = MappingProxyType(
    {
        "brats-mets": Layout("BraTS-METS", _BRATS_FILES, _brats),
        "pretreat-mets": Layout("Pretreat-MetsToBrain-Masks", _BRATS_FILES, _brats),
        "paretosynth": Layout("synthetic patients", _BRATS_FILES, _brats),
        "brats-2018": Layout(
            "BraTS 2018",
            "{HGG,LGG}/Brats18_X/Brats18_X_{flair,t1,t1ce,t2,seg}.nii.gz",
            _case_per_folder(brats_2018_case),
        ),
        "ucsf-bmsr": Layout(
            "UCSF-BMSR",
            "100101A/100101A_{T1pre,T1post,FLAIR,T2Synth,BraTS-seg}.nii.gz",
            _case_per_folder(ucsf_case),
        ),
        "bcbm": Layout(
            "BCBM-RadioGenomics", "<ID>_image_ss_n4.nii.gz and <ID>_mask_*.nii.gz", _bcbm
        ),
        "brain-mets-lung": Layout(
            "Brain-Mets-Lung-MRI-Path-Segs",
            "a folder per patient with T1CE, FLAIR and a mask, in a folder called after it",
            _lung,
        ),
        "nnunet": Layout(
            "an nnU-Net raw data set",
            "dataset.json, imagesTr/<case>_0000.nii.gz … and labelsTr/<case>.nii.gz",
            _nnunet,
        ),
        "monai": Layout(
            "a MONAI datalist", 'a JSON file with "training", "validation" or "testing"', _monai
        ),
        "by-name": Layout(
            "patients in folders of their own",
            "a folder per patient with files (or DICOM folders) named T1c, T1, T2, FLAIR",
            _case_per_folder(named_case),
            fallback=True,
        ),
    }
)
"""Layouts by the name that a user types."""
