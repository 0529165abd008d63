"""With fixed norms a network says the same of a voxel wherever the window's edge lies."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ParetoSegLib.model.fixed_norm import FixedNorm, fix_norms, use_fixed_norms
from ParetoSegLib.model.networks import build_network

ARGUMENTS = {"filters": [8, 8, 16], "refine": 4, "details": 2}


def patches(count, side=16, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [
        (torch.randn(1, 4, side, side, side, generator=generator) * 3 + 1, torch.ones(1, 4))
        for _ in range(count)
    ]


@pytest.fixture
def network():
    torch.manual_seed(3)
    return build_network("HalfUNet", ARGUMENTS).eval()


def test_what_lies_far_away_changes_nothing(network):
    """A bright block in one corner, farther from the other than any convolution reaches."""
    fixed = build_network("HalfUNet", {**ARGUMENTS, "fixed_norms": True}).eval()
    image = patches(1, side=96)[0][0]
    changed = image.clone()
    changed[..., -8:, -8:, -8:] += 50.0
    with torch.no_grad():
        one, other = (fixed(x, torch.ones(1, 4))[..., :16, :16, :16] for x in (image, changed))
        a, b = (network(x, torch.ones(1, 4))[..., :16, :16, :16] for x in (image, changed))
    assert torch.equal(one, other)
    assert not torch.allclose(a, b, atol=1e-3)


def test_on_its_own_sample_it_answers_as_before(network):
    """The statistics of one sample are what InstanceNorm finds in it."""
    sample = patches(1, side=32)[0]
    with torch.no_grad():
        before = network(*sample)
        fix_norms(network, [sample])
        after = network(*sample)
    assert not any(isinstance(module, nn.InstanceNorm3d) for module in network.modules())
    assert torch.allclose(before, after, atol=1e-3)


def test_every_norm_passes_on_values_of_mean_0_and_variance_1_over_the_samples(network):
    """Before its own scale and shift, and with all norms before it fixed."""
    samples = patches(6)
    norms = [m for m in network.modules() if isinstance(m, nn.InstanceNorm3d)]
    with torch.no_grad():
        for norm in norms:
            norm.weight.uniform_(0.5, 2.0)
            norm.bias.uniform_(-1.0, 1.0)
    told = {id(n): (n.weight.clone(), n.bias.clone()) for n in norms}
    names = {
        name: told[id(module)]
        for name, module in network.named_modules()
        if isinstance(module, nn.InstanceNorm3d)
    }
    fix_norms(network, samples)
    for name, (weight, bias) in names.items():
        seen = []
        hook = network.get_submodule(name).register_forward_hook(
            # A copy: what follows works in place.
            lambda module, inputs, output, seen=seen: seen.append(output.clone())
        )
        with torch.no_grad():
            for sample in samples:
                network(*sample)
        hook.remove()
        values = torch.cat([x.transpose(0, 1).flatten(1) for x in seen], dim=1)
        assert torch.allclose(values.mean(1), bias, atol=1e-2), name
        assert torch.allclose(values.std(1), weight, rtol=2e-2), name


def test_its_state_has_the_names_of_the_state_before(network):
    names = list(network.state_dict())
    fix_norms(network, patches(2))
    assert list(network.state_dict()) == names
    again = build_network("HalfUNet", {**ARGUMENTS, "fixed_norms": True})
    again.load_state_dict(network.state_dict())
    sample = patches(1)[0]
    with torch.no_grad():
        assert torch.equal(network(*sample), again.eval()(*sample))


def test_it_learns_scale_and_shift():
    body = nn.Sequential(nn.InstanceNorm3d(2, affine=True))
    use_fixed_norms(body)
    assert isinstance(body[0], FixedNorm)
    body(torch.ones(1, 2, 4, 4, 4, dtype=torch.bfloat16)).sum().backward()
    assert body[0].weight.grad.abs().min() > 0
    assert body[0].bias.grad.abs().min() > 0
