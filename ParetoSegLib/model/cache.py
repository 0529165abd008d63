"""Prepared cases on disk, memory-mapped: read once, checked by hash, cut into patches for free."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ParetoSegLib.core.errors import TrainingError
from ParetoSegLib.core.geometry import components
from ParetoSegLib.core.images import file_hash
from ParetoSegLib.core.labels import REGIONS
from ParetoSegLib.core.outputs import whole_folder
from ParetoSegLib.core.resources import brain_outliner
from ParetoSegLib.data.case import CaseFiles, read_case
from ParetoSegLib.data.head_mask import HEAD, Outline
from ParetoSegLib.data.preprocessing import PreprocessingSettings
from ParetoSegLib.method.fuzzy import fuzzy_labels
from ParetoSegLib.model.augmentation import QUANTA
from ParetoSegLib.model.description import FILE_NAME
from ParetoSegLib.model.outlining import prepare_within

CACHE_VERSION = 2


@dataclass(frozen=True)
class LabelBand:
    """The band of the fuzzy labels: half-width ``band_mm`` and its limit ``beta`` · lesion radius.

    A ``band_mm`` of 0 gives hard labels (the rival to compare with).
    """

    band_mm: float = 1.5
    beta: float = 0.75

    def __post_init__(self) -> None:
        if not 0 <= self.band_mm <= 10:
            raise ValueError(f"band_mm is {self.band_mm}; it must lie between 0 and 10.")
        if not 0 < self.beta <= 1:
            raise ValueError(f"beta is {self.beta}; it must lie between 0 and 1.")


@dataclass(frozen=True)
class CachedLesion:
    """Where a lesion is in a cached case: a voxel inside it and its size in voxels."""

    centre: tuple[int, int, int]
    voxels: int


@dataclass(frozen=True)
class CachedCase:
    """A prepared case whose arrays lie on disk.

    ``images`` is float16 ``(4, D, H, W)``; ``membership`` is uint8 ``(3, D, H, W)`` in steps of
    1/255; ``regions`` is uint8 ``(3, D, H, W)``, the hard masks; ``mask`` is uint8 ``(D, H, W)``.
    ``crop`` says where in the uncropped working grid they lie; ``notes`` are ``Case.notes``.
    """

    name: str
    folder: Path
    presence: tuple[bool, ...]
    labelled: tuple[bool, ...]
    lesions: tuple[CachedLesion, ...]
    spacing_mm: tuple[float, float, float]
    crop: tuple[tuple[int, int], ...]
    notes: tuple[str, ...] = ()

    def array(self, which: str) -> np.ndarray:
        """One of the arrays above, memory-mapped read-only."""
        return np.load(self.folder / f"{which}.npy", mmap_mode="r", allow_pickle=False)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along ``(D, H, W)``."""
        d, h, w = self.array("mask").shape
        return d, h, w


