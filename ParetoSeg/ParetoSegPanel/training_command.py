"""The exact commands for a terminal that train a model, and that install what this needs."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path

from ParetoSegLib.core.resources import RESOURCES
from ParetoSegPanel.packages import RUNTIME, TORCH, TORCH_VERSIONS, TRAINING

SLICERS_OWN = ("numpy", "SimpleITK")
"""Come with Slicer's Python, and have to be installed into another one."""


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
    program, quoted = _terminal(python, platform)
    data = quoted(patients or "PATIENTS")
    output = quoted(run or "RUN")
    return f"cd {quoted(library)}\n{program} -m ParetoSegLib.train --data {data} --output {output}"


def install_command(python: str, resources: Path = RESOURCES, platform: str = sys.platform) -> str:
    """One line that installs into a Python outside Slicer what training and segmenting need.

    Args:
        python: the program.
        resources: where the requirements lie.
        platform: as ``sys.platform``.
    """
    program, quoted = _terminal(python, platform)
    files = [quoted(str(resources / "Requirements" / name)) for name in (RUNTIME, TRAINING)]
    listed = " ".join(f"-r {file}" for file in files)
    packages = " ".join((quoted(TORCH + TORCH_VERSIONS), *SLICERS_OWN))
    return f"{program} -m pip install {packages} {listed}"


def library_folder() -> Path:
    """The folder that holds ``ParetoSegLib``."""
    import ParetoSegLib

    return Path(ParetoSegLib.__file__).resolve().parents[1]


def _terminal(python: str, platform: str) -> tuple[str, Callable[[str], str]]:
    """How a command begins that runs a program, and what quotes its arguments."""
    if platform == "win32":
        return f"& {_powershell(python)}", _powershell
    return shlex.quote(python), shlex.quote


def _powershell(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
