"""`python -m ParetoSegLib.predict`: segment one patient or a folder of them."""

from __future__ import annotations

import argparse
import io
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ParetoSegLib.core.command import DONE, FAILED, CommandParser, run
from ParetoSegLib.core.errors import ImageReadError, UsageError
from ParetoSegLib.core.labels import MODALITIES, REFERENCE_ORDER
from ParetoSegLib.core.resources import default_model

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from ParetoSegLib.cohort import Outcome
    from ParetoSegLib.core.claims import Claims
    from ParetoSegLib.data.case import CaseFiles
    from ParetoSegLib.data.head_start import HeadStart
    from ParetoSegLib.pipeline import Model

TITLES = {"t1n": "native T1", "t1c": "contrast-enhanced T1", "t2w": "T2", "t2f": "T2-FLAIR"}

LOOK_SECONDS = 0.5
"""How often the first of several processes looks what the others have done."""


def parser() -> CommandParser:
    """The command line of `predict`."""
    flags = CommandParser(
        "predict",
        "Segment brain metastases and say where each boundary is certain. Any of the four\n"
        "sequences will do; what cannot be assessed without the others is said, not guessed.",
        examples=[
            "python -m ParetoSegLib.predict --t1c t1c.nii.gz --t2f flair.nii.gz --output results",
            "python -m ParetoSegLib.predict --case patient/ --output results --overview",
            "python -m ParetoSegLib.predict --data study/ --output results --resume",
            "python -m ParetoSegLib.predict --data study/ --output results --devices 4",
        ],
    )
    flags.add_argument(
        "--model", type=Path, metavar="FOLDER", help="a model folder (default: the shipped model)"
    )
    flags.add_argument(
        "--output", type=Path, metavar="DIR", required=True, help="results go to DIR/<case>/"
    )

    what = flags.add_argument_group("what to segment: one of --case, --data, or images by sequence")
    what.add_argument("--case", type=Path, metavar="DIR", help="the folder of one patient")
    what.add_argument("--data", type=Path, metavar="DIR", help="a folder of many patients")
    what.add_argument(
        "--layout", default="auto", help="how --case or --data is arranged (default: auto)"
    )
    for modality in MODALITIES:
        what.add_argument(
            f"--{modality}",
            type=Path,
            metavar="FILE",
            help=f"{TITLES[modality]}: NIfTI, NRRD, MHA, or a DICOM series folder",
        )
    what.add_argument("--name", metavar="CASE", help="the name of the result, with single images")

    how = flags.add_argument_group("how")
    how.add_argument(
        "--device", default="auto", help="auto, cpu, cuda, cuda:N or mps (default: auto)"
    )
    how.add_argument(
        "--backend",
        choices=("auto", "torch", "openvino"),
        default="auto",
        help="what runs the network; auto takes OpenVINO on a CPU where it is installed",
    )
    how.add_argument(
        "--overlap",
        type=_overlap,
        default=0.25,
        metavar="F",
        help="overlap of windows, 0 to 0.9 (default: 0.25)",
    )
    how.add_argument(
        "--tta", action="store_true", help="average over mirrored images: slower, a little steadier"
    )
    how.add_argument(
        "--devices",
        type=int,
        default=1,
        metavar="N",
        help="with --data: processes on each machine, each with a GPU or a share of the CPU",
    )
    how.add_argument(
        "--nodes", type=int, default=1, metavar="M", help="with --data: machines (default: 1)"
    )
    how.add_argument("--resume", action="store_true", help="skip cases that are finished already")
    how.add_argument("--overview", action="store_true", help="also draw overview.png")
    return flags


def main(arguments: Sequence[str]) -> int:
    """Segment what the command line names; 1 if any case failed."""
    given = parser().parse_args(arguments)
    _check(given)

    from rich.console import Console

    layout, cases = _cases(given)
    console = Console(highlight=False)
    if given.devices * given.nodes > 1:
        return _shared(given, arguments, layout, cases, console)
    head_start = _head_start(given, cases)
    model = _model(given)
    _say_layout(layout, cases, console)
    return _alone(given, cases, model, console, head_start)


def _head_start(given: argparse.Namespace, cases: list[CaseFiles]) -> HeadStart | None:
    """Begin with the first case while PyTorch is imported; with ``--resume`` it may be done."""
    if given.resume or not cases:
        return None
    from ParetoSegLib.data.head_start import HeadStart

    return HeadStart(cases[0])


