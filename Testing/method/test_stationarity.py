from __future__ import annotations

import math

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ParetoSegLib.method.gram import Gram, gram_of
from ParetoSegLib.method.stationarity import relative_residual, stationarity_residual
from Testing.method.asserts import assert_residual_is_the_shortest
from Testing.method.strategies import gradient_pairs


def gram(pair) -> Gram:
    return gram_of([torch.from_numpy(pair[0])], [torch.from_numpy(pair[1])])


@settings(max_examples=100, deadline=None)
@given(gradient_pairs())
def test_it_is_the_shortest_mix(pair):
    g = gram(pair)
    assert_residual_is_the_shortest(g, stationarity_residual(g))


@given(st.floats(1e-4, 1e4))
def test_zero_where_stationary(ratio):
    """Opposed gradients, or one that vanishes: no direction lowers both."""
    assert stationarity_residual(Gram(1.0, ratio**2, -ratio)) <= 1e-7 * max(1, ratio)
    assert stationarity_residual(Gram(0.0, ratio**2, 0.0)) == 0
    assert stationarity_residual(Gram(ratio**2, 0.0, 0.0)) == 0


@settings(max_examples=100)
@given(st.floats(-3, 3), st.floats(-0.99, 1))
def test_positive_where_both_can_fall(decades, cosine):
    ratio = 10**decades
    assert stationarity_residual(Gram(1.0, ratio**2, cosine * ratio)) > 0.01 * min(1, ratio)


def test_equal_gradients():
    assert stationarity_residual(Gram(4.0, 4.0, 4.0)) == 2.0


@given(gradient_pairs(), st.floats(0.01, 100))
def test_the_relative_one_ignores_lengths(pair, factor):
    shorter = (pair[0] / np.linalg.norm(pair[0]), pair[1] / np.linalg.norm(pair[1]))
    longer = (shorter[0], shorter[1] * np.float32(factor))
    one, other = relative_residual(gram(shorter)), relative_residual(gram(longer))
    assert one is not None
    assert other is not None
    assert 0 <= one <= 1
    assert abs(one - other) < 2e-3
    # between unit vectors it is the residual itself
    assert abs(one - stationarity_residual(gram(shorter))) < 1e-3


def test_no_direction_no_relative_residual():
    assert relative_residual(Gram(0.0, 1.0, 0.0)) is None
    assert relative_residual(Gram(1.0, math.nan, math.nan)) is None
    assert math.isnan(stationarity_residual(Gram(1.0, math.nan, math.nan)))
