"""Everything a training run depends on, as one tree: what `config.yaml` beside a result holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ParetoSegLib.data.head_mask import HEAD, Outline
from ParetoSegLib.data.preprocessing import PreprocessingSettings
from ParetoSegLib.method.curriculum import CurriculumSettings
from ParetoSegLib.method.emphasis import EmphasisSettings
from ParetoSegLib.method.pareto import ParetoSettings
from ParetoSegLib.model.augmentation import AugmentationSettings
from ParetoSegLib.model.cache import LabelBand
from ParetoSegLib.model.patches import SamplingSettings


@dataclass(frozen=True)
class DataSettings:
    """Which cases are read and how they are split (by patient).

    Args:
        fractions: shares of patients for training, validation (choice of the best weights) and
            calibration (membership and volume interval; used for nothing else).
        ignore_labels: stray label values to treat as background.
    """

    fractions: tuple[float, float, float] = (0.7, 0.15, 0.15)
    ignore_labels: tuple[int, ...] = ()


@dataclass(frozen=True)
class NetworkSettings:
    """A network by its name in the table.

    Args:
        name: as in ``networks.NETWORKS``.
        arguments: what to change of its defaults.
        prior: share of voxels that an untrained network expects to be ET, TC and WT; none starts
            at ½. A prior is usual for cross-entropy, but Dice has hardly a gradient where the
            membership starts near 0; ``docs/benchmarks.md`` has what was measured, for and against.
    """

    name: str = "UNet"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    prior: tuple[float, float, float] | None = None

    def __post_init__(self) -> None:
        if self.prior is not None and not all(0 < p < 1 for p in self.prior):
            raise ValueError(f"prior is {self.prior}; each share must lie in (0, 1).")


@dataclass(frozen=True)
class OptimiserSettings:
    """AdamW with warm-up and cosine decay, clipped gradients, averaged weights.

    Args:
        learning_rate: at the end of the warm-up.
        weight_decay: decoupled.
        warmup_steps: of linear rise.
        final_fraction: of the learning rate left at the last step.
        clip_norm: largest norm of the whole gradient.
        ema_decay: of the weights that are validated and kept.
        frozen: beginnings of the names of weights that stay as they are, as in
            ``body.coarse.bottleneck``: with few patients, or to change little of a model.
    """

    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    warmup_steps: int = 50
    final_fraction: float = 0.01
    clip_norm: float = 5.0
    ema_decay: float = 0.999
    frozen: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 < self.learning_rate < 1:
            raise ValueError(f"learning_rate is {self.learning_rate}; it must lie in (0, 1).")
        if not 0 <= self.ema_decay < 1:
            raise ValueError(f"ema_decay is {self.ema_decay}; it must lie in [0, 1).")
        if self.clip_norm <= 0:
            raise ValueError(f"clip_norm is {self.clip_norm}; it must be positive.")


@dataclass(frozen=True)
class ValidationSettings:
    """When and on what the weights are judged.

    Args:
        every_steps: between two validations.
        cases: at most so many of the validation cases.
        patience: validations without a better score before the run stops; 0 never stops early.
        overlap: of the sliding window.
    """

    every_steps: int = 250
    cases: int = 6
    patience: int = 0
    overlap: float = 0.25

    def __post_init__(self) -> None:
        if self.every_steps < 1 or self.cases < 1 or self.patience < 0:
            raise ValueError("every_steps and cases must be at least 1, patience at least 0.")


@dataclass(frozen=True)
class TrainingSettings:
    """A whole run.

    Args:
        name: of the model.
        seed: of everything random.
        steps: optimiser steps.
        max_minutes: ends the run early and whole; 0 sets no limit.
        batch: samples a step, over all processes together.
        patch: voxels along ``(D, H, W)``.
        precision: ``auto`` probes whether bfloat16 is faster here.
        loss: the method's region losses; or to compare with, ``dice_ce`` on hard labels or
            ``fuzzy_dice_ce`` on fuzzy ones, without regions, curriculum and balance.
        workers: threads that prepare patches ahead.
        checkpoint_minutes: between two checkpoints.
        calibrate: sequence sets that get a calibration of their own.
        augment: whether patches are changed at random.
        outline: of whole heads: what is learnt from and looked at later. Skull-stripped images show
            their own mask.
    """

    name: str = "ParetoSeg"
    seed: int = 0
    steps: int = 2000
    max_minutes: float = 0.0
    batch: int = 1
    patch: tuple[int, int, int] = (96, 96, 96)
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    loss: Literal["regions", "dice_ce", "fuzzy_dice_ce"] = "regions"
    workers: int = 1
    checkpoint_minutes: float = 1.0
    calibrate: tuple[str, ...] = ("t1n+t1c+t2w+t2f", "t1c", "t1c+t2f", "t2f", "t1n")
    augment: bool = True
    outline: Outline = HEAD
    data: DataSettings = field(default_factory=DataSettings)
    preprocessing: PreprocessingSettings = field(default_factory=PreprocessingSettings)
    labels: LabelBand = field(default_factory=LabelBand)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    optimiser: OptimiserSettings = field(default_factory=OptimiserSettings)
    sampling: SamplingSettings = field(default_factory=SamplingSettings)
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)
    emphasis: EmphasisSettings = field(default_factory=EmphasisSettings)
    curriculum: CurriculumSettings = field(default_factory=CurriculumSettings)
    pareto: ParetoSettings = field(default_factory=ParetoSettings)
    validation: ValidationSettings = field(default_factory=ValidationSettings)

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1 or self.workers < 1:
            raise ValueError("steps, batch and workers must each be at least 1.")
        if any(not 8 <= p <= 512 for p in self.patch):
            raise ValueError(f"patch is {self.patch}; each side must lie between 8 and 512 voxels.")
        if not self.name.strip() or any(c in self.name for c in '/\\:*?"<>|'):
            raise ValueError(f"name is {self.name!r}; it must be fit for a folder's name.")
