from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ParetoSegLib.method.tchebycheff import LossReferences, tchebycheff_weights

positive = st.floats(1e-3, 1e3)
inner = st.floats(0.01, 0.99)


@given(st.floats(0, 3), st.floats(0, 3), positive, positive, inner, st.floats(0.1, 10))
def test_weights_are_the_gradient_of_the_formula(l_i, l_b, ref_i, ref_b, u, tau):
    losses = torch.tensor([l_i * ref_i, l_b * ref_b], dtype=torch.float64, requires_grad=True)
    logs = torch.tensor([math.log(1 - u), math.log(u)], dtype=torch.float64)
    refs = torch.tensor([ref_i, ref_b], dtype=torch.float64)
    (tau * torch.logsumexp(logs + losses / (refs * tau), 0)).backward()
    weights = tchebycheff_weights((l_i, l_b), (ref_i, ref_b), u, tau)
    assert losses.grad is not None
    torch.testing.assert_close(
        torch.tensor(weights, dtype=torch.float64), losses.grad, rtol=1e-6, atol=1e-12
    )


def test_the_worse_region_counts_more_and_equal_ones_by_preference():
    assert tchebycheff_weights((1.0, 1.0), (1.0, 1.0), 0.3, 0.5) == pytest.approx((0.7, 0.3))
    w_i, w_b = tchebycheff_weights((0.5, 1.0), (1.0, 1.0), 0.5, 0.1)
    assert w_b > 0.99 > 0.01 > w_i


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.sampled_from([0.0, 0.5, 1.0]))
def test_finite_at_the_ends(l_i, l_b, u):
    weights = tchebycheff_weights((l_i, l_b), (1.0, 1.0), u, 0.01)
    assert all(map(math.isfinite, weights))
    assert sum(weights) == pytest.approx(1)
    if u in (0.0, 1.0):
        assert weights == (1 - u, u)


def test_one_region_alone_stays_at_its_preference():
    assert tchebycheff_weights((0.2, None), (2.0, 1.0), 0.25, 0.5)[0] == 0.375


def test_the_reference_is_the_first_mean_then_fixed():
    references = LossReferences(3)
    assert references.values == (1.0, 1.0)
    assert references.update((4.0, None)) == (1.0, None)
    assert references.update((2.0, 6.0)) == (2.0 / 3.0, 1.0)
    references.update((math.nan, math.inf))
    references.update((3.0, 6.0))
    assert references.values == (3.0, 6.0)
    references.update((None, 6.0))
    assert references.update((1.5, 3.0)) == (0.5, 0.5)
    references.update((100.0, 0.0))
    assert references.values == (3.0, 6.0)


def test_the_reference_does_not_vanish():
    references = LossReferences(1)
    references.update((0.0, 1e-9))
    assert references.values == (1e-3, 1e-3)


def test_state_goes_on_exactly():
    first, second = LossReferences(5), LossReferences(5)
    first.update((0.1, 0.7))
    first.update((0.3, None))
    second.load_state_dict(first.state_dict())
    for losses in ((0.2, 0.9), (0.7, 0.3), (0.11, None), (0.5, 0.5)):
        assert second.update(losses) == first.update(losses)
    assert second.state_dict() == first.state_dict()
