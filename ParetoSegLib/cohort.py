"""Many cases in a row: where each result goes, what is done already, and one bad case among good.

No input is ever replaced by an output, and a result that was finished with the same model, inputs
and options need not be made again. While the network sees one case, the next one is read. Where
several processes share the cases, each is done by one of them (``core/claims.py``).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from ParetoSegLib.core.claims import Claims
from ParetoSegLib.core.errors import OutputError, ParetoSegError
from ParetoSegLib.core.images import file_hash
from ParetoSegLib.core.prefetch import prefetched
from ParetoSegLib.data.case import CaseFiles
from ParetoSegLib.data.head_start import HeadStart
from ParetoSegLib.pipeline import (
    Model,
    Progress,
    Ready,
    SegmentOptions,
    make_ready,
    segment_ready,
)
from ParetoSegLib.review.export import SUMMARY, write_result
from ParetoSegLib.review.overview import draw_overview
from ParetoSegLib.review.result import Result

log = logging.getLogger(__name__)

OVERVIEW = "overview.png"


@dataclass(frozen=True)
class Outcome:
    """How one case ended.

    Args:
        name: of the case.
        state: ``done``, ``skipped`` (finished before) or ``failed``.
        folder: of its result.
        result: of a case that was done now.
        error: the sentence of a case that failed.
    """

    name: str
    state: Literal["done", "skipped", "failed"]
    folder: Path
    result: Result | None = None
    error: str = ""


def segment_cases(
    cases: Sequence[CaseFiles],
    model: Model,
    output: Path,
    options: SegmentOptions = SegmentOptions(),
    resume: bool = False,
    overview: bool = False,
    progress: Progress | None = None,
    claims: Claims | None = None,
    head_start: HeadStart | None = None,
) -> Iterator[Outcome]:
    """Segment cases into ``output/<case>``; a bad one does not stop the rest.

    Args:
        cases: with names that differ.
        model: from ``pipeline.load``.
        output: made if it is not there.
        options: device, overlap, mirroring.
        resume: skip what ``is_finished``.
        overview: also draw ``overview.png``.
        progress: called with the stage and the fraction of the present case.
        claims: shared with the other processes that were given the same cases; each case then
            comes out of one of them. They call ``refuse_to_replace`` before the first begins.
        head_start: on one of the cases, if it was made before the model was loaded.

    Yields:
        One ``Outcome`` a case, in order. Nothing of a result is kept here once the next one is
        asked for, so memory does not grow with the cases.

    Raises:
        OutputError: a result would replace inputs, or a folder that is not a result.
    """
    if claims is None:
        refuse_to_replace(cases, output)

    def finished(files: CaseFiles) -> bool:
        folder = output / files.name
        drawn = not overview or (folder / OVERVIEW).is_file()
        return resume and drawn and is_finished(folder, files, model, options)

    def upcoming() -> Iterator[tuple[CaseFiles, bool]]:
        for files in cases:
            if claims is None or claims.reserve(files.name):
                yield files, finished(files)

    def prepare(item: tuple[CaseFiles, bool]) -> Ready | None:
        files, done = item
        if done:
            return None
        return make_ready(files, model, keep_voxels=overview, head_start=head_start)

    def outcome(files: CaseFiles, done: bool, take: Callable[[], Ready | None]) -> Outcome:
        folder = output / files.name
        if done:
            return Outcome(files.name, "skipped", folder)
        try:
            if progress is not None:
                progress("preparing", 0.0)
            ready = take()
            assert ready is not None
            result = segment_ready(ready, model, options, progress)
            write_result(result, folder)
            if overview:
                draw_overview(result, folder / OVERVIEW)
        except ParetoSegError as error:
            return Outcome(files.name, "failed", folder, error=str(error))
        except Exception as error:
            log.debug("The case %s failed.", files.name, exc_info=True)
            sentence = f"An unexpected {type(error).__name__} stopped it; --debug shows where."
            return Outcome(files.name, "failed", folder, error=sentence)
        return Outcome(files.name, "done", folder, result=result)

    for (files, done), take in prefetched(upcoming(), prepare):
        if claims is None or claims.begin(files.name):
            yield outcome(files, done, take)
    # What others have reserved and not begun: they are busy, or gone.
    for files in cases if claims else ():
        if claims is not None and claims.begin(files.name):
            item = (files, finished(files))
            yield outcome(*item, partial(prepare, item))


def is_finished(folder: Path, files: CaseFiles, model: Model, options: SegmentOptions) -> bool:
    """Whether ``folder`` holds a whole result of this model, these inputs and these options."""
    try:
        summary = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
        return (
            summary["model"]["fingerprint"] == model.fingerprint
            and summary["options"] == {"overlap": options.overlap, "tta": options.tta}
            and summary["inputs"] == {m: file_hash(p) for m, p in files.images.items()}
            and all((folder / name).is_file() for name in summary["files"])
        )
    except (OSError, ValueError, KeyError, TypeError, ParetoSegError):
        return False


def refuse_to_replace(cases: Sequence[CaseFiles], output: Path) -> None:
    """Raise if a result would remove something that is not a result.

    Raises:
        OutputError: an input, or a folder or file of another kind.
    """
    inputs = _places_of(cases)
    for files in cases:
        _refuse_to_replace(output / files.name, inputs)


def _places_of(cases: Sequence[CaseFiles]) -> set[Path]:
    """Every input and every folder above one."""
    inputs = {path.resolve() for files in cases for path in files.images.values()}
    return inputs.union(*(path.parents for path in inputs))


def _refuse_to_replace(target: Path, inputs: set[Path]) -> None:
    """Raise if writing a result to ``target`` would remove something that is not a result."""
    if not target.exists():
        return
    if target.resolve() in inputs:
        raise OutputError(
            f"The result {target.name} would replace the folder of its own input images; "
            "choose another --output."
        )
    if not target.is_dir() or (any(target.iterdir()) and not (target / SUMMARY).is_file()):
        raise OutputError(
            f"The output {target.name} exists and is not a result of ParetoSeg; "
            "choose another --output or remove it."
        )
