"""Small lesions count: what weights their voxels get, and what the losses make of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ParetoSegLib.method.curriculum import voxel_weight
from ParetoSegLib.method.emphasis import EmphasisSettings, lesion_emphasis
from ParetoSegLib.method.fuzzy import certainty, fuzzy_labels
from ParetoSegLib.method.losses import region_losses

SHAPE = (24, 22, 40)
KNOWN = torch.ones(1, 1, dtype=torch.bool)


def two_lesions(small_mm: float, large_mm: float) -> np.ndarray:
    """Memberships ``(1, D, H, W)`` of two balls, the small one in the first half."""
    z, y, x = np.indices(SHAPE)
    mask = np.zeros(SHAPE, bool)
    for centre, radius in ((8, small_mm), (28, large_mm)):
        mask |= (z - 12) ** 2 + (y - 11) ** 2 + (x - centre) ** 2 <= radius**2
    return fuzzy_labels({"wt": mask}, (1, 1, 1))["wt"][None]


@settings(max_examples=20, deadline=None)
@given(
    small=st.floats(1, 3),
    large=st.floats(5, 8),
    power=st.floats(0, 1),
    most=st.floats(1, 60),
)
def test_weights(small, large, power, most):
    mu = two_lesions(small, large)
    weight = lesion_emphasis(mu, EmphasisSettings(power=power, most=most))
    assert weight.dtype == np.float32
    assert weight.shape == mu.shape
    assert weight.min() == 1
    assert weight.max() <= np.float32(most)
    assert (weight[mu == 0] == 1).all()
    if power == 0:
        assert (weight == 1).all()
    for part in (mu == 1, (mu > 0) & (mu < 1)):
        of_small, of_large = weight[..., :17][part[..., :17]], weight[..., 17:][part[..., 17:]]
        assert len(set(of_small)) == 1
        assert of_small[0] >= of_large[0]


def test_with_power_one_lesions_below_the_reference_weigh_alike():
    mu = two_lesions(1.5, 4)
    everywhere = EmphasisSettings(power=1, reference_voxels=1000, most=1000)
    weight = lesion_emphasis(mu, everywhere)
    for part in (mu == 1, (mu > 0) & (mu < 1)):
        shares = (weight * part)[..., :17].sum(), (weight * part)[..., 17:].sum()
        np.testing.assert_allclose(shares, 1000, rtol=1e-3)


def losses_of_missing(mu: np.ndarray, emphasis: EmphasisSettings) -> dict[str, tuple[float, float]]:
    """Both losses where one lesion is missed and all else is right, by which one it is."""
    target = torch.from_numpy(mu)[None]
    weight = voxel_weight(certainty(target), 0.0, 0.25)
    weights = torch.from_numpy(lesion_emphasis(mu, emphasis))[None]
    found = {}
    for name, half in (("small", np.s_[..., :17]), ("large", np.s_[..., 17:])):
        missed = target.clone()
        missed[half] = 0
        logits = torch.logit(missed.double()).clamp(-12, 12)
        both = region_losses(logits, target, weight, KNOWN, weights)
        found[name] = (float(both.interior), float(both.boundary))
    return found


def test_a_missed_small_lesion_costs_more_and_no_more_than_a_large_one():
    mu = two_lesions(2, 8)
    plain = losses_of_missing(mu, EmphasisSettings())
    even = losses_of_missing(mu, EmphasisSettings(power=0.6))
    for kind in (0, 1):
        assert even["small"][kind] > 2 * plain["small"][kind]
        assert even["small"][kind] < even["large"][kind]


def test_a_false_lesion_costs_its_share_of_the_voxels_where_there_is_none():
    target = torch.zeros(1, 1, *SHAPE)
    logits = torch.full_like(target, -12.0)
    nothing = region_losses(logits, target, torch.ones_like(target), KNOWN)
    logits[0, 0, 4:8, 4:8, 4:8] = 12.0
    false = region_losses(logits, target, torch.ones_like(target), KNOWN)
    assert nothing.interior < 1e-4
    assert float(false.interior) == pytest.approx(12 * 64 / target.numel(), rel=1e-3)
    unknown = region_losses(logits, target, torch.ones_like(target), ~KNOWN)
    assert unknown.interior == 0


def test_without_emphasis_the_losses_are_the_plain_ones():
    mu = two_lesions(2, 6)
    target = torch.from_numpy(mu)[None]
    logits = torch.randn(target.shape, generator=torch.Generator().manual_seed(0))
    weight = voxel_weight(certainty(target), 0.3, 0.25)
    plain = region_losses(logits, target, weight, KNOWN)
    ones = region_losses(logits, target, weight, KNOWN, torch.ones_like(target))
    assert (plain.interior, plain.boundary) == (ones.interior, ones.boundary)


@pytest.mark.parametrize(
    "wrong", [{"power": -0.1}, {"power": 1.1}, {"reference_voxels": 0.5}, {"most": 0.0}]
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match="must"):
        EmphasisSettings(**wrong)
