"""What ships beside the code: the models and the sample patient.

``Resources/`` lies beside ``ParetoSegLib/``, in the source tree and in an installed extension.
"""

from __future__ import annotations

from pathlib import Path

from ParetoSegLib.core.errors import ParetoSegError, UsageError

RESOURCES = Path(__file__).resolve().parents[2] / "Resources"


def shipped_models(resources: Path = RESOURCES) -> list[Path]:
    """The folders of the models that ship, sorted by name; empty if none does."""
    folder = resources / "Models"
    return sorted(p.parent for p in folder.glob("*/model.json")) if folder.is_dir() else []


def default_model(resources: Path = RESOURCES) -> Path:
    """The model that is used when none is named.

    Raises:
        UsageError: no model ships, or several do.
    """
    models = shipped_models(resources)
    if len(models) == 1:
        return models[0]
    if models:
        names = ", ".join(m.name for m in models)
        raise UsageError(f"Several models are here ({names}); choose one with --model FOLDER.")
    raise UsageError(
        "No model ships with this version; name one with --model FOLDER, or train one: "
        "python -m ParetoSegLib.train --data DIR --output RUN leaves it in RUN/model."
    )


def brain_outliner(resources: Path = RESOURCES) -> Path:
    """The model folder of the network that outlines the brain in whole heads."""
    return resources / "Outlines" / "brain"


def sample_folder(resources: Path = RESOURCES) -> Path:
    """The folder of the synthetic sample patient.

    Raises:
        ParetoSegError: this installation came without it.
    """
    folder = resources / "Sample"
    if not folder.is_dir() or not any(folder.iterdir()):
        raise ParetoSegError(
            "The sample patient in Resources/Sample is missing; run the demo from a complete copy "
            "of the repository."
        )
    return folder
