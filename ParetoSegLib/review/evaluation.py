"""Predictions against references: which belong together, each case's scores, all of them pooled."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ParetoSegLib.core.errors import LayoutError, ParetoSegError
from ParetoSegLib.core.geometry import Grid
from ParetoSegLib.core.images import read_labels, read_map
from ParetoSegLib.core.labels import BRATS_METS, REFERENCE_ORDER, REGIONS
from ParetoSegLib.data.case import Case, CaseFiles, read_case
from ParetoSegLib.data.head_mask import brain_mask, head_mask, stripped_background
from ParetoSegLib.data.layouts import find_cases
from ParetoSegLib.measure.lesions import LesionMap, find_lesions, region_of_lesions
from ParetoSegLib.measure.scorecard import RegionScore, Uncertainty, score_missing, score_region
from ParetoSegLib.review.predictions import (
    Prediction,
    find_predictions,
    onto_grid,
    read_prediction,
)

SCORED, MISSING, UNREADABLE, NO_REFERENCE = (
    "scored",
    "missing prediction",
    "unreadable prediction",
    "unusable reference",
)
"""How a case ended. The second and third count with the worst scores; the last cannot count."""

NOT_LABELLED, NOT_JUDGED = "reference does not define it", "prediction cannot assess it"
"""Why a region of a scored case is n/a."""


@dataclass(frozen=True)
class CaseResult:
    """One case of the references.

    Args:
        name, patient: of the case.
        state: one of ``SCORED``, ``MISSING``, ``UNREADABLE``, ``NO_REFERENCE``.
        why: the sentence, for a case that was not simply scored.
        regions: scores by region.
        absent: the reason for each region that is n/a.
        grid: the reference's, to give lesions their place.
        resampled: whether the prediction was on another grid.
        notes: on its reference labels, as ``Case.notes``.
    """

    name: str
    patient: str
    state: str
    why: str = ""
    regions: Mapping[str, RegionScore] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)
    grid: Grid | None = None
    resampled: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Evaluation:
    """All cases, sorted by name.

    Args:
        layout: that was recognised in the references.
        cases: one for each case of the references.
        extra: predictions that no reference belongs to.
    """

    layout: str
    cases: tuple[CaseResult, ...]
    extra: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether every case could be scored."""
        return all(case.state == SCORED for case in self.cases)


def evaluate(
    predictions: Path,
    references: Path,
    layout: str = "auto",
    ignore_labels: Collection[int] = (),
    progress: Callable[[str, int, int], None] | None = None,
) -> Evaluation:
    """Score every case of a reference folder.

    Args:
        predictions: holds one folder a case, as ``predict`` writes them.
        references: a data folder with labels.
        layout: of the references.
        ignore_labels: stray label values to treat as background.
        progress: called with the case about to be read, how many are done, and how many there are.

    Raises:
        LayoutError: a folder is missing, the references hold no labels, or no prediction belongs
            to any reference.
    """
    for folder, what in ((predictions, "predictions"), (references, "references")):
        if not folder.is_dir():
            raise LayoutError(f"The folder of {what} {folder.name} does not exist; check its path.")
    seen, cases = find_cases(references, layout)
    labelled = [files for files in cases if files.labels]
    if not labelled:
        raise LayoutError(
            f"{references.name} ({seen}) holds {len(cases)} cases but no labels to compare with."
        )
    found = find_predictions(predictions)
    names = {files.name for files in cases}
    if not names & found.keys():
        there = f"holds {', '.join(list(found)[:3])}" if found else "holds no result folders"
        raise LayoutError(
            f"No prediction belongs to a reference: {predictions.name} {there}, the first "
            f"reference is {cases[0].name}; folders of predictions are named after the cases."
        )
    results = []
    for done, files in enumerate(cases):
        if progress is not None:
            progress(files.name, done, len(cases))
        results.append(_evaluate_case(files, found.get(files.name), ignore_labels))
    return Evaluation(seen, tuple(results), tuple(sorted(found.keys() - names)))


