"""The model folder: what is saved comes back, and whatever is wrong is refused in a sentence."""

from __future__ import annotations

import hashlib
import json
import pickle
import struct
from pathlib import Path

import pytest
import safetensors.torch
import torch

from ParetoSegLib.core.errors import ModelFolderError, OutputError
from ParetoSegLib.core.labels import REGIONS
from ParetoSegLib.data.head_mask import BRAIN, HEAD
from ParetoSegLib.model.calibration import Calibration
from ParetoSegLib.model.description import usual_assessable
from ParetoSegLib.model.folder import (
    LARGEST_WEIGHTS,
    ModelDescription,
    load_model,
    read_card,
    read_description,
    save_model,
)
from ParetoSegLib.model.networks import NETWORKS, build_network, tiny_arguments, weights_of


def describe(name="UNet", **changes):
    values = {
        "name": "tiny",
        "network": name,
        "network_arguments": tiny_arguments(name),
        "modalities": ("t1n", "t1c", "t2w", "t2f"),
        "regions": REGIONS,
        "spacing_mm": (1.0, 1.0, 1.5),
        "normalisation": "z-score",
        "patch": (64, 32, 32),
        "calibration": Calibration(
            {"any": dict.fromkeys(REGIONS, (1.0, 0.0)), "t1c": {"tc": (0.8, -0.5)}}
        ),
        "levels": dict.fromkeys(REGIONS, (0.9, 0.1)),
        "assessable": usual_assessable(),
        "label_band": {"band_mm": 1.5, "beta": 0.75},
        "training": {"cases": 3, "note": "Übung"},
    }
    return ModelDescription(**{**values, **changes})


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return build_network("UNet", tiny_arguments("UNet"))


@pytest.fixture
def folder(tmp_path, network):
    target = tmp_path / "Modell mit Ümlaut"
    save_model(target, describe(), network.state_dict(), "# A card\n")
    return target


def tree_of(folder):
    return json.loads((folder / "model.json").read_text(encoding="utf-8"))


def write_tree(folder, tree):
    (folder / "model.json").write_text(json.dumps(tree), encoding="utf-8")


def write_weights(folder, data):
    """Put other weights in place, with the right hash: what a stranger would do."""
    (folder / "weights.safetensors").write_bytes(data)
    tree = tree_of(folder)
    tree["weights"]["sha256"] = hashlib.sha256(data).hexdigest()
    write_tree(folder, tree)


def assert_refused(folder, said):
    with pytest.raises(ModelFolderError, match=said) as caught:
        load_model(folder)
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert len(sentence) < 300
    assert str(folder.parent) not in sentence


@pytest.mark.parametrize("name", sorted(NETWORKS))
@pytest.mark.parametrize("half", [True, False])
def test_what_is_saved_comes_back(name, half, tmp_path):
    torch.manual_seed(1)
    network = build_network(name, tiny_arguments(name)).eval()
    description = describe(name)
    save_model(tmp_path / "model", description, network.state_dict(), "card", half)
    read, loaded = load_model(tmp_path / "model")
    assert read == description
    assert not loaded.training
    for key, weight in weights_of(network).items():
        expected = weight.half().float() if half else weight
        got = weights_of(loaded)[key]
        assert got.dtype == torch.float32
        assert torch.equal(got, expected)


def test_half_precision_halves_the_file(folder, network, tmp_path):
    save_model(tmp_path / "whole", describe(), network.state_dict(), "", half=False)
    sizes = [(f / "weights.safetensors").stat().st_size for f in (folder, tmp_path / "whole")]
    assert sizes[0] < 0.7 * sizes[1]


def test_a_weight_too_large_for_half_stays_whole(tmp_path, network):
    state = {k: v.clone() for k, v in network.state_dict().items()}
    first = next(iter(state))
    state[first].view(-1)[0] = 1e6
    save_model(tmp_path / "model", describe(), state, "")
    _, loaded = load_model(tmp_path / "model")
    assert torch.equal(weights_of(loaded)[first], state[first])


