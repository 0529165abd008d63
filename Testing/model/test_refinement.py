"""Half resolution leaves no checkerboard; the correction sees the images voxel by voxel."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ParetoSegLib.core.errors import ModelFolderError
from ParetoSegLib.model.networks import build_network, check_patch
from ParetoSegLib.model.refinement import pack, take_over, unpack

FILTERS = [8, 8, 16]
COARSE = {"filters": FILTERS, "refine": 0}
REFINED = {"filters": FILTERS, "refine": 4}


def ripple(logits: torch.Tensor) -> float:
    """Share of the variation between voxels that alternates from one to the next."""
    inside = logits[..., 2:-2, 2:-2, 2:-2]
    sign = (-1.0) ** torch.arange(inside.shape[-1])
    rows = inside - inside.mean(dim=-1, keepdim=True)
    return float(((rows * sign).mean(-1) ** 2).mean() / (rows**2).mean())


@settings(max_examples=5)
@given(st.integers(0, 2**31))
def test_no_checkerboard_even_untrained(seed):
    torch.manual_seed(seed)
    x, flags = torch.randn(1, 4, 24, 24, 24), torch.ones(1, 4)
    with torch.no_grad():
        half = ripple(build_network("HalfUNet", COARSE).eval()(x, flags))
        unet = ripple(build_network("UNet", {"channels": [8, 8, 16]}).eval()(x, flags))
    assert half < 0.25 * unet


@pytest.fixture
def network():
    torch.manual_seed(1)
    return build_network("HalfUNet", REFINED).eval()


def test_the_correction_tells_neighbouring_voxels_apart(network):
    """Two images whose pairs of voxels have the same mean differ at full resolution alone."""
    with torch.no_grad():
        for parameter in network.body.coarse.parameters():
            parameter.zero_()
    x = torch.zeros(1, 4, 16, 16, 16)
    x[0, 1, 8, 8, 8] = 5.0
    moved = torch.roll(x, 1, dims=-1)
    flags = torch.ones(1, 4)
    with torch.no_grad():
        a, b = network(x, flags), network(moved, flags)
    assert torch.allclose(torch.roll(a, 1, dims=-1), b, atol=1e-5)
    assert not torch.allclose(a, b, atol=1e-3)


def test_an_empty_window_may_be_quiet_and_a_full_one_loud(network):
    """Logits are not normalised: their spread follows what is in the window."""
    flags = torch.ones(1, 4)
    with torch.no_grad():
        network.body.refinement[-1].weight.fill_(1.0)
        spread = [float(network(torch.randn(1, 4, 16, 16, 16) * s, flags).std()) for s in (0.1, 9)]
    assert spread[1] > 3 * spread[0]


def test_every_level_halves_the_patch():
    assert check_patch("HalfUNet", COARSE, (16, 24, 8)) == (16, 24, 8)
    with pytest.raises(Exception, match="multiples of 8"):
        check_patch("HalfUNet", COARSE, (12, 24, 8))


@given(st.tuples(*[st.integers(1, 3)] * 5))
@settings(max_examples=20)
def test_packing_loses_nothing(sizes):
    batch, channels, *blocks = sizes
    x = torch.arange(batch * channels * 8 * blocks[0] * blocks[1] * blocks[2], dtype=torch.float32)
    x = x.reshape(batch, channels, *(2 * side for side in blocks))
    packed = pack(x)
    assert packed.shape == (batch, 8 * channels, *blocks)
    assert torch.equal(unpack(packed), x)
    # The eight voxels of a block are the channels of one voxel.
    assert torch.equal(packed[0, :8, 0, 0, 0].sort().values, x[0, 0, :2, :2, :2].flatten())


def test_details_bring_voxels_of_one_block_to_the_coarse_network_and_back():
    """The correction is blinded to all but the details, and still tells two voxels apart."""
    torch.manual_seed(1)
    network = build_network("HalfUNet", {**REFINED, "details": 2}).eval()
    first = network.body.refinement[0].weight
    with torch.no_grad():
        first[:, [0, 1, 2, 5, 6, 7, 8]] = 0.0
        x = torch.zeros(1, 4, 24, 24, 24)
        x[0, 1, 8, 8, 8] = 5.0
        flags = torch.ones(1, 4)
        one, other = network(x, flags), network(torch.roll(x, 1, dims=-1), flags)
    assert one.shape == (1, 3, 24, 24, 24)
    inside = (slice(None), slice(None), slice(8, 10), slice(8, 10), slice(8, 10))
    assert not torch.allclose(one[inside], other[inside], atol=1e-3)
    assert one[inside].std() > 1e-3


def test_details_without_a_correction_are_refused():
    with pytest.raises(ModelFolderError, match="set refine above 0"):
        build_network("HalfUNet", {**COARSE, "details": 2})


@given(st.integers(0, 2**31), st.tuples(*[st.sampled_from([0.0, 1.0])] * 4))
@settings(max_examples=10)
def test_a_network_that_gains_details_answers_as_before(seed, flags):
    torch.manual_seed(seed)
    coarse = build_network("HalfUNet", REFINED).eval()
    fine = build_network("HalfUNet", {**REFINED, "details": 2}).eval()
    x, flags = torch.randn(1, 4, 16, 24, 16), torch.tensor([flags])
    with torch.no_grad():
        before = fine(x, flags)
        take_over(fine.body, coarse.body)
        wanted = coarse(x, flags)
        assert not torch.allclose(before, wanted, atol=1e-3)
        assert torch.allclose(fine(x, flags), wanted, atol=1e-4)
    # And the details are learnt: their correction has a gradient, though it begins at zero.
    fine(x, flags).square().sum().backward()
    assert fine.body.refinement[0].weight.grad[:, 3:5].abs().max() > 0


@pytest.mark.parametrize("other", [{"filters": [8, 16, 16]}, {"refine": 8}, {"details": 0}])
def test_only_details_can_be_gained(other):
    coarse = build_network("HalfUNet", REFINED)
    fine = build_network("HalfUNet", {**REFINED, "details": 2, **other})
    with pytest.raises(ModelFolderError, match="more than their details"):
        take_over(fine.body, coarse.body)
