"""Networks by name: they run, they learn, they see absent sequences, and refuse the absurd."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ParetoSegLib.core.errors import ModelFolderError
from ParetoSegLib.core.labels import MODALITIES, REGIONS
from ParetoSegLib.model.networks import (
    LARGEST_NETWORK,
    NETWORKS,
    build_network,
    check_arguments,
    check_patch,
    default_arguments,
    divisor,
    tiny_arguments,
    weight_shapes,
    weights_of,
)

NAMES = sorted(NETWORKS)


def tiny(name, prior=None, seed=0):
    torch.manual_seed(seed)
    return build_network(name, tiny_arguments(name), prior)


def smallest_patch(name):
    step = divisor(name, tiny_arguments(name))
    return check_patch(
        name, tiny_arguments(name), (2 * step if step > 8 else 16, *2 * [max(8, step)])
    )


@pytest.mark.parametrize("name", NAMES)
class TestEveryNetwork:
    def test_gives_one_logit_a_region(self, name):
        patch = smallest_patch(name)
        logits = tiny(name)(torch.randn(2, len(MODALITIES), *patch), torch.ones(2, 4))
        assert logits.shape == (2, len(REGIONS), *patch)
        assert torch.isfinite(logits).all()

    def test_sees_which_sequences_are_there(self, name):
        network, patch = tiny(name).eval(), smallest_patch(name)
        images = torch.randn(1, 4, *patch)
        with torch.no_grad():
            outputs = [network(images, torch.eye(4)[i : i + 1]) for i in range(4)]
        for i in range(4):
            for j in range(i):
                assert not torch.allclose(outputs[i], outputs[j], atol=1e-4)

    def test_shapes_without_allocating_are_those_of_the_real_network(self, name):
        state = torch.get_rng_state()
        shapes = weight_shapes(name, tiny_arguments(name))
        assert torch.equal(state, torch.get_rng_state())
        assert shapes == {k: tuple(v.shape) for k, v in weights_of(tiny(name)).items()}

    def test_default_size_suits_a_cpu(self, name):
        count = sum(math.prod(s) for s in weight_shapes(name, default_arguments(name)).values())
        assert 1_000_000 < count < 20_000_000

    def test_prior_moves_each_regions_logits_by_a_constant(self, name):
        prior, patch = (0.001, 0.01, 0.1), smallest_patch(name)
        images, presence = torch.randn(1, 4, *patch), torch.ones(1, 4)
        with torch.no_grad():
            zero = tiny(name, prior=(0.5,) * 3).eval()(images, presence)
            moved = tiny(name, prior=prior).eval()(images, presence)
        for channel, p in enumerate(prior):
            expected = torch.full(patch, math.log(p / (1 - p)))
            assert torch.allclose(moved[0, channel] - zero[0, channel], expected, atol=1e-4)

    def test_the_largest_arguments_stay_within_the_limit_or_are_refused(self, name):
        arguments = {}
        for key, allowed in NETWORKS[name].ranges.items():
            each = getattr(allowed, "each", allowed)
            high = True if not hasattr(each, "high") else each.high
            arguments[key] = (high,) * allowed.longest if hasattr(allowed, "each") else high
        if name == "SwinUNETR":
            shapes = weight_shapes(name, arguments)
            assert sum(math.prod(s) for s in shapes.values()) <= LARGEST_NETWORK
        else:
            with pytest.raises(ModelFolderError, match="parameters"):
                weight_shapes(name, arguments)

    def test_unknown_argument_is_refused(self, name):
        with pytest.raises(ModelFolderError, match="no argument 'in_channels'"):
            build_network(name, {"in_channels": 1})


@pytest.mark.parametrize("name", ["DynUNet", "SegResNet", "UNet"])
def test_a_tiny_network_learns(name):
    network = tiny(name)
    images, presence = torch.randn(1, 4, 16, 16, 16), torch.ones(1, 4)
    target = (images[:, :3] > 1).float()
    optimiser = torch.optim.Adam(network.parameters(), lr=0.02)
    losses = []
    for _ in range(30):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            network(images, presence), target
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("os.system", {}, "no network named 'os.system'"),
        (["UNet"], {}, "no network named"),
        ("UNet", {"channels": [16, 10**9]}, "between 4 and 512"),
        ("UNet", {"channels": [16] * 50}, "50 entries"),
        ("UNet", {"channels": 16}, "list of numbers"),
        ("UNet", {"channels": [16, "32"]}, "whole number"),
        ("UNet", {"channels": [16, 32.5]}, "whole number"),
        ("UNet", {"num_res_units": True}, "whole number"),
        ("UNet", {"num_res_units": -1}, "between 0 and 4"),
        ("UNet", {"dropout": float("nan")}, "between"),
        ("UNet", {"dropout": 0.9}, "between"),
        ("SegResNet", {"init_filters": 12}, "multiple of 8"),
        ("SegResNet", {"blocks_down": [1, 1], "blocks_up": [1, 1]}, "one fewer up than down"),
        ("DynUNet", {"res_block": 1}, "true or false"),
        ("SwinUNETR", {"feature_size": 20}, "multiple of 12"),
        ("SwinUNETR", {"depths": [2, 2]}, "2 entries"),
    ],
)
def test_absurd_arguments_are_refused(name, arguments, said):
    with pytest.raises(ModelFolderError, match=said):
        check_arguments(name, arguments)


def test_too_many_parameters_are_refused_before_they_are_allocated():
    with pytest.raises(ModelFolderError, match="parameters"):
        weight_shapes("UNet", {"channels": [512] * 7, "num_res_units": 4})


@settings(max_examples=40, deadline=None)
@given(
    levels=st.integers(2, 5),
    patch=st.tuples(*[st.integers(8, 20)] * 3),
)
def test_a_patch_that_is_accepted_runs(levels, patch):
    arguments = {"channels": [4] * levels, "num_res_units": 1}
    try:
        check_patch("UNet", arguments, patch)
    except ModelFolderError:
        step = divisor("UNet", arguments)
        assert any(side % step for side in patch) or all(side == step for side in patch)
    else:
        network = build_network("UNet", arguments)
        assert network(torch.zeros(1, 4, *patch), torch.ones(1, 4)).shape[2:] == patch


@pytest.mark.parametrize(
    ("patch", "said"),
    [
        ((96, 96), "three whole numbers"),
        ((96, 96, 10**6), "between"),
        ((96, 96, 0), "between"),
        ((96.0, 96, 96), "whole number"),
        ((512, 512, 512), "voxels"),
        ((96, 96, 100), "needs multiples of 16"),
        ((16, 16, 16), "one voxel"),
        ("96x96", "three whole numbers"),
    ],
)
def test_absurd_patches_are_refused(patch, said):
    with pytest.raises(ModelFolderError, match=said):
        check_patch("UNet", {}, patch)


def test_swin_unetr_needs_multiples_of_32():
    assert divisor("SwinUNETR", {}) == 32
    with pytest.raises(ModelFolderError, match="32"):
        check_patch("SwinUNETR", {}, (48, 64, 64))


@pytest.mark.parametrize("prior", [(0.1, 0.1), (0.0, 0.1, 0.1), (0.1, 0.1, 1.0)])
def test_a_prior_is_three_shares(prior):
    with pytest.raises(ValueError, match="prior"):
        tiny("UNet", prior=prior)
