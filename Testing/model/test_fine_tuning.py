"""Which network a run begins with when it begins with a trained model."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from described import described

from ParetoSegLib.data.head_mask import BRAIN, HEAD
from ParetoSegLib.model.fitting import start_from
from ParetoSegLib.model.folder import save_model
from ParetoSegLib.model.networks import build_network
from ParetoSegLib.model.training_settings import NetworkSettings, TrainingSettings

PLAIN = {"filters": [8, 8, 16], "refine": 4}


@pytest.fixture
def model(tmp_path):
    torch.manual_seed(3)
    network = build_network("HalfUNet", PLAIN)
    description = described(PLAIN, network="HalfUNet")
    save_model(tmp_path / "model", description, network.state_dict(), "a card")
    return tmp_path / "model"


def asked_for(**arguments: object) -> TrainingSettings:
    network = NetworkSettings("HalfUNet", {**PLAIN, **arguments})
    return replace(TrainingSettings(), network=network)


def test_a_model_without_details_gains_them_where_they_are_asked_for(model):
    settings, start = start_from(model, asked_for(details=2))
    assert settings.network.arguments["details"] == 2
    network = build_network(settings.network.name, settings.network.arguments)
    network.load_state_dict(start.weights)
    before = build_network("HalfUNet", PLAIN)
    before.load_state_dict(start_from(model, asked_for())[1].weights)
    x, flags = torch.randn(1, 4, 16, 16, 16), torch.ones(1, 4)
    with torch.no_grad():
        assert torch.allclose(network.eval()(x, flags), before.eval()(x, flags), atol=1e-4)


@pytest.mark.parametrize("settings", [asked_for(), TrainingSettings()])
def test_without_being_asked_it_stays_as_it_is(model, settings):
    network = start_from(model, settings)[0].network
    assert network.name == "HalfUNet"
    assert not network.arguments.get("details")


def test_a_model_that_looks_inside_the_brain_keeps_doing_so_and_another_can_begin_to(
    tmp_path, model
):
    assert start_from(model, asked_for())[0].outline == HEAD
    assert start_from(model, replace(asked_for(), outline=BRAIN))[0].outline == BRAIN
    network = build_network("HalfUNet", PLAIN)
    description = described(PLAIN, network="HalfUNet", outline=BRAIN)
    save_model(tmp_path / "inside", description, network.state_dict(), "a card")
    assert start_from(tmp_path / "inside", asked_for())[0].outline == BRAIN


def test_a_model_gains_fixed_norms_where_they_are_asked_for(model):
    settings, start = start_from(model, asked_for(fixed_norms=True))
    assert start.norms_to_fix
    assert settings.network.arguments["fixed_norms"]
    assert not start_from(model, asked_for())[1].norms_to_fix