def cache_case(
    files: CaseFiles,
    store: Path,
    settings: PreprocessingSettings,
    band: LabelBand,
    ignore_labels: tuple[int, ...] = (),
    outline: Outline = HEAD,
) -> CachedCase:
    """Prepare a case into ``store``, or find it there.

    The entry is found by what it was made from: input files' sizes and times, settings, version.
    A damaged entry is made again.

    Raises:
        TrainingError: the case has no labels to learn from.
        ParetoSegError: the case cannot be read.
    """
    folder = store / f"{_safe(files.name)}-{_key(files, settings, band, ignore_labels, outline)}"
    if (folder / "case.json").is_file():
        try:
            return _open(folder)
        except (OSError, ValueError, KeyError):
            pass
    case = read_case(files, ignore_labels=ignore_labels)
    if not case.regions:
        raise TrainingError(f"{files.name} has no labels; training needs a segmentation.")
    prepared = prepare_within(case, settings, outline)
    assert prepared.regions is not None
    # The fuzzy labels see the whole head: a crop could cut the band of a lesion at its edge.
    if band.band_mm > 0:
        memberships: Mapping[str, np.ndarray] = fuzzy_labels(
            prepared.regions, prepared.full_grid.spacing_mm, band.band_mm, band.beta
        )
    else:
        memberships = {r: m.astype(np.float32) for r, m in prepared.regions.items()}
    shape = prepared.grid.shape
    mu = np.zeros((len(REGIONS), *shape), np.uint8)
    hard = np.zeros((len(REGIONS), *shape), np.uint8)
    for channel, region in enumerate(REGIONS):
        if region in prepared.regions:
            mu[channel] = np.rint(memberships[region][prepared.box] * QUANTA)
            hard[channel] = prepared.regions[region][prepared.box]
    with whole_folder(folder) as partial:
        np.save(partial / "images.npy", prepared.images.astype(np.float16))
        np.save(partial / "membership.npy", mu)
        np.save(partial / "regions.npy", hard)
        np.save(partial / "mask.npy", prepared.mask.astype(np.uint8))
        facts = {
            "name": files.name,
            "presence": list(prepared.presence),
            "labelled": [r in prepared.regions for r in REGIONS],
            "lesions": [asdict(lesion) for lesion in _lesions(hard)],
            "spacing_mm": list(prepared.grid.spacing_mm),
            "crop": [[s.start, s.stop] for s in prepared.box],
            "notes": list(case.notes),
            "bytes": {p.name: p.stat().st_size for p in sorted(partial.glob("*.npy"))},
        }
        (partial / "case.json").write_text(json.dumps(facts), encoding="utf-8")
    return _open(folder)


def _open(folder: Path) -> CachedCase:
    facts = json.loads((folder / "case.json").read_text(encoding="utf-8"))
    for name, size in facts["bytes"].items():
        if (folder / name).stat().st_size != size:
            raise ValueError(name)
    lesions = tuple(
        CachedLesion(tuple(entry["centre"]), entry["voxels"]) for entry in facts["lesions"]
    )
    return CachedCase(
        facts["name"],
        folder,
        tuple(facts["presence"]),
        tuple(facts["labelled"]),
        lesions,
        tuple(facts["spacing_mm"]),
        tuple((start, stop) for start, stop in facts["crop"]),
        tuple(facts["notes"]),
    )


def _lesions(hard: np.ndarray) -> list[CachedLesion]:
    """Components of the tumour core, or of the whole tumour where no core is labelled."""
    mask = hard[1] if hard[1].any() else hard[2]
    labelled, boxes = components(mask.astype(bool))
    found = []
    for number, box in enumerate(boxes, start=1):
        inside = np.argwhere(labelled[box] == number)
        # The voxel nearest the centroid: a ring's centroid itself may lie outside it.
        nearest = inside[np.square(inside - inside.mean(0)).sum(1).argmin()]
        d, h, w = (int(v) + s.start for v, s in zip(nearest, box, strict=True))
        found.append(CachedLesion((d, h, w), len(inside)))
    return found


def _key(
    files: CaseFiles,
    settings: PreprocessingSettings,
    band: LabelBand,
    ignore_labels: tuple[int, ...],
    outline: Outline,
) -> str:
    paths = [*files.images.values(), *files.labels]
    stamps = []
    for path in paths:
        parts = sorted(path.iterdir()) if path.is_dir() else [path]
        stamps += [
            (part.name, part.stat().st_size, part.stat().st_mtime_ns)
            for part in parts
            if part.exists()
        ]
    scheme = files.scheme.name if files.scheme else None
    made_from = [CACHE_VERSION, stamps, asdict(settings), asdict(band), scheme, ignore_labels]
    if outline != HEAD:
        # A brain outlined by other weights is another case.
        made_from += [outline, file_hash(brain_outliner() / FILE_NAME)]
    return hashlib.sha256(json.dumps(made_from).encode()).hexdigest()[:16]


def _safe(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in name)[:80]
