"""How bright the parts of a lesion are in each sequence, drawn around real lesions' values.

Everything is said relative to the brain around: white matter, grey matter and CSF of the same
image. Sequences differ in how they show one fluid (a cyst that is black on one T1 is grey on
another), so a fluid's place between grey matter and CSF is drawn for each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ParetoSegLib.data.synthesis.contrast import Anchors
from ParetoSegLib.data.synthesis.lesions import LesionPlan

_LIKE_EDEMA = ("ring", "necrotic")
"""Kinds whose inside may be as bright as edema: then only the rim tells the two apart. Where they
differed in brightness, networks learnt that, and took a real patient's dark edema for a cyst."""


@dataclass(frozen=True)
class Parts:
    """Brightness in one sequence of living tumour and of what is inside it."""

    tissue: float
    hollow: float


def draw_edema(rng: np.random.Generator, anchors: Mapping[str, Anchors]) -> dict[str, float]:
    """Brightness of fully developed edema: one fluid and one scanner a patient."""
    wet = rng.uniform(0.3, 1.15)
    dark, also_dark = (0.3 - 1.3 * wet) * rng.uniform(0.4, 1.0, 2)
    # Where grey and white matter look alike on T1, edema is still darker than both: in two real
    # patients by .0 and .2 of the way down to CSF on T1, and by .4 and .6 on T1c, in the median.
    sunk, also_sunk = wet * rng.uniform(0.0, 0.45), rng.uniform(0.0, 0.9)
    values = {}
    for modality, a in anchors.items():
        if modality == "t1n":
            values[modality] = a.grey + dark * (a.white - a.grey) - sunk * (a.grey - a.fluid)
        elif modality == "t1c":
            sink = also_sunk * (a.grey - a.fluid)
            values[modality] = a.grey + also_dark * (a.white - a.grey) - sink
        elif modality == "t2w":
            values[modality] = a.grey + (0.08 + 0.45 * wet) * (a.fluid - a.grey)
        else:
            values[modality] = a.grey * (1.1 + 0.95 * wet * rng.uniform(0.75, 1.1))
    return values


def draw_parts(
    rng: np.random.Generator, plan: LesionPlan, anchors: Mapping[str, Anchors]
) -> dict[str, Parts]:
    """Brightness of a lesion's parts for each modality there is."""
    cystic = plan.kind == "cystic"
    # Share of the way from grey matter down to CSF on T1.
    dark = {"cystic": (0.35, 1.0), "hollow": (0.25, 0.9)}.get(plan.kind, (-0.05, 0.8))
    dark_t1c = rng.uniform(*dark)
    dark_t1n = dark_t1c * rng.uniform(-0.3, 1.0)
    wet = {"cystic": (0.5, 1.4), "hollow": (0.3, 0.9)}.get(plan.kind, (0.05, 0.85))
    wet_t2 = rng.uniform(*wet)
    suppressed = rng.random() < (0.35 if cystic else 0.12)
    protein = rng.uniform(0.0, 1.0)
    flair = np.exp(rng.uniform(np.log(0.8), np.log(1.9)))

    solid = rng.uniform(-0.55, 0.6)
    cell = rng.uniform(-0.25, 0.4)
    flair_tissue = np.exp(rng.uniform(np.log(0.8), np.log(1.6)))
    if plan.faint is not None:
        # What no sequence shows nobody could have outlined: T2 and FLAIR betray it a little.
        cell, flair_tissue = rng.uniform(0.08, 0.4), rng.uniform(1.12, 1.6)
    parts = {}
    for modality, a in anchors.items():
        white, grey, fluid = a.white, a.grey, a.fluid
        if modality == "t1n":
            tissue = grey + solid * (white - grey)
            hollow = grey + dark_t1n * (fluid - grey)
        elif modality == "t1c":
            tissue = grey + solid * (white - grey) + plan.enhancement * white
            hollow = grey + dark_t1c * (fluid - grey)
        elif modality == "t2w":
            tissue = grey + cell * (fluid - grey)
            hollow = grey + wet_t2 * (fluid - grey)
        else:
            tissue = grey * flair_tissue
            hollow = fluid + protein * (grey - fluid) if suppressed else grey * flair
        parts[modality] = Parts(float(tissue), float(hollow))
    if plan.kind in _LIKE_EDEMA and rng.random() < 0.5:
        fluid_inside = draw_edema(rng, anchors)
        parts = {m: replace(part, hollow=float(fluid_inside[m])) for m, part in parts.items()}
    return parts
