"""Installs what ParetoSeg computes with, on request, as Slicer wants it done.

PyTorch comes first and only through the PyTorch extension, which picks the build for this
computer's GPU. Everything else is then held to that PyTorch and to the numpy and SimpleITK that
Slicer brought, so that nothing of Slicer's own is replaced. Nothing happens without being asked.
"""

from __future__ import annotations

import importlib
import inspect
import logging
import tempfile
from collections.abc import Callable, Sequence
from enum import Enum, auto
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from ParetoSegLib.core.errors import ParetoSegError
from ParetoSegPanel.packages import (
    RUNTIME,
    TORCH,
    TORCH_VERSIONS,
    PackageState,
    package_state,
)

REQUESTER = "ParetoSeg"
HELD = (TORCH, "numpy", "SimpleITK")
"""Never replaced once they are there."""


class Outcome(Enum):
    """How an installation ended that did not fail."""

    COMPLETE = auto()
    """Everything that is needed is there."""
    DECLINED = auto()
    """The user said no; nothing was installed."""
    RESTART = auto()
    """Slicer restarts with the PyTorch extension; then the rest can be installed."""


class InstallError(ParetoSegError):
    """Something could not be installed; its sentence says what to do."""


def install(file: str = RUNTIME, state: Callable[[str], PackageState] = package_state) -> Outcome:
    """Install what is missing, asking first.

    Args:
        file: ``RUNTIME`` or ``TRAINING``.
        state: what is missing.

    Raises:
        InstallError: an installation failed.
    """
    found = state(file)
    if found.blocked:
        raise InstallError(found.blocked)
    if found.complete:
        return Outcome.COMPLETE
    if not _agreed(found.missing):
        return Outcome.DECLINED
    if found.torch_missing:
        outcome = _install_torch()
        if outcome is not Outcome.COMPLETE:
            return outcome
    rest = [line for line in found.missing if not line.startswith(TORCH + TORCH_VERSIONS)]
    if rest:
        _install_packages(rest)
    importlib.invalidate_caches()
    left = state(file)
    if not left.complete:
        raise InstallError(
            _(
                "Still missing after the installation: {names}; restart Slicer and try again."
            ).format(names=", ".join(left.missing))
        )
    return Outcome.COMPLETE


def _agreed(missing: Sequence[str]) -> bool:
    return bool(
        slicer.util.confirmOkCancelDisplay(
            _(
                "These Python packages will be downloaded and installed into this Slicer:\n\n"
                "{names}\n\nIt may take some minutes. Images are not sent anywhere."
            ).format(names="\n".join(missing)),
            windowTitle=_("ParetoSeg: install packages"),
        )
    )


def _install_torch() -> Outcome:
    try:
        import PyTorchUtils
    except ImportError:
        return _offer_extension()
    try:
        torch = PyTorchUtils.PyTorchUtilsLogic().installTorch(
            askConfirmation=True, torchVersionRequirement=TORCH_VERSIONS
        )
    except Exception as error:
        logging.exception("PyTorch could not be installed.")
        raise InstallError(
            _("PyTorch could not be installed; the Python console says why.")
        ) from error
    return Outcome.DECLINED if torch is None else Outcome.COMPLETE


def _offer_extension() -> Outcome:
    """Offer Slicer's PyTorch extension; Slicer restarts after installing it."""
    agreed = slicer.util.confirmOkCancelDisplay(
        _(
            "PyTorch is installed through Slicer's PyTorch extension, which is not there yet.\n\n"
            "Install the extension now? Slicer restarts afterwards: save your work first, then "
            "come back to this panel."
        ),
        windowTitle=_("ParetoSeg: PyTorch extension"),
    )
    if not agreed:
        return Outcome.DECLINED
    manager = slicer.app.extensionsManagerModel()
    manager.updateExtensionsMetadataFromServer(True, True)
    if not manager.installExtensionFromServer("PyTorch", True):
        raise InstallError(
            _(
                "The PyTorch extension could not be installed; install it in the Extensions "
                "Manager, restart Slicer and come back."
            )
        )
    return Outcome.RESTART


def _install_packages(lines: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "constraints.txt"
        constraints.write_text(held_versions(), encoding="utf-8")
        try:
            _pip(lines, constraints)
        except Exception as error:
            logging.exception("Packages could not be installed.")
            raise InstallError(
                _("The packages could not be installed; the Python console says why.")
            ) from error


def _pip(lines: Sequence[str], constraints: Path) -> None:
    """Slicer's own installer where it has one (5.12 and later), else pip."""
    packaging = _slicer_packaging()
    if packaging is None:
        slicer.util.pip_install(["--constraint", str(constraints), *lines])
        return
    wanted = constraints.with_name("requirements.txt")
    wanted.write_text("\n".join(lines) + "\n", encoding="utf-8")
    known = inspect.signature(packaging.pip_ensure).parameters
    # The user has agreed already; an older one without these arguments asks again.
    extra = {"constraints": constraints, "prompt_install": False}
    packaging.pip_ensure(
        packaging.load_requirements(wanted),
        requester=REQUESTER,
        **{name: value for name, value in extra.items() if name in known},
    )


def _slicer_packaging() -> Any:
    try:
        packaging = importlib.import_module("slicer.packaging")
    except ImportError:
        return None
    return packaging if hasattr(packaging, "pip_ensure") else None


def held_versions(installed: Callable[[str], str] = version) -> str:
    """A constraints file that keeps what Slicer and the PyTorch extension brought."""
    lines = []
    for name in HELD:
        try:
            lines.append(f"{name}=={installed(name)}")
        except PackageNotFoundError:
            logging.info("%s has no version that could be held.", name)
    return "\n".join(lines) + "\n"