def _model(given: argparse.Namespace) -> Model:
    """The model, after a look whether its device and backend are there."""
    from ParetoSegLib.model.backends.interface import choose_backend
    from ParetoSegLib.model.devices import choose_device
    from ParetoSegLib.pipeline import load

    choose_backend(given.backend, choose_device(given.device))
    return load(given.model or default_model())


def _shared(
    given: argparse.Namespace,
    arguments: Sequence[str],
    layout: str,
    cases: list[CaseFiles],
    console: Console,
) -> int:
    """The cases in several processes: start or join them, and end what was started here."""
    from ParetoSegLib.cohort import refuse_to_replace
    from ParetoSegLib.core.claims import Claims
    from ParetoSegLib.model.ranks import device_of, start_ranks

    refuse_to_replace(cases, given.output)
    ranks = start_ranks(
        "ParetoSegLib.predict",
        arguments,
        given.devices,
        given.nodes,
        lambda run: Claims.open_folder(given.output, run),
        not given.debug,
    )
    console.quiet = ranks.rank > 0
    claims = Claims(Claims.place(given.output, ranks.run), ranks.rank, ranks.count)
    try:
        given.device = device_of(given.device, ranks, given.devices)
        model = _model(given)
        _say_layout(layout, cases, console)
        return _together(given, cases, model, claims, console)
    finally:
        # Whoever is still starting up would find nothing to do.
        ranks.stop()
        if ranks.rank == 0:
            claims.remove()


def _alone(
    given: argparse.Namespace,
    cases: list[CaseFiles],
    model: Model,
    console: Console,
    head_start: HeadStart | None = None,
) -> int:
    """All cases in this process."""
    states: list[str] = []
    with _bar(console) as bar:
        task = bar.add_task("", total=len(cases), stage="")

        def show(stage: str, fraction: float) -> None:
            bar.update(
                task,
                completed=len(states) + fraction,
                description=cases[len(states)].name,
                stage=stage,
            )

        for outcome in _outcomes(given, cases, model, show, head_start=head_start):
            states.append(outcome.state)
            bar.update(task, completed=len(states))
            _report(outcome, console)
            # The result must not stay while the next case is at work.
            del outcome
    return _summed_up(states, given, console)


def _together(
    given: argparse.Namespace,
    cases: list[CaseFiles],
    model: Model,
    claims: Claims,
    console: Console,
) -> int:
    """This process's part of the cases; the first one shows and tells of all of them."""
    first = claims.rank == 0
    states: dict[str, str] = {}
    looked = 0.0
    with claims.present(), _bar(console) as bar:
        task = bar.add_task("", total=len(cases), stage="")

        def look() -> None:
            nonlocal looked
            for facts in claims.news():
                states[facts["name"]] = facts["state"]
                console.print(facts["said"], markup=False, end="")
            looked = time.monotonic()
            bar.update(task, completed=len(states))

        def show(stage: str, fraction: float) -> None:
            if first and time.monotonic() - looked > LOOK_SECONDS:
                look()
                words = f"{len(states)} of {len(cases)}, {claims.count} processes"
                bar.update(task, description=words, stage=stage)

        for outcome in _outcomes(given, cases, model, show, claims):
            said = _captured(outcome, console)
            claims.end(outcome.name, {"name": outcome.name, "state": outcome.state, "said": said})
            del outcome
        if not first:
            return DONE
        look()
        bar.update(task, stage="waiting for the other processes")
        while len(states) < len(cases) and claims.others_live():
            time.sleep(LOOK_SECONDS)
            look()
        look()
    for files in cases:
        if files.name not in states:
            states[files.name] = "failed"
            why = "the process that was at it ended; --resume does what is left"
            console.print(f"{files.name}: {why}", markup=False)
    return _summed_up(list(states.values()), given, console)


def _outcomes(
    given: argparse.Namespace,
    cases: list[CaseFiles],
    model: Model,
    show: Callable[[str, float], None],
    claims: Claims | None = None,
    head_start: HeadStart | None = None,
) -> Iterator[Outcome]:
    from ParetoSegLib.cohort import segment_cases
    from ParetoSegLib.pipeline import SegmentOptions

    options = SegmentOptions(given.device, given.overlap, given.tta, given.backend)
    return segment_cases(
        cases, model, given.output, options, given.resume, given.overview, show, claims, head_start
    )


