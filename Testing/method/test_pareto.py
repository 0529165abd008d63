from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ParetoSegLib.method.losses import RegionLosses
from ParetoSegLib.method.pareto import Balance, ParetoSettings
from Testing.method.asserts import assert_non_conflicting
from Testing.method.small_network import (
    MODES,
    batch,
    every_mode,
    gradients,
    losses_of,
    network,
)
from Testing.method.strategies import gradient_pairs


def linear(parameter: nn.Parameter, g_i: np.ndarray, g_b: np.ndarray) -> RegionLosses:
    """Losses whose gradients are the given vectors."""
    i, b = (parameter @ torch.from_numpy(g) for g in (g_i, g_b))
    return RegionLosses(i, b, True, True)


@settings(max_examples=100, deadline=None)
@given(gradient_pairs(), st.floats(0, 1))
def test_the_promise(pair, u):
    parameter = nn.Parameter(torch.zeros(pair[0].size))
    record = Balance(ParetoSettings("upgrad"), [parameter]).backward(linear(parameter, *pair), u)
    assert parameter.grad is not None
    assert_non_conflicting(*pair, parameter.grad.numpy(), u)
    assert record.refreshed
    assert record.violated is False
    if pair[0].astype(float) @ pair[1].astype(float) >= 0:
        expected = (1 - u) * pair[0].astype(float) + u * pair[1].astype(float)
        size = np.linalg.norm(pair[0]) + np.linalg.norm(pair[1])
        np.testing.assert_allclose(parameter.grad.numpy(), expected, atol=1e-6 * size)


def test_exact_opposition_stands_still():
    parameter = nn.Parameter(torch.zeros(3))
    g = np.float32([3, -4, 12])
    record = Balance(ParetoSettings(), [parameter]).backward(linear(parameter, g, -2 * g), 0.5)
    assert parameter.grad is not None
    assert parameter.grad.abs().max() <= 1e-5
    assert record.cosine == -1
    assert record.residual == pytest.approx(0, abs=1e-5)
    assert record.relative_residual == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("bad", [0.0, math.nan, math.inf])
@pytest.mark.parametrize("u", [0.0, 0.5])
def test_gradients_that_are_zero_or_not_finite(bad, u):
    parameter = nn.Parameter(torch.zeros(3))
    good = np.float32([1, 2, 3])
    losses = linear(parameter, good, np.float32([bad, 0, 0]))
    record = Balance(ParetoSettings(), [parameter]).backward(losses, u)
    assert (record.w_interior, record.w_boundary) == (1 - u, u)
    assert record.violated is None
    assert parameter.grad is not None
    if u == 0 or bad == 0:
        np.testing.assert_allclose(parameter.grad.numpy(), (1 - u) * good)


def converge(mode: ParetoSettings, u: float) -> tuple[torch.Tensor, list[tuple[float, float]]]:
    """Plain descent on two quadratics with minima at (0, 0) and (1, 0)."""
    x = nn.Parameter(torch.tensor([0.3, 2.0]))
    balance = Balance(mode, [x])
    path = []
    for _ in range(400):
        first = 0.5 * (x * x).sum()
        second = 2.0 * ((x - torch.tensor([1.0, 0.0])) ** 2).sum()
        path.append((first.item(), second.item()))
        balance.backward(RegionLosses(first, second, True, True), u)
        with torch.no_grad():
            x -= 0.05 * x.grad
    return x.detach(), path


@every_mode
@pytest.mark.parametrize("u", [0.2, 0.5, 0.8])
def test_two_quadratics_end_between_their_minima(mode, u):
    x, path = converge(mode, u)
    assert -1e-3 <= x[0] <= 1 + 1e-3
    assert abs(x[1]) < 1e-2
    if mode.mode == "upgrad" and mode.refresh_every == 1:
        for before, after in itertools.pairwise(path):
            # to first order: what is left is of the step's second order, and rounding
            assert after[0] <= before[0] + 1e-6
            assert after[1] <= before[1] + 1e-6


def test_without_boundary_preference_the_boundary_is_still_not_hurt():
    _, path = converge(ParetoSettings("upgrad"), 0.0)
    assert path[-1][1] <= path[0][1]
    _, path_sum = converge(ParetoSettings("sum"), 0.0)
    assert path_sum[-1][1] > path[-1][1]


