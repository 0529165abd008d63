"""Two losses, one over the certain interior and one over the fuzzy boundary.

Both count what is false in certain background. A loss that does not see it is smallest for a haze
over the whole head, and a balance that lets neither loss rise then keeps the haze from going.

Every ratio is taken per sample and channel, summed, and divided by the fixed number of samples
and channels, so that the mean over processes equals the loss of the whole batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ParetoSegLib.method.fuzzy import certainty


@dataclass(frozen=True)
class RegionLosses:
    """The losses of one batch, both scalars with a graph.

    Args:
        interior: L_I.
        boundary: L_B.
        has_interior: whether any sample and channel contributed to L_I.
        has_boundary: the same of L_B; a crop without a boundary has none.
    """

    interior: Tensor
    boundary: Tensor
    has_interior: bool
    has_boundary: bool


def region_losses(
    logits: Tensor,
    target: Tensor,
    weight: Tensor,
    labelled: Tensor,
    emphasis: Tensor | None = None,
) -> RegionLosses:
    """L_I over I = {γ = 1} and L_B over B = {γ < 1}, γ the certainty of the target.

    With p = sigmoid(logits), C the certain voxels inside and O those outside (I = C ∪ O), N all
    voxels, F = Σ_O p and H = Σ_O BCE(0, p), for each sample and channel:

        L_I = (Σ_C e (1 − p) + F) / (Σ_C e (1 + p) + F) + (Σ_C e BCE(1, p) + H / 2) / N
        L_B = (Σ_B ea |p − μ| + F) / (Σ_B ea (p + μ) + F) + (Σ_B ea KL(μ ‖ p) + H / 2) / N

    Both are ≥ 0 and 0 exactly where p is the target on their voxels, so they compare as fractions
    of their start. The first term of L_B is the Dice semimetric, minimal at p = μ where plain soft
    Dice with a target of 0.6 is minimal at 1. With e = a = 1 the second terms add up to the mean
    divergence over all voxels, so that their sum is a proper score: smallest for the calibrated p.

    A first term without weight counts nothing; without a boundary L_B is 0 and L_I has all of H;
    unlabelled channels add 0 and have no gradient. Computed in float32, inside autocast too.

    Args:
        logits: ``(B, C, …)``.
        target: memberships μ in [0, 1], same shape; no gradient flows into it.
        weight: the curriculum's voxel weights a ≥ 0, same shape; only used on the boundary.
        labelled: bool ``(B, C)``; false where the sample's region is unknown.
        emphasis: e ≥ 1 on lesions, same shape, as ``lesion_emphasis`` gives it; background always
            counts 1. ``None`` is 1 everywhere.

    Raises:
        ValueError: the shapes do not fit together.

    Source: Dice semimetric loss, Wang et al. 2023, arXiv 2303.16296 (DML1).
    """
    e = torch.ones_like(target) if emphasis is None else emphasis
    _check(logits, labelled, target, weight, e)
    with torch.autocast(logits.device.type, enabled=False):
        z, mu, a, e = _flat(logits), *(_flat(t.detach()) for t in (target, weight, e))
        known = labelled.to(z.device)[:, :, None]
        clear = (certainty(mu) == 1) & (mu < 0.5)
        far, near = clear & known, ~clear & known
        # Certain background is nearly everything. There |p − y| = p + y = p and BCE = softplus;
        # −∞ elsewhere adds exactly 0 to value and gradient.
        background = torch.where(far, z, -torch.inf)
        false = torch.sigmoid(background).sum(-1)
        entropy = functional.softplus(background).sum(-1)
        core, band = _sums_near(z, mu, a, e, near)

        fuzzy, voxels = band.weight > 0, z.shape[-1]
        entropy_b = torch.where(fuzzy, entropy / 2, 0)
        interior = _dice(core, false) + (core.divergence + entropy - entropy_b) / voxels
        boundary = _dice(band, false) + (band.divergence + entropy_b) / voxels
        has_interior, has_boundary = torch.stack(
            [((core.weight > 0) | far.any(-1)).any(), fuzzy.any()]
        ).tolist()
    return RegionLosses(interior.mean(), boundary.mean(), has_interior, has_boundary)


@dataclass(frozen=True)
class _Sums:
    """Weighted sums over voxels, each ``(B, C)``: |p − y|, p + y, KL(y ‖ p) and the weight."""

    apart: Tensor
    total: Tensor
    divergence: Tensor
    weight: Tensor


def _sums_near(z: Tensor, mu: Tensor, a: Tensor, e: Tensor, near: Tensor) -> tuple[_Sums, _Sums]:
    """Sums among ``near``: certain foreground with weights ``e``, the band with ``ea``."""
    # A few voxels in a hundred: gathered once, then summed in runs of one sample and channel
    # each (they lie in order; scattered sums would differ from run to run on a GPU).
    runs = near.sum(-1).flatten().tolist()
    z, mu, a, e = z[near], *(t[near].to(z.dtype) for t in (mu, a, e))
    sure = certainty(mu) == 1
    y = torch.where(sure, 1, mu)
    p = torch.sigmoid(z)
    # KL = BCE − H with 0 log 0 = 0; where the label is certain H is 0.
    entropy = -(torch.xlogy(y, y) + torch.xlogy(1 - y, 1 - y))
    divergence = functional.binary_cross_entropy_with_logits(z, y, reduction="none") - entropy
    terms = torch.stack([(p - y).abs(), p + y, divergence, torch.ones_like(p)])
    weights = e * torch.stack([sure.to(z.dtype), torch.where(sure, 0, a)])
    weighted = weights[:, None] * terms
    sums = torch.stack([run.sum(-1) for run in weighted.split(runs, dim=-1)], dim=-1)
    core, band = sums.view(2, 4, *near.shape[:2])
    return _Sums(*core), _Sums(*band)


def plain_loss(logits: Tensor, target: Tensor, labelled: Tensor) -> Tensor:
    """Soft Dice + binary cross-entropy over all voxels: the rival that everyone trains with.

    Dice is the semimetric again, so that memberships can be targets too; on masks it is soft Dice.

    Args:
        logits: ``(B, C, …)``.
        target: masks of 0 and 1 (or bool), or memberships in [0, 1], same shape.
        labelled: bool ``(B, C)``; false where the sample's region is unknown.

    Returns:
        A scalar, per sample and channel, summed and divided by B·C; Dice terms without
        foreground and unlabelled channels add 0.

    Raises:
        ValueError: the shapes do not fit together.
    """
    _check(logits, labelled, target)
    with torch.autocast(logits.device.type, enabled=False):
        z = _flat(logits)
        y = _flat(target.detach()).to(z.dtype)
        known = labelled.to(z.device)
        p = torch.sigmoid(z)
        area = y.sum(-1)
        dice = _ratio((p - y).abs().sum(-1), p.sum(-1) + area, known & (area > 0))
        entropy = functional.binary_cross_entropy_with_logits(z, y, reduction="none").mean(-1)
        return (dice + torch.where(known, entropy, 0)).mean()


def _dice(near: _Sums, false: Tensor) -> Tensor:
    """The Dice loss of one region's voxels and of what is false outside all of them."""
    return _ratio(near.apart + false, near.total + false, near.weight > 0)


def _ratio(numerator: Tensor, denominator: Tensor, counts: Tensor) -> Tensor:
    """The quotient where it ``counts``, else 0 without a gradient."""
    # A safe denominator first: a where() alone would let 0/0 into the gradient.
    return torch.where(counts, numerator / torch.where(counts, denominator, 1), 0)


def _flat(array: Tensor) -> Tensor:
    """``(B, C, voxels)``, at least float32: half-precision sums over voxels are wrong or NaN."""
    wide = array if array.dtype == torch.float64 else array.float()
    return wide.flatten(2)


def _check(logits: Tensor, labelled: Tensor, *others: Tensor) -> None:
    if logits.ndim < 3:
        raise ValueError(f"logits need axes (B, C, …), not shape {tuple(logits.shape)}")
    for other in others:
        if other.shape != logits.shape:
            raise ValueError(
                f"logits of shape {tuple(logits.shape)} beside shape {tuple(other.shape)}"
            )
    if labelled.shape != logits.shape[:2] or labelled.dtype != torch.bool:
        raise ValueError("labelled must be a bool tensor of shape (B, C)")
