"""The model card: what a trained model is, in words that a stranger can check."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ParetoSegLib.core.project import DISCLAIMER, HOMEPAGE


def model_card(
    name: str,
    network: str,
    parameters: int,
    training: Mapping[str, Any],
    scores: Mapping[str, float],
) -> str:
    """Write the card of a freshly trained model, as Markdown.

    Args:
        name: of the model.
        network: its kind.
        parameters: how many.
        training: provenance as ``model.json`` holds it.
        scores: best validation Dice by region.
    """
    cases = training["cases"]
    lines = [
        f"# {name}",
        "",
        f"**{DISCLAIMER}**",
        "",
        "## What it is",
        f"A {network} with {parameters / 1e6:.2f} million parameters that gives, for any subset of "
        "T1, contrast-enhanced T1, T2 and FLAIR, the membership of each voxel in the enhancing "
        "tumour, the tumour core and the whole tumour.",
        "",
        "## What it learnt from",
        f"{cases['train']} cases to train on, {cases['validation']} to choose the weights, "
        f"{cases['calibration']} to calibrate; datasets: {', '.join(training['datasets'])}. "
        f"{training['steps']} steps in {training['minutes']:.1f} minutes, loss "
        f"`{training['loss']}`, balance `{training['balance']}`.",
        "",
        "## How good it is",
    ]
    if scores:
        lines += ["| region | validation Dice |", "|---|---|"]
        lines += [f"| {region.upper()} | {score:.3f} |" for region, score in scores.items()]
        lines += [
            "",
            "Measured on the cases that also chose the weights, so it flatters. Evaluate it on "
            "patients of your own before you rely on it for anything.",
        ]
    else:
        lines.append("Not measured: the run had no validation cases.")
    lines += [
        "",
        "## Limits",
        "- It knows what its training data showed. Other scanners, sequences, ages, earlier "
        "treatment and other diseases may mislead it without a warning.",
        "- Without contrast-enhanced T1, enhancing tumour is not assessed, and the core is guessed "
        "from what the other sequences show.",
        "- Confidence is calibrated on the calibration cases above; elsewhere it may be too high.",
        "- The hash in `model.json` proves that the weights are unaltered, not who made them.",
        "",
        f"Made with [ParetoSeg]({HOMEPAGE}).",
        "",
    ]
    return "\n".join(lines)