@every_mode
def test_weights_recombine_to_the_gradient(mode):
    net = network()
    balance = Balance(mode, net.parameters())
    for seed in range(5):
        images, mu = batch(seed)
        losses = losses_of(net, images, mu)
        record = balance.backward(losses, 0.4)
        found = gradients(net)
        again = losses_of(net, images, mu)
        total = record.w_interior * again.interior + record.w_boundary * again.boundary
        expected = torch.autograd.grad(total, list(net.parameters()))
        torch.testing.assert_close(found, list(expected), rtol=1e-4, atol=1e-6)
        assert record.loss_interior == pytest.approx(losses.interior.item())
        assert record.loss_boundary == pytest.approx(losses.boundary.item())


def test_old_gradients_are_replaced():
    for mode in MODES:
        net = network()
        balance = Balance(mode, net.parameters())
        for p in net.parameters():
            p.grad = torch.full_like(p, 1e6)
        for _ in range(2):
            balance.backward(losses_of(net, *batch(0)), 0.4)
            assert all(g.abs().max() < 1e3 for g in gradients(net))


@every_mode
def test_a_crop_without_a_boundary(mode):
    net = network()
    balance = Balance(mode, net.parameters())
    balance.backward(losses_of(net, *batch(0)), 0.25)
    images, mu = batch(1, binary=True)
    losses = losses_of(net, images, mu)
    assert not losses.has_boundary
    expected = torch.autograd.grad(losses.interior, list(net.parameters()), retain_graph=True)
    record = balance.backward(losses, 0.25)
    assert record.loss_boundary is None
    assert record.residual is None
    assert not record.refreshed
    scale = 0.75
    if mode.mode == "stch":
        assert record.relative_interior is not None
        scale = 0.75 * record.relative_interior / losses.interior.item()
    assert record.w_interior == pytest.approx(scale, rel=1e-5)
    torch.testing.assert_close(gradients(net), [scale * g for g in expected], rtol=1e-4, atol=1e-7)


@every_mode
def test_losses_without_a_graph_give_zeros(mode):
    parameter, unused = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(3))
    balance = Balance(mode, [parameter, unused])
    constant = torch.tensor(0.5)
    for interior, boundary in (
        (parameter.sum(), constant),
        (constant, 2 * parameter.sum()),
        (constant, constant),
    ):
        balance.backward(RegionLosses(interior, boundary, True, True), 0.5)
        assert parameter.grad is not None
        assert unused.grad is not None
        assert parameter.grad.shape == parameter.shape
        assert (unused.grad == 0).all()
    assert (parameter.grad == 0).all()
    balance.backward(RegionLosses(constant, constant, False, False), 0.5)
    assert (parameter.grad == 0).all()


def test_frozen_parameters_are_left_alone():
    net = network()
    net[0].requires_grad_(False)
    Balance(ParetoSettings(), net.parameters()).backward(losses_of(net, *batch(0)), 0.5)
    assert net[0].weight.grad is None
    assert net[2].weight.grad is not None


def test_autocast_and_clipping():
    for mode in MODES:
        net = network()
        balance = Balance(mode, net.parameters())
        for seed in range(4):
            images, mu = batch(seed)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                losses = losses_of(net, images, mu)
            balance.backward(losses, 0.5)
            found = gradients(net)
            assert all(g.dtype == torch.float32 for g in found)
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1e-3)
            squares = sum(g.square().sum() for g in gradients(net))
            assert squares.sqrt() <= 1.001e-3


def test_refreshes_come_when_due_and_wait_for_a_boundary():
    net = network()
    balance = Balance(ParetoSettings(refresh_every=3), net.parameters())
    without = [False, False, False, False, True, True, False]
    refreshed = []
    for seed, binary in enumerate(without):
        record = balance.backward(losses_of(net, *batch(seed, binary=binary)), 0.5)
        refreshed.append(record.refreshed)
        assert (record.cosine is not None) == record.refreshed
    assert refreshed == [True, False, False, True, False, False, False]
    records = [balance.backward(losses_of(net, *batch(9)), 0.5) for _ in range(2)]
    assert [r.refreshed for r in records] == [False, True]