def _evaluate_case(
    files: CaseFiles, folder: Path | None, ignore_labels: Collection[int]
) -> CaseResult:
    def ended(state: str, why: str, **more: object) -> CaseResult:
        return CaseResult(files.name, files.patient, state, why, **more)  # type: ignore[arg-type]

    if not files.labels:
        return ended(NO_REFERENCE, "it has no reference labels")
    # One image is enough: it carries the grid and tells the brain from the air.
    first = [m for m in REFERENCE_ORDER if m in files.images][:1]
    try:
        one = replace(files, images={m: files.images[m] for m in first})
        case = read_case(one, with_labels=True, ignore_labels=ignore_labels)
    except ParetoSegError as error:
        return ended(NO_REFERENCE, str(error))
    references = dict(case.regions or {})
    absent = {region: NOT_LABELLED for region in REGIONS if region not in references}
    prediction, state, why = None, SCORED, ""
    if folder is None:
        state, why = MISSING, "there is no prediction for it"
    else:
        try:
            prediction = read_prediction(folder, case.grid)
        except ParetoSegError as error:
            state, why = UNREADABLE, str(error)
    try:
        if prediction is None:
            home = region_of_lesions(references) if references else None
            scores = {
                r: score_missing(mask, case.grid.spacing_mm, r == home)
                for r, mask in references.items()
            }
        else:
            for region in prediction.not_assessable & references.keys():
                absent[region] = NOT_JUDGED
            scores = _score(case, references, prediction, *_observers(files, case.grid))
    except ParetoSegError as error:
        return ended(NO_REFERENCE, str(error))
    moved = prediction is not None and prediction.resampled
    return ended(
        state,
        why,
        regions=scores,
        absent=absent,
        grid=case.grid,
        resampled=moved,
        notes=case.notes,
    )


def _score(
    case: Case,
    references: Mapping[str, np.ndarray],
    prediction: Prediction,
    truth: Mapping[str, np.ndarray],
    raters: Sequence[Mapping[str, np.ndarray]],
) -> dict[str, RegionScore]:
    """Scores of the regions that the reference defines and the prediction assesses."""
    common = [r for r in REGIONS if r in references and r in prediction.masks]
    if not common:
        return {}
    home, widest = region_of_lesions(common), common[-1]
    with_membership = [r for r in common if r in prediction.membership]
    lesions: LesionMap | None = None
    brain = np.zeros(case.grid.shape, bool)
    if with_membership:
        brain = brain_of(case)
    if home in with_membership:
        lesions = find_lesions(prediction.membership, case.grid, with_membership, prediction.levels)
    spread = references[widest] | prediction.masks[widest]
    scores = {}
    for region in common:
        given = None
        if region in with_membership:
            given = Uncertainty(
                prediction.membership[region],
                brain,
                spread,
                truth.get(region),
                [rater[region] for rater in raters],
            )
        scores[region] = score_region(
            prediction.masks[region],
            references[region],
            case.grid.spacing_mm,
            given,
            lesions if region == home else None,
            region == home,
        )
    return scores


def brain_of(case: Case) -> np.ndarray:
    """Brain of a stripped reference image, or the head in a whole one; bool ``(D, H, W)``."""
    image = case.images[case.reference]
    background = stripped_background(image.array, image.grid.voxel_mm3)
    if background is None:
        return head_mask([image.array], image.grid)[0]
    return brain_mask([image.array != background])


def _observers(
    files: CaseFiles, grid: Grid
) -> tuple[dict[str, np.ndarray], list[dict[str, np.ndarray]]]:
    """True membership and raters' masks that lie beside the reference labels, as ``synthesize``
    names them: ``<case>-truth_{et,tc,wt}.nii.gz`` and ``<case>-rater{1…}.nii.gz``.
    """
    beside = files.labels[0].parent
    truth = {}
    for region in REGIONS:
        path = beside / f"{files.name}-truth_{region}.nii.gz"
        if path.exists():
            truth[region] = onto_grid(read_map(path), grid, path.name)[0]
    numbered = re.compile(re.escape(files.name) + r"-rater(\d+)\.nii\.gz")
    found = [(match, path) for path in beside.iterdir() if (match := numbered.fullmatch(path.name))]
    raters = []
    for _, path in sorted(found, key=lambda pair: int(pair[0].group(1))):
        labels = onto_grid(read_labels(path), grid, path.name)[0]
        raters.append(BRATS_METS.region_masks(labels, path.name))
    return truth, raters
