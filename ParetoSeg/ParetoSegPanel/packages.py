"""Which Python packages are there, which are missing, and what stands in the way; imports none."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from ParetoSegLib.core.resources import RESOURCES

TORCH = "torch"
TORCH_VERSIONS = ">=2.8,!=2.9.*"
"""What pyproject.toml says; a test holds them together."""

RUNTIME, TRAINING = "runtime.txt", "train.txt"


@dataclass(frozen=True)
class PackageState:
    """Args:
    missing: requirements that are not met, PyTorch first.
    blocked: why they cannot be installed here, as one sentence; empty if they can.
    """

    missing: tuple[str, ...]
    blocked: str = ""

    @property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing

    @property
    def torch_missing(self) -> bool:
        """Whether PyTorch itself is missing or of the wrong version."""
        return any(_name(line) == TORCH for line in self.missing)


def requirements(file: str, resources: Path = RESOURCES) -> list[str]:
    """The lines of a requirements file."""
    text = (resources / "Requirements" / file).read_text(encoding="utf-8")
    return [line.strip() for line in text.splitlines() if line.strip()]


def package_state(
    file: str = RUNTIME,
    installed: Callable[[str], str] = version,
    system: str | None = None,
    machine: str | None = None,
    resources: Path = RESOURCES,
) -> PackageState:
    """Compare what is installed with what is needed.

    Args:
        file: ``RUNTIME`` or ``TRAINING``; PyTorch is needed for both.
        installed: the version of a distribution; raises ``PackageNotFoundError``.
        system: as ``platform.system()``.
        machine: as ``platform.machine()``.
        resources: where the requirements lie.
    """
    needed = [TORCH + TORCH_VERSIONS, *requirements(file, resources)]
    missing = tuple(line for line in needed if not _met(line, installed))
    state = PackageState(missing)
    intel_mac = (system or platform.system(), machine or platform.machine()) == (
        "Darwin",
        "x86_64",
    )
    if state.torch_missing and intel_mac:
        return PackageState(
            missing,
            _(
                "PyTorch for Slicer's Intel build on macOS ends at 2.2, and ParetoSeg needs 2.8: "
                "choose another Python under Training and installation."
            ),
        )
    return state


def explanation(missing: Sequence[str]) -> str:
    """What is missing, as the sentence above the install button."""
    if any(_name(line) == TORCH for line in missing):
        return _(
            "ParetoSeg computes with PyTorch, which is not installed in this Slicer yet. It is "
            "downloaded once, some hundred megabytes to a few gigabytes."
        )
    return _("ParetoSeg needs some more Python packages: {names}.").format(
        names=", ".join(map(_name, missing))
    )


def _name(requirement: str) -> str:
    for index, letter in enumerate(requirement):
        if letter in "<>=!~ [;":
            return requirement[:index]
    return requirement


def _met(requirement: str, installed: Callable[[str], str]) -> bool:
    try:
        there = installed(_name(requirement))
    except PackageNotFoundError:
        return False
    parsed = _specifier(requirement[len(_name(requirement)) :])
    return parsed is None or parsed.contains(there, prereleases=True)


def _specifier(text: str) -> Any:
    """A version specifier, or ``None`` in a Slicer that has no means to compare versions."""
    try:
        from packaging.specifiers import SpecifierSet
    except ImportError:
        return None
    return SpecifierSet(text)
