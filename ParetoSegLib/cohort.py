"""Many cases in a row: where each result goes, what is done already, and one bad case among good.

No input is ever replaced by an output, and a result that was finished with the same model, inputs
and options need not be made again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ParetoSegLib.core.errors import OutputError, ParetoSegError
from ParetoSegLib.core.images import file_hash
from ParetoSegLib.data.case import CaseFiles
from ParetoSegLib.pipeline import Model, Progress, SegmentOptions, segment_files
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
) -> Iterator[Outcome]:
    """Segment cases one after the other into ``output/<case>``; a bad one does not stop the rest.

    Args:
        cases: with names that differ.
        model: from ``pipeline.load``.
        output: made if it is not there.
        options: device, overlap, mirroring.
        resume: skip what ``is_finished``.
        overview: also draw ``overview.png``.
        progress: called with the stage and the fraction of the present case.

    Yields:
        One ``Outcome`` a case, in order; only one result is held at a time.

    Raises:
        OutputError: a result would replace inputs, or a folder that is not a result.
    """
    inputs = _places_of(cases)
    for files in cases:
        _refuse_to_replace(output / files.name, inputs)
    for files in cases:
        folder = output / files.name
        drawn = not overview or (folder / OVERVIEW).is_file()
        if resume and drawn and is_finished(folder, files, model, options):
            yield Outcome(files.name, "skipped", folder)
            continue
        try:
            result = segment_files(files, model, options, progress)
            write_result(result, folder)
            if overview:
                draw_overview(result, folder / OVERVIEW)
        except ParetoSegError as error:
            yield Outcome(files.name, "failed", folder, error=str(error))
        except Exception as error:
            log.debug("The case %s failed.", files.name, exc_info=True)
            sentence = f"An unexpected {type(error).__name__} stopped it; --debug shows where."
            yield Outcome(files.name, "failed", folder, error=sentence)
        else:
            yield Outcome(files.name, "done", folder, result=result)
            del result


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