def test_saving_the_loaded_changes_nothing(folder, tmp_path):
    description, loaded = load_model(folder)
    save_model(tmp_path / "again", description, loaded.state_dict(), read_card(folder))
    for name in ("weights.safetensors", "model.json", "MODEL_CARD.md"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


def test_what_is_usual_of_a_newer_key_is_left_out_so_that_older_versions_read_it(tmp_path, network):
    for outline, written in ((HEAD, False), (BRAIN, True)):
        save_model(tmp_path / "m", describe(outline=outline), network.state_dict(), "")
        assert ("outline" in tree_of(tmp_path / "m")) is written
        assert read_description(tmp_path / "m").outline == outline


def test_loading_leaves_the_random_state_alone(folder):
    state = torch.get_rng_state()
    load_model(folder)
    assert torch.equal(state, torch.get_rng_state())


def test_card_and_description_are_read_without_weights(folder):
    (folder / "weights.safetensors").unlink()
    assert read_card(folder) == "# A card\n"
    assert read_description(folder) == describe()
    assert_refused(folder, "no weights.safetensors")


def test_the_description_fills_in_default_arguments():
    assert describe(network_arguments={"channels": [8, 16]}).network_arguments == {
        "channels": (8, 16),
        "num_res_units": 2,
        "dropout": 0.0,
    }


def test_enhancement_needs_a_contrast_image():
    table = usual_assessable()
    assert len(table) == 15
    for key, regions in table.items():
        assert ("et" in regions) == ("t1c" in key)


class TestSaving:
    def test_wrong_weights_leave_the_old_folder_as_it_was(self, folder):
        before = {p.name: p.read_bytes() for p in folder.iterdir()}
        for state in ({}, build_network("UNet", {"channels": [4, 8]}).state_dict()):
            with pytest.raises(ModelFolderError, match="not those of the network"):
                save_model(folder, describe(), state, "other")
        assert before == {p.name: p.read_bytes() for p in folder.iterdir()}
        assert [p.name for p in folder.parent.iterdir()] == [folder.name]

    def test_weights_that_are_not_numbers_are_refused(self, tmp_path, network):
        state = {k: v.clone() for k, v in network.state_dict().items()}
        next(iter(state.values())).fill_(float("nan"))
        with pytest.raises(ModelFolderError, match="not finite"):
            save_model(tmp_path / "model", describe(), state, "")
        assert not (tmp_path / "model").exists()

    @pytest.mark.parametrize("training", [{"x": float("nan")}, {"x": Path("a")}])
    def test_provenance_must_be_json(self, training, tmp_path, network):
        with pytest.raises(ModelFolderError, match="JSON"):
            save_model(tmp_path / "m", describe(training=training), network.state_dict(), "")

    def test_what_would_be_too_long_to_read_is_not_written(self, tmp_path, network):
        with pytest.raises(ModelFolderError, match="1 MB"):
            save_model(tmp_path / "m", describe(), network.state_dict(), "x" * (2**20 + 1))

    def test_a_place_that_cannot_be_written_is_said(self, tmp_path, network):
        (tmp_path / "file").write_text("")
        with pytest.raises(OutputError):
            save_model(tmp_path / "file" / "model", describe(), network.state_dict(), "")


CHANGES = {
    "unknown version": ("format_version", 2, "version 2"),
    "version of another type": ("format_version", "1", "version '1'"),
    "version true": ("format_version", True, "version True"),
    "unknown network": ("network", "torch.hub.load", "no network named"),
    "absurd argument": ("network_arguments", {"channels": [512] * 99}, "99 entries"),
    "too many parameters": ("network_arguments", {"channels": [512] * 6}, "parameters"),
    "arguments not keys": ("network_arguments", [1], "keys and values"),
    "huge patch": ("patch", [4096, 4096, 4096], "between"),
    "empty patch": ("patch", [0, 0, 0], "between"),
    "patch with a fraction": ("patch", [32.5, 32, 32], "whole number"),
    "patch the network cannot take": ("patch", [33, 32, 32], "multiples"),
    "patch as text": ("patch", "32", "three whole numbers"),
    "spacing 0": ("spacing_mm", [0, 1, 1], "between"),
    "spacing 1 km": ("spacing_mm", [1, 1, 1e6], "between"),
    "spacing infinite": ("spacing_mm", [1, 1, 1e999], "JSON"),
    "spacing for two axes": ("spacing_mm", [1, 1], "2 entries"),
    "unknown modality": ("modalities", ["t1n", "pet"], "modalities"),
    "modalities out of order": ("modalities", ["t1c", "t1n"], "order"),
    "no region": ("regions", [], "regions"),
    "unknown region": ("regions", ["et", "../x"], "regions"),
    "levels swapped": ("levels", {key: [0.1, 0.9] for key in REGIONS}, "level"),
    "levels missing": ("levels", {"et": [0.9, 0.1]}, "levels"),
    "levels not numbers": ("levels", {key: ["a", "b"] for key in REGIONS}, "number"),
    "levels not pairs": ("levels", {key: [0.9] for key in REGIONS}, "two numbers"),
    "unknown presence": ("assessable", {"ct": ["tc"]}, "no set of sequences"),
    "nothing assessable": ("assessable", {}, "assessable"),
    "assessable region unknown": ("assessable", {"t1c": ["brain"]}, "assessable"),
    "no band": ("label_band", {"band_mm": 1.5}, "band_mm and beta"),
    "negative band": ("label_band", {"band_mm": -1, "beta": 0.5}, "between"),
    "name with a line break": ("name", "a\nb", "printable"),
    "endless name": ("name", "a" * 1000, "printable"),
    "normalisation as code": ("normalisation", ["exec"], "printable"),
    "training as text": ("training", "x", "keys and values"),
    "scale 0": ("calibration", {"any": {key: [0, 0] for key in REGIONS}}, "scale"),
    "scale negative": ("calibration", {"any": {key: [-1, 0] for key in REGIONS}}, "scale"),
    "shift huge": ("calibration", {"any": {key: [1, 1e9] for key in REGIONS}}, "shift"),
    "calibration without any": ("calibration", {}, "any"),
    "calibration of nothing": ("calibration", {"any": {key: [1, 0] for key in "abc"}}, "any"),
    "calibration as list": ("calibration", [], "calibration"),
    "weights without hash": ("weights", {}, "SHA-256"),
    "weights with a path": ("weights", {"sha256": "0", "file": "/etc/passwd"}, "SHA-256"),
    "hash of another type": ("weights", {"sha256": 5}, "SHA-256"),
    "unknown outline": ("outline", "skull", "outline"),
    "outline of another type": ("outline", ["brain outline"], "outline"),
}


class TestDescriptionRefusals:
    @pytest.mark.parametrize("case", sorted(CHANGES))
    def test_a_wrong_value(self, case, folder):
        key, value, said = CHANGES[case]
        write_tree(folder, {**tree_of(folder), key: value})
        assert_refused(folder, said)

    @pytest.mark.parametrize("key", ["calibration", "patch", "weights", "format_version"])
    def test_a_missing_key(self, key, folder):
        tree = tree_of(folder)
        del tree[key]
        write_tree(folder, tree)
        assert_refused(folder, f"lacks the key '{key}'")

    def test_an_extra_key(self, folder):
        write_tree(folder, {**tree_of(folder), "import": "os"})
        assert_refused(folder, "unknown key 'import'")

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            (b"", "JSON"),
            (b"{", "JSON"),
            (b"[]", "keys and values"),
            (b"null", "keys and values"),
            (b'{"a": NaN}', "JSON"),
            (b'{"a": 1, "a": 2}', "JSON"),
            (b"[" * 500_000, "JSON"),
            (b"\xff\xfe", "UTF-8"),
            (b" " * (2**20 + 1), "bytes"),
        ],
        ids=["empty", "open", "list", "null", "NaN", "twice", "deep", "not UTF-8", "too large"],
    )
    def test_text_that_is_no_description(self, text, said, folder):
        (folder / "model.json").write_bytes(text)
        assert_refused(folder, said)

    def test_no_folder(self, tmp_path):
        assert_refused(tmp_path / "nowhere", "no model.json")

    def test_a_folder_in_place_of_the_file(self, folder):
        (folder / "model.json").unlink()
        (folder / "model.json").mkdir()
        assert_refused(folder, "no model.json")


