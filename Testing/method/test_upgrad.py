from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchjd.aggregation import UPGrad

from ParetoSegLib.method.gram import Gram, gram_of
from ParetoSegLib.method.upgrad import keeps_promise, upgrad_weights
from Testing.method.asserts import assert_non_conflicting
from Testing.method.strategies import gradient_pairs

preferences = st.floats(0, 1)


def gram(g_i: np.ndarray, g_b: np.ndarray) -> Gram:
    return gram_of([torch.from_numpy(g_i)], [torch.from_numpy(g_b)])


def combine(g_i, g_b, weights):
    return np.float32(weights[0]) * g_i + np.float32(weights[1]) * g_b


@settings(max_examples=300)
@given(gradient_pairs(), preferences)
def test_no_step_raises_either_loss(pair, u):
    weights = upgrad_weights(gram(*pair), u)
    assert_non_conflicting(*pair, combine(*pair, weights), u)
    assert keeps_promise(gram(*pair), weights, u)


@settings(max_examples=200)
@given(gradient_pairs(), preferences)
def test_without_conflict_it_is_the_weighted_sum(pair, u):
    g = gram(*pair)
    if g.dot >= 0:
        assert upgrad_weights(g, u) == (1 - u, u)


@given(preferences, st.floats(1e-4, 1e4))
def test_exact_opposition_stands_still(u, ratio):
    g_i = np.float32([3, -4, 12])
    weights = upgrad_weights(Gram(169, 169 * ratio**2, -169 * ratio), u)
    d = weights[0] * g_i - weights[1] * ratio * g_i
    assert np.abs(d).max() <= 1e-12 * max(1, ratio) * 12


@settings(max_examples=200)
@given(gradient_pairs(largest_ratio=3), st.floats(0.05, 0.95))
def test_agrees_with_torchjd(pair, u):
    """At larger ratios its regulariser breaks the promise, so only up to 3."""
    pytest.importorskip("quadprog", reason="torchjd needs its extra quadprog_projector")
    pytest.importorskip("qpsolvers", reason="torchjd needs its extra quadprog_projector")
    g_i, g_b = (v / np.linalg.norm(pair[0]) for v in pair)
    matrix = torch.tensor(np.stack([g_i, g_b]), dtype=torch.float64)
    expected = UPGrad(pref_vector=torch.tensor([1 - u, u], dtype=torch.float64))(matrix).numpy()
    d = combine(g_i, g_b, upgrad_weights(gram(g_i, g_b), u))
    size = max(np.linalg.norm(g_i), np.linalg.norm(g_b))
    np.testing.assert_allclose(d, expected, rtol=3e-3, atol=3e-3 * size)


def projected(k: int, g: np.ndarray) -> np.ndarray:
    """Weights v ≥ e_k minimising v' G v: of the four active sets, the one that meets the KKT.

    Not the one of smallest value: next to orthogonality values tie in float64, conditions do not.
    """
    least = np.eye(2)[k]
    for held in itertools.product((True, False), repeat=2):
        v = least.copy()
        free = [r for r in range(2) if not held[r]]
        fixed = [r for r in range(2) if held[r]]
        if free:
            v[free] = np.linalg.solve(g[np.ix_(free, free)], -g[np.ix_(free, fixed)] @ least[fixed])
        if (v[free] >= least[free]).all() and ((g @ v)[fixed] >= 0).all():
            return v
    raise AssertionError("no active set meets the conditions")


@settings(max_examples=300)
@given(
    st.floats(-4, 4),
    st.floats(-0.999, 0.999),
    preferences,
)
def test_equals_its_quadratic_programme(decades, cosine, u):
    ratio = 10**decades
    g = np.array([[1, cosine * ratio], [cosine * ratio, ratio**2]])
    expected = (1 - u) * projected(0, g) + u * projected(1, g)
    weights = upgrad_weights(Gram(g[0, 0], g[1, 1], g[0, 1]), u)
    np.testing.assert_allclose(weights, expected, rtol=1e-9)


@given(preferences, st.sampled_from([0.0, math.nan, math.inf]), st.booleans())
def test_without_two_directions_preferences_decide(u, square, swap):
    dot = 0.0 if square == 0 else square
    g = Gram(square, 4.0, dot) if swap else Gram(4.0, square, dot)
    assert upgrad_weights(g, u) == (1 - u, u)
    assert g.cosine is None


@given(gradient_pairs(), preferences)
def test_regions_are_treated_alike(pair, u):
    w_i, w_b = upgrad_weights(gram(*pair), u)
    swapped = upgrad_weights(gram(*pair[::-1]), 1 - u)
    assert swapped == pytest.approx((w_b, w_i), rel=1e-9, abs=1e-15)


def test_a_broken_promise_is_seen():
    g = Gram(1.0, 100.0, -9.0)
    assert not keeps_promise(g, (0.5, 0.5), 0.5)
    assert keeps_promise(g, upgrad_weights(g, 0.5), 0.5)
    assert not keeps_promise(Gram(1.0, math.nan, math.nan), (0.5, 0.5), 0.5)


def test_dots_accumulate_in_double_precision():
    rng = np.random.default_rng(0)
    a = [torch.from_numpy(rng.normal(size=s).astype(np.float32)) for s in ((3, 4), (5,), (2, 3, 7))]
    b = [torch.from_numpy(rng.normal(size=p.shape).astype(np.float32)) for p in a]
    g = gram_of(a, b)
    flat_a, flat_b = (np.concatenate([p.numpy().ravel() for p in v]).astype(float) for v in (a, b))
    expected = (flat_a @ flat_a, flat_b @ flat_b, flat_a @ flat_b)
    assert (g.interior, g.boundary, g.dot) == pytest.approx(expected, rel=1e-14)
    large = gram_of([torch.full((8,), 1e30)], [torch.full((8,), -1e30)])
    assert large.cosine == pytest.approx(-1)
