"""The filter kills the checkerboard and nothing else; the correction changes nothing at first."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ParetoSegLib.model.networks import build_network
from ParetoSegLib.model.refinement import binomial

PLAIN = {"channels": [4, 8], "num_res_units": 1}
REFINED = {**PLAIN, "refine": 4}


@given(st.sampled_from([(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 1, 1)]), st.floats(-5, 5))
def test_a_pattern_of_two_voxels_vanishes_and_a_constant_stays(axes, level):
    index = torch.stack(torch.meshgrid(*[torch.arange(8.0)] * 3, indexing="ij"))
    wave = (-1.0) ** sum(a * i for a, i in zip(axes, index, strict=True))
    inside = binomial((wave + level)[None, None])[..., 1:-1, 1:-1, 1:-1]
    assert torch.allclose(inside, torch.full_like(inside, level), atol=1e-5)


@given(st.integers(0, 2**31), st.integers(2, 7))
def test_the_filter_keeps_the_range_and_commutes_with_mirroring(seed, size):
    x = torch.randn(1, 2, size, 5, 4, generator=torch.Generator().manual_seed(seed))
    y = binomial(x)
    assert y.shape == x.shape
    assert y.min() >= x.min() - 1e-6
    assert y.max() <= x.max() + 1e-6
    assert torch.allclose(binomial(x.flip(2, 3, 4)).flip(2, 3, 4), y, atol=1e-6)


@pytest.fixture
def pair():
    torch.manual_seed(1)
    plain = build_network("UNet", PLAIN).eval()
    refined = build_network("UNet", REFINED).eval()
    missing, unknown = refined.load_state_dict(plain.state_dict(), strict=False)
    assert not unknown
    assert all(key.startswith("body.refinement.") for key in missing)
    return plain, refined


def test_a_trained_unet_can_be_given_a_correction(pair):
    plain, refined = pair
    x, flags = torch.randn(2, 4, 16, 16, 16), torch.ones(2, 4)
    with torch.no_grad():
        assert torch.allclose(refined(x, flags), binomial(plain(x, flags)), atol=1e-6)


def test_the_correction_learns_from_the_images_at_full_resolution(pair):
    _, refined = pair
    with torch.no_grad():
        refined.body.refinement[-1].weight.fill_(0.5)
    x = torch.zeros(1, 4, 16, 16, 16, requires_grad=True)
    refined(x, torch.ones(1, 4))[0, 1, 8, 8, 8].backward()
    near = x.grad[0, :, 7:10, 7:10, 7:10]
    assert (near != 0).any()