def _summed_up(states: list[str], given: argparse.Namespace, console: Console) -> int:
    """Print the last line; the exit code."""
    done, skipped, failed = (states.count(s) for s in ("done", "skipped", "failed"))
    counts = [f"{done} done"]
    counts += [f"{skipped} finished before"] if skipped else []
    counts += [f"{failed} failed"] if failed else []
    console.print(f"{', '.join(counts)}; results are in {given.output}", markup=False)
    return FAILED if failed else DONE


def _check(given: argparse.Namespace) -> None:
    """Refuse command lines that do not fit together, before anything is loaded."""
    single = [m for m in MODALITIES if getattr(given, m) is not None]
    sources = [given.case is not None, given.data is not None, bool(single)]
    if sum(sources) != 1:
        raise UsageError(
            "Name what to segment by exactly one of --case DIR, --data DIR, or images such as "
            "--t1c FILE."
        )
    if given.name is not None and not single:
        raise UsageError("--name names a result made from single images; give them by --t1c FILE.")
    if given.name is not None and _unfit(given.name):
        raise UsageError(f"The name {given.name!r} cannot be a folder's name; choose a plain word.")
    if given.devices < 1 or given.nodes < 1:
        raise UsageError("--devices and --nodes must be at least 1.")
    if given.devices * given.nodes > 1:
        if given.data is None:
            raise UsageError("--devices and --nodes share out the cases of --data DIR.")
        if ":" in given.device:
            raise UsageError(
                f"--device {given.device} is one device; with --devices or --nodes choose cuda, "
                "cpu or auto."
            )
    if given.layout != "auto" and single:
        raise UsageError("--layout describes --case or --data; single images need none.")


def _cases(given: argparse.Namespace) -> tuple[str, list[CaseFiles]]:
    """The layout's name (empty for single images) and its cases."""
    images = {m: getattr(given, m) for m in MODALITIES if getattr(given, m) is not None}
    if images:
        name = given.name or _name_of(images)
        from ParetoSegLib.data.case_folder import case_from_files

        return "", [case_from_files(name, **images)]
    from ParetoSegLib.data.layouts import find_cases

    layout, cases = find_cases(given.case or given.data, given.layout)
    if given.case is not None and len(cases) != 1:
        raise UsageError(
            f"{given.case.name} holds {len(cases)} cases; --case takes the folder of one, "
            "--data takes many."
        )
    return layout, cases


def _say_layout(layout: str, cases: list[CaseFiles], console: Console) -> None:
    if layout:
        found = "1 case" if len(cases) == 1 else f"{len(cases)} cases"
        console.print(f"{found}, arranged as {layout}", markup=False)


def _name_of(images: dict[str, Path]) -> str:
    """A name from the reference image's file name, without its sequence and suffix.

    A folder (a DICOM series) gives no name: folders are called after patients.
    """
    modality = next(m for m in REFERENCE_ORDER if m in images)
    path = images[modality]
    if path.is_dir():
        return "case"
    if not path.exists():
        raise ImageReadError(f"The image {path.name} does not exist; check its path.")
    stem = re.sub(r"\.(nii\.gz|nii|nrrd|mha|mhd|dcm)$", "", path.name, flags=re.IGNORECASE)
    name = re.sub(rf"[-_. ]{modality}$", "", stem, flags=re.IGNORECASE)
    return "case" if _unfit(name) else name


def _unfit(name: str) -> bool:
    return not name.strip(" .") or bool(re.search(r'[<>:"/\\|?*\x00-\x1f]', name))


def _overlap(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 0.9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 0.9")
    return value


def _bar(console: Console) -> Progress:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[stage]}", markup=False),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )


def _captured(outcome: Outcome, console: Console) -> str:
    """What ``_report`` would print on a console as wide as this one."""
    from rich.console import Console as Screen

    page = Screen(file=io.StringIO(), width=console.width, highlight=False)
    with page.capture() as said:
        _report(outcome, page)
    return said.get()


def _report(outcome: Outcome, console: Console) -> None:
    """Print one case: its lesions, or why there are none."""
    from ParetoSegLib.review.screen import show_lesions

    if outcome.result is None:
        why = "finished before, skipped" if outcome.state == "skipped" else outcome.error
        console.print(f"{outcome.name}: {why}", markup=False)
        return
    facts = outcome.result.facts
    seconds = sum(facts["seconds"].values())  # type: ignore[attr-defined]
    show_lesions(outcome.result.lesions, console, outcome.name, f"{seconds:.1f} s")
    for note in facts["notes"]:  # type: ignore[attr-defined]
        console.print(str(note), markup=False)


if __name__ == "__main__":
    sys.exit(run(main))
