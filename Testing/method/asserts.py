"""Named properties that every label, loss, pace and weighting of the method goes through."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from ParetoSegLib.core.geometry import components
from ParetoSegLib.method.curriculum import Curriculum
from ParetoSegLib.method.gram import Gram

MembershipOf = Callable[[np.ndarray, tuple[float, float, float]], np.ndarray]
Loss = Callable[[Tensor], Tensor]
"""Of logits; everything else is bound."""


# --- fuzzy labels ---------------------------------------------------------------------------


def assert_is_membership(mu: np.ndarray) -> None:
    assert mu.dtype == np.float32
    assert np.isfinite(mu).all()
    assert mu.min() >= 0
    assert mu.max() <= 1


def assert_half_cut_is(mu: np.ndarray, mask: np.ndarray) -> None:
    np.testing.assert_array_equal(mu > 0.5, mask)


def assert_every_lesion_keeps_a_core(mu: np.ndarray, mask: np.ndarray) -> None:
    labelled, boxes = components(mask)
    for number in range(1, len(boxes) + 1):
        assert mu[labelled == number].max() == 1.0


def assert_nested(inner: np.ndarray, outer: np.ndarray) -> None:
    for alpha in (0.05, 0.25, 0.5, 0.75, 0.95, 1.0):
        assert not ((inner >= alpha) & ~(outer >= alpha)).any()
    assert (outer >= inner).all()


def assert_commutes_with_flips_and_permutations(
    make: MembershipOf, mask: np.ndarray, spacing: tuple[float, float, float]
) -> None:
    expected = make(mask, spacing)
    for order in itertools.permutations(range(3)):
        turned = (spacing[order[0]], spacing[order[1]], spacing[order[2]])
        for axes in ((), (0,), (1, 2), (0, 1, 2)):
            moved = np.flip(mask.transpose(order), axes)
            wanted = np.flip(expected.transpose(order), axes)
            np.testing.assert_allclose(make(moved, turned), wanted, atol=2e-6)


# --- losses -----------------------------------------------------------------------------------


def assert_finite_with_gradient(loss: Loss, logits: Tensor) -> None:
    leaf = logits.detach().clone().requires_grad_()
    value = loss(leaf)
    assert value.ndim == 0
    assert torch.isfinite(value)
    value.backward()
    assert leaf.grad is not None
    assert torch.isfinite(leaf.grad).all()


def assert_zero_at(loss: Loss, optimum: Tensor, tolerance: float = 1e-6) -> None:
    assert abs(loss(optimum).item()) <= tolerance


def assert_never_below_zero(loss: Loss, logits: Tensor) -> None:
    assert loss(logits).item() >= -1e-6


def assert_gradient_is_right(loss: Loss, logits: Tensor) -> None:
    assert torch.autograd.gradcheck(loss, (logits.double().requires_grad_(),), atol=1e-6)


def assert_no_gradient_in(loss: Loss, logits: Tensor, where: Tensor) -> None:
    leaf = logits.detach().clone().requires_grad_()
    value = loss(leaf)
    assert value.requires_grad
    value.backward()
    assert leaf.grad is not None
    assert (leaf.grad[where] == 0).all()


# --- paces ------------------------------------------------------------------------------------


def steps_of(curriculum: Curriculum, losses: Sequence[float | None]) -> Iterator[tuple]:
    for loss in losses:
        yield curriculum.theta, curriculum.u_boundary
        curriculum.advance(loss)


def assert_paces_together(curriculum: Curriculum, losses: Sequence[float | None]) -> None:
    """θ falls within [0, 1] and u_B rises within [0, end], both at one pace."""
    end = curriculum.settings.u_boundary
    before = 1.0
    for theta, u_boundary in steps_of(curriculum, losses):
        assert 0 <= theta <= before
        assert math.isclose(u_boundary, end * (1 - theta), abs_tol=1e-12)
        before = theta


# --- weightings -------------------------------------------------------------------------------


def assert_non_conflicting(
    g_i: np.ndarray, g_b: np.ndarray, d: np.ndarray, u_boundary: float
) -> None:
    """Neither loss rises along −d, to first order; judged on float32 vectors in float64."""
    g_i, g_b, d = (np.asarray(v, np.float64) for v in (g_i, g_b, d))
    norm_i, norm_b = np.linalg.norm(g_i), np.linalg.norm(g_b)
    size = (1 - u_boundary) * norm_i + u_boundary * norm_b
    assert g_i @ d >= -1e-5 * norm_i * size
    assert g_b @ d >= -1e-5 * norm_b * size


def assert_residual_is_the_shortest(gram: Gram, residual: float) -> None:
    """No mix of the two gradients is shorter, and some mix is as short."""
    lengths = []
    for a in np.linspace(0, 1, 2001):
        square = a * a * gram.interior + 2 * a * (1 - a) * gram.dot + (1 - a) ** 2 * gram.boundary
        lengths.append(math.sqrt(max(square, 0.0)))
    scale = math.sqrt(max(gram.interior, gram.boundary))
    assert residual <= min(lengths) + 1e-9 * scale
    assert residual >= min(lengths) - 2e-3 * scale
