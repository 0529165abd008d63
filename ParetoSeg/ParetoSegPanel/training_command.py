"""The exact command that trains a model with this computer's Python, ready to be pasted."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path


def training_command(
    python: str,
    library: str,
    patients: str,
    run: str,
    platform: str = sys.platform,
) -> str:
    """Two lines for a terminal: go to the library's folder, then train.

    ``python -m`` finds ParetoSegLib in the folder it is started in, so nothing has to be installed
    or set. On Windows the lines are for PowerShell.

    Args:
        python: the program that runs the library, such as ``PythonSlicer``.
        library: the folder that holds ``ParetoSegLib``.
        patients: folder of labelled patients; a placeholder is shown while it is empty.
        run: folder of the run; likewise.
        platform: as ``sys.platform``.
    """
    windows = platform == "win32"
    quoted = _powershell if windows else shlex.quote
    program = f"& {quoted(python)}" if windows else quoted(python)
    data = quoted(patients or "PATIENTS")
    output = quoted(run or "RUN")
    return f"cd {quoted(library)}\n{program} -m ParetoSegLib.train --data {data} --output {output}"


def library_folder() -> Path:
    """The folder that holds ``ParetoSegLib``."""
    import ParetoSegLib

    return Path(ParetoSegLib.__file__).resolve().parents[1]


def _powershell(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