def test_the_violation_is_that_of_the_weights_used_in_between():
    """The first batches agree, so the remembered weights are plain; the next batch conflicts."""
    parameter = nn.Parameter(torch.zeros(2))
    balance = Balance(ParetoSettings(refresh_every=2, memory=0.0), [parameter])
    agree = (np.float32([1, 0]), np.float32([1, 1]))
    conflict = (np.float32([1, 0]), np.float32([-10, 1]))
    first = balance.backward(linear(parameter, *agree), 0.5)
    assert first.violated is None
    between = balance.backward(linear(parameter, *conflict), 0.5)
    assert (between.w_interior, between.w_boundary) == (0.5, 0.5)
    assert between.violated is None
    second = balance.backward(linear(parameter, *conflict), 0.5)
    assert second.violated is True
    assert parameter.grad is not None
    assert_non_conflicting(*conflict, parameter.grad.numpy(), 0.5)
    assert balance.violation_rate == 1.0
    balance.backward(linear(parameter, *conflict), 0.5)
    third = balance.backward(linear(parameter, *conflict), 0.5)
    assert third.violated is True  # its weights are capped at 4, the exact ones are not
    assert third.w_interior > 4


def test_remembered_weights_are_the_exact_ones_of_an_unchanging_conflict():
    parameter = nn.Parameter(torch.zeros(2))
    balance = Balance(ParetoSettings(refresh_every=3), [parameter])
    pair = (np.float32([1, 0]), np.float32([-3, 1]))
    records = [balance.backward(linear(parameter, *pair), 0.5) for _ in range(6)]
    for record in records[1:]:
        assert record.w_interior == pytest.approx(records[0].w_interior)
        assert record.w_boundary == pytest.approx(records[0].w_boundary)
    assert balance.violation_rate == 0.0


@settings(max_examples=40, deadline=None)
@given(st.lists(gradient_pairs(), min_size=2, max_size=8), st.floats(0, 1))
def test_remembered_weights_stay_below_the_cap(pairs, u):
    balance = Balance(ParetoSettings(refresh_every=2, weight_cap=3.0), [])
    for pair in pairs:
        parameter = nn.Parameter(torch.zeros(pair[0].size))
        balance._parameters = [parameter]
        record = balance.backward(linear(parameter, *pair), u)
        if not record.refreshed:
            assert 1 - u - 1e-9 <= record.w_interior <= 3
            assert u - 1e-9 <= record.w_boundary <= 3


def test_probes_do_not_change_the_step():
    for mode in ("sum", "stch"):
        steps = []
        for probe in (0, 2):
            net = network()
            balance = Balance(ParetoSettings(mode, probe_every=probe), net.parameters())
            records = []
            for seed in range(4):
                records.append(balance.backward(losses_of(net, *batch(seed)), 0.5))
                steps.append(gradients(net))
            assert [r.refreshed for r in records] == [bool(probe), False] * 2
        torch.testing.assert_close(steps[:4], steps[4:], rtol=1e-4, atol=1e-6)


@every_mode
def test_state_goes_on_exactly(mode):
    def run(net, balance, seeds):
        seen = []
        for seed in seeds:
            record = balance.backward(losses_of(net, *batch(seed, binary=seed == 4)), 0.3)
            seen.append((record, [g.tolist() for g in gradients(net)]))
        return seen

    net = network()
    expected = run(net, Balance(mode, net.parameters()), range(10))
    first = Balance(mode, net.parameters())
    seen = run(net, first, range(5))
    second = Balance(mode, net.parameters())
    second.load_state_dict(first.state_dict())
    assert second.state_dict() == first.state_dict()
    assert seen + run(net, second, range(5, 10)) == expected


def test_relative_losses_start_at_one():
    net = network()
    record = Balance(ParetoSettings(), net.parameters()).backward(losses_of(net, *batch(0)), 0.0)
    assert record.relative_interior == pytest.approx(1)
    assert record.relative_boundary == pytest.approx(1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"mode": "mgda"},
        {"refresh_every": 0},
        {"memory": 1.0},
        {"weight_cap": 0.5},
        {"temperature": 0.0},
        {"reference_steps": 0},
        {"probe_every": -1},
    ],
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ParetoSettings(**wrong)


def test_a_preference_is_a_share():
    net = network()
    with pytest.raises(ValueError, match="u_boundary"):
        Balance(ParetoSettings(), net.parameters()).backward(losses_of(net, *batch(0)), 1.5)