class Bomb:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


class TestWeightRefusals:
    def test_a_changed_byte(self, folder):
        data = bytearray((folder / "weights.safetensors").read_bytes())
        data[-1] ^= 1
        (folder / "weights.safetensors").write_bytes(data)
        assert_refused(folder, "SHA-256")

    @pytest.mark.parametrize("protocol", [None, 0, 2, pickle.HIGHEST_PROTOCOL])
    def test_a_pickle_is_not_opened(self, protocol, folder, tmp_path):
        trace = tmp_path / "trace"
        if protocol is None:
            torch.save(Bomb(trace), tmp_path / "bomb.pt")
            data = (tmp_path / "bomb.pt").read_bytes()
        else:
            data = pickle.dumps(Bomb(trace), protocol)
        (folder / "weights.safetensors").write_bytes(data)
        assert_refused(folder, "SHA-256" if protocol == 0 else "pickle")
        write_weights(folder, data)
        assert_refused(folder, "not a whole safetensors" if protocol == 0 else "pickle")
        assert not trace.exists()

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_values_that_are_not_numbers(self, value, folder, network):
        weights = {k: v.clone() for k, v in weights_of(network.requires_grad_(False)).items()}
        next(iter(weights.values())).view(-1)[0] = value
        write_weights(folder, safetensors.torch.save(weights))
        assert_refused(folder, "not finite")

    def test_a_weight_missing(self, folder):
        weights = safetensors.torch.load_file(folder / "weights.safetensors")
        weights.pop(sorted(weights)[0])
        write_weights(folder, safetensors.torch.save(weights))
        assert_refused(folder, "lacks weight")

    def test_a_weight_too_many(self, folder):
        weights = safetensors.torch.load_file(folder / "weights.safetensors")
        write_weights(folder, safetensors.torch.save({**weights, "extra": torch.zeros(1)}))
        assert_refused(folder, "unknown weight 'extra'")

    @pytest.mark.parametrize(
        "change", [lambda t: t.flatten(), lambda t: t.double(), lambda t: t.to(torch.int8)]
    )
    def test_a_weight_of_another_shape_or_kind(self, change, folder):
        weights = safetensors.torch.load_file(folder / "weights.safetensors")
        largest = max(weights, key=lambda k: weights[k].numel())
        weights[largest] = change(weights[largest])
        write_weights(folder, safetensors.torch.save(weights))
        assert_refused(folder, "but the network needs")

    @pytest.mark.parametrize(
        "damage",
        [
            lambda data: b"",
            lambda data: data[:7],
            lambda data: data[:200],
            lambda data: data[:-1],
            lambda data: data + b"\0",
            lambda data: struct.pack("<Q", 2**63) + data[8:],
            lambda data: struct.pack("<Q", 11 * 2**20) + b" " * 100,
            lambda data: struct.pack("<Q", 2) + b"[]",
            lambda data: struct.pack("<Q", 100_000) + b"[" * 100_000,
        ],
    )
    def test_a_damaged_file(self, damage, folder):
        write_weights(folder, damage((folder / "weights.safetensors").read_bytes()))
        assert_refused(folder, "weights.safetensors")

    def test_offsets_that_overlap_or_reach_outside(self, folder):
        data = (folder / "weights.safetensors").read_bytes()
        length = int.from_bytes(data[:8], "little")
        for shift in (-4, 4, 2**40):
            header = json.loads(data[8 : 8 + length])
            entry = header[max(header)]
            entry["data_offsets"] = [o + shift for o in entry["data_offsets"]]
            text = json.dumps(header).encode()
            write_weights(folder, struct.pack("<Q", len(text)) + text + data[8 + length :])
            assert_refused(folder, "not a whole safetensors")

    def test_a_file_that_is_too_large_is_not_read(self, folder, monkeypatch):
        with (folder / "weights.safetensors").open("rb+") as stream:
            stream.truncate(LARGEST_WEIGHTS + 1)  # sparse: takes no space
        real = Path.open

        def guarded(path, *args, **kwargs):
            assert path.name != "weights.safetensors"
            return real(path, *args, **kwargs)

        monkeypatch.setattr(Path, "open", guarded)
        assert_refused(folder, "bytes where at most")

    def test_weights_of_another_network(self, folder):
        write_tree(folder, {**tree_of(folder), "network_arguments": {"channels": [8, 24]}})
        assert_refused(folder, "weight")
