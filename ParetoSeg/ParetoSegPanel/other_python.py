"""The Python that runs the model: Slicer's own, or another where Slicer's cannot run PyTorch."""

from __future__ import annotations

from typing import Any

import qt

from ParetoSegPanel.worker_process import StartError, find_launch

SETTING = "ParetoSeg/Python"
"""A setting of this computer, not of the scene."""


def other_python() -> str:
    """The python program that the user chose; empty for Slicer's own."""
    return str(qt.QSettings().value(SETTING, "") or "")


def choose_other_python(path: str) -> None:
    """Remember a python program; empty for Slicer's own."""
    qt.QSettings().setValue(SETTING, path)


def python_program() -> str:
    """The program to type into a terminal; its bare name where it is not found."""
    try:
        return find_launch(other_python()).program
    except StartError:
        return "PythonSlicer"


def make_client() -> Any:
    """A ``WorkerClient`` for the chosen Python; nothing is started yet.

    Raises:
        StartError: the chosen Python is not there.
    """
    from ParetoSegPanel.worker_client import WorkerClient

    chosen = other_python()
    return WorkerClient(find_launch(chosen) if chosen else None)
