from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from monai.losses import DiceLoss, MaskedDiceLoss

from ParetoSegLib.method.curriculum import voxel_weight
from ParetoSegLib.method.fuzzy import certainty
from ParetoSegLib.method.losses import plain_loss, region_losses
from Testing.method.asserts import (
    assert_finite_with_gradient,
    assert_gradient_is_right,
    assert_never_below_zero,
    assert_no_gradient_in,
    assert_zero_at,
)

SHAPE = (2, 3, 4, 5, 6)
ALL = torch.ones(SHAPE[:2], dtype=torch.bool)
seeds = st.integers(0, 2**32 - 1)
thetas = st.sampled_from([0.0, 0.3, 0.8, 1.0])


def sample(seed, shape=SHAPE, theta=0.3):
    """Logits, memberships with both regions in them, curriculum weights."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(shape, generator=generator) * 3
    mu = torch.rand(shape, generator=generator)
    kind = torch.rand(shape, generator=generator)
    mu = torch.where(kind < 0.5, 0.0, torch.where(kind < 0.7, 1.0, mu))
    return logits, mu, voxel_weight(certainty(mu), theta, 0.25)


def interior(mu, weight, labelled=ALL):
    return lambda z: region_losses(z, mu, weight, labelled).interior


def boundary(mu, weight, labelled=ALL):
    return lambda z: region_losses(z, mu, weight, labelled).boundary


def hard(mu, weight, labelled=ALL):
    return lambda z: plain_loss(z, mu > 0.5, labelled)


def fuzzy(mu, weight, labelled=ALL):
    return lambda z: plain_loss(z, mu, labelled)


every_loss = pytest.mark.parametrize("make", [interior, boundary, hard, fuzzy])


def perfect(target):
    return torch.logit(target.double().clamp(0, 1)).clamp(-1e4, 1e4)


@every_loss
@settings(max_examples=25, deadline=None)
@given(seed=seeds, theta=thetas)
def test_smoke(make, seed, theta):
    logits, mu, weight = sample(seed, theta=theta)
    assert_finite_with_gradient(make(mu, weight), logits)
    assert_never_below_zero(make(mu, weight), logits)


@every_loss
@pytest.mark.parametrize("size", [1e4, 1e2, 0.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_finite_at_extreme_logits(make, size, dtype):
    logits, mu, weight = sample(0)
    for extreme in (logits.sign() * size, torch.full(SHAPE, size), torch.full(SHAPE, -size)):
        assert_finite_with_gradient(make(mu, weight), extreme.to(dtype))


@every_loss
def test_gradcheck(make):
    """Beside p = μ, where the L1 term has its kink."""
    logits, mu, weight = sample(3, shape=(2, 3, 2, 2, 3))
    p = torch.sigmoid(logits)
    logits = torch.where((p - mu).abs() < 0.05, logits + 1, logits)
    assert_gradient_is_right(make(mu.double(), weight.double()), logits)


@settings(max_examples=25, deadline=None)
@given(seed=seeds, theta=thetas)
def test_zero_at_the_optimum(seed, theta):
    _, mu, weight = sample(seed, theta=theta)
    optimum = perfect(mu)
    for make in (interior, boundary):
        assert_zero_at(make(mu.double(), weight.double()), optimum, 1e-7)
        assert_zero_at(make(mu, weight), optimum.float(), 1e-6)
    binary = (mu > 0.5).double()
    assert_zero_at(hard(binary, weight), perfect(binary), 1e-9)


@settings(max_examples=25, deadline=None)
@given(seed=seeds)
def test_any_step_from_the_optimum_costs(seed):
    """Plain soft Dice with a target of 0.6 would be lower at 1.0."""
    logits, mu, weight = sample(seed, theta=0.0)
    optimum = perfect(mu)
    moved = optimum + logits.double()
    assert boundary(mu, weight)(moved) > 1e-3
    soft = torch.full(SHAPE, 0.6)
    at_target, at_one = (torch.full(SHAPE, v) for v in (float(np.log(1.5)), 50.0))
    loss = boundary(soft, torch.ones(SHAPE))
    assert loss(at_target) < 1e-6 < loss(at_one)


@every_loss
def test_empty_regions(make):
    logits, _, _ = sample(1)
    ones = torch.ones(SHAPE)
    for mu in (torch.zeros(SHAPE), torch.ones(SHAPE), torch.full(SHAPE, 0.5)):
        for weight in (ones, torch.zeros(SHAPE)):
            assert_finite_with_gradient(make(mu, weight), logits)


def test_what_is_there_is_said():
    logits, mu, weight = sample(1)
    both = region_losses(logits, mu, weight, ALL)
    assert (both.has_interior, both.has_boundary) == (True, True)
    binary = region_losses(logits, torch.zeros(SHAPE), torch.ones(SHAPE), ALL)
    assert (binary.has_interior, binary.has_boundary) == (True, False)
    assert binary.boundary == 0
    doubt = region_losses(logits, torch.full(SHAPE, 0.5), torch.ones(SHAPE), ALL)
    assert (doubt.has_interior, doubt.has_boundary) == (False, True)
    asleep = region_losses(logits, torch.full(SHAPE, 0.5), torch.zeros(SHAPE), ALL)
    assert (asleep.has_interior, asleep.has_boundary) == (False, False)
    unknown = region_losses(logits, mu, weight, ~ALL)
    assert (unknown.has_interior, unknown.has_boundary) == (False, False)


def test_no_foreground_skips_dice_but_not_entropy():
    logits, _, _ = sample(1)
    zero = torch.zeros(SHAPE)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, zero)
    torch.testing.assert_close(interior(zero, zero)(logits), expected)
    torch.testing.assert_close(hard(zero, zero)(logits), expected)


@every_loss
@settings(max_examples=25, deadline=None)
@given(seed=seeds)
def test_batch_order_does_not_matter(make, seed):
    logits, mu, weight = sample(seed)
    labelled = torch.rand(SHAPE[:2]) < 0.7
    turned = [t.flip(0) for t in (logits, mu, weight, labelled)]
    torch.testing.assert_close(
        make(mu, weight, labelled)(logits), make(*turned[1:])(turned[0]), rtol=1e-5, atol=1e-7
    )


@every_loss
def test_the_batch_is_the_mean_of_its_samples(make):
    """So that the mean over processes is the loss of the whole batch, skipped terms included."""
    logits, mu, weight = sample(5)
    mu[0, 1] = 0
    mu[1, 2] = (mu[1, 2] > 0.5).float()
    labelled = torch.tensor([[True, True, False], [True, True, True]])
    parts = [
        make(mu[i : i + 1], weight[i : i + 1], labelled[i : i + 1])(logits[i : i + 1])
        for i in range(2)
    ]
    torch.testing.assert_close(make(mu, weight, labelled)(logits), sum(parts) / 2)


@every_loss
@settings(max_examples=25, deadline=None)
@given(seed=seeds, label_seed=seeds)
def test_unlabelled_channels_have_no_gradient(make, seed, label_seed):
    logits, mu, weight = sample(seed)
    labelled = torch.rand(SHAPE[:2], generator=torch.Generator().manual_seed(label_seed)) < 0.5
    loss = make(mu, weight, labelled)
    assert_no_gradient_in(loss, logits, ~labelled)
    other = torch.where(labelled[:, :, None, None, None], logits, -logits + 1)
    torch.testing.assert_close(loss(logits), loss(other), rtol=0, atol=0)


@settings(max_examples=25, deadline=None)
@given(seed=seeds)
def test_regions_share_no_voxel_but_certain_background(seed):
    logits, mu, weight = sample(seed)
    certain = certainty(mu) == 1
    assert_no_gradient_in(interior(mu, weight), logits, ~certain)
    assert_no_gradient_in(boundary(mu, weight), logits, certain & (mu > 0.5))


@settings(max_examples=25, deadline=None)
@given(seed=seeds, theta=thetas)
def test_what_is_false_costs_in_both(seed, theta):
    """A boundary that did not see false voxels would be content with a haze over everything."""
    logits, mu, weight = sample(seed, theta=theta)
    background = mu == 0
    assume(background.flatten(2).any(-1).all())
    assume((weight * ((mu > 0) & (mu < 1))).flatten(2).sum(-1).gt(0).all())
    haze = torch.where(background, logits + 1, logits)
    for make in (interior, boundary):
        assert make(mu, weight)(haze) > make(mu, weight)(logits)


@settings(max_examples=25, deadline=None)
@given(seed=seeds, theta=thetas)
def test_terms_agree_with_monai(seed, theta):
    """MONAI's masked soft-label Dice, channels folded into the batch; torch's cross-entropy."""
    logits, mu, weight = sample(seed, theta=theta)
    z, target, a = (t.reshape(-1, 1, *SHAPE[2:]) for t in (logits, mu, weight))
    certain = certainty(target) == 1
    false = certain & (target < 0.5)
    band = torch.where(certain, 0.0, a)
    dims = (1, 2, 3, 4)
    # Ours skips a term without weight or foreground (tested above); theirs would divide by 0.
    assume((band.sum(dims) > 0).all())
    assume((certain & (target > 0.5)).any(dim=4).any(dim=3).any(dim=2).all())
    kinds = {"sigmoid": True, "soft_label": True, "smooth_nr": 0.0, "smooth_dr": 1e-12}
    monai_b = MaskedDiceLoss(**kinds)(z, target, band + false)
    monai_i = MaskedDiceLoss(sigmoid=True, smooth_nr=0.0, smooth_dr=1e-12)(
        z, target.round(), certain.float()
    )
    bce = torch.nn.functional.binary_cross_entropy_with_logits(z, target, reduction="none")
    kl = bce + torch.xlogy(target, target) + torch.xlogy(1 - target, 1 - target)
    ours = region_losses(logits, mu, weight, ALL)
    expected_b = monai_b + ((band + false / 2) * kl).mean()
    expected_i = monai_i + ((certain & ~false) * kl + false / 2 * kl).mean()
    torch.testing.assert_close(ours.boundary, expected_b, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(ours.interior, expected_i, rtol=1e-4, atol=1e-5)
    if theta == 0:
        # Every voxel counts once: a proper score, however the two regions lie.
        together = ours.interior + ours.boundary - monai_i - monai_b
        torch.testing.assert_close(together, kl.mean(), rtol=1e-3, atol=1e-5)


def test_fuzzy_targets_are_where_the_plain_loss_is_smallest():
    logits, mu, weight = sample(7)
    loss = fuzzy(mu.double(), weight)
    least = loss(perfect(mu))
    entropy = -(torch.xlogy(mu, mu) + torch.xlogy(1 - mu, 1 - mu)).mean()
    torch.testing.assert_close(least, entropy.double(), rtol=1e-4, atol=1e-6)
    for step in (0.1, -0.1, 2.0):
        assert loss(perfect(mu) + step * logits.sign()) > least


def test_the_rival_is_monais():
    logits, mu, weight = sample(2)
    y = (mu > 0.5).float()
    dice = DiceLoss(sigmoid=True, smooth_nr=0.0, smooth_dr=1e-12)(logits, y)
    bce = torch.nn.functional.binary_cross_entropy_with_logits(logits, y)
    torch.testing.assert_close(hard(mu, weight)(logits), dice + bce)


@every_loss
def test_float32_inside_autocast(make):
    logits, mu, weight = sample(4)
    expected = make(mu, weight)(logits)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = make(mu, weight)(logits)
    assert inside.dtype == torch.float32
    torch.testing.assert_close(inside, expected, rtol=0, atol=0)


def test_the_target_gets_no_gradient():
    logits, mu, weight = sample(4)
    mu.requires_grad_()
    losses = region_losses(logits.requires_grad_(), mu, weight, ALL)
    (losses.interior + losses.boundary).backward()
    assert mu.grad is None


def test_shapes_that_do_not_fit_are_refused():
    logits, mu, weight = sample(4)
    with pytest.raises(ValueError, match="shape"):
        region_losses(logits, mu[:, :2], weight, ALL)
    with pytest.raises(ValueError, match="labelled"):
        region_losses(logits, mu, weight, ALL[:1])
    with pytest.raises(ValueError, match="labelled"):
        plain_loss(logits, mu, ALL.float())
    with pytest.raises(ValueError, match="axes"):
        plain_loss(logits[0, 0, 0], mu[0, 0, 0], ALL)
