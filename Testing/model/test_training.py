"""A run learns, resumes to the last bit, and gives the same weights in two processes as in one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ParetoSegLib.core.config import from_mapping, to_mapping
from ParetoSegLib.core.errors import OutputError, TrainingError
from ParetoSegLib.model.averaging import WeightAverage
from ParetoSegLib.model.checkpoints import load_checkpoint, save_checkpoint
from ParetoSegLib.model.networks import tiny_arguments
from ParetoSegLib.model.processes import start_processes
from ParetoSegLib.model.run_log import read_log
from ParetoSegLib.model.training import (
    CHECKPOINT,
    Outcome,
    Run,
    choose_precision,
    learning_rate,
    resume,
)
from ParetoSegLib.model.training_settings import TrainingSettings
from Testing.model.cached import make_case

ROOT = Path(__file__).parents[2]

SETTINGS = from_mapping(
    TrainingSettings,
    {
        "steps": 8,
        "patch": [16, 16, 16],
        "precision": "fp32",
        "network": {"name": "UNet", "arguments": tiny_arguments("UNet")},
        "optimiser": {"warmup_steps": 2, "ema_decay": 0.5},
        "validation": {"every_steps": 4, "cases": 1},
    },
)


def changed(settings: TrainingSettings, **values: Any) -> TrainingSettings:
    tree = to_mapping(settings)
    for key, value in values.items():
        tree[key] = {**tree[key], **value} if isinstance(value, dict) else value
    return from_mapping(TrainingSettings, tree)


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def processes():
    return start_processes("cpu", 1, 1)


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cached")
    return [make_case(folder / name) for name in ("a", "b", "c")]


def start(settings, cases, folder, processes) -> Run:
    return Run(settings, cases[:2], cases[2:], folder, processes)


def weights(run: Run) -> dict[str, torch.Tensor]:
    return run.network.state_dict() | {
        f"average.{k}": v for k, v in run.average.network.state_dict().items()
    }


def assert_same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    for key in a:
        assert torch.equal(a[key], b[key]), key


def log_without_times(folder: Path) -> list[dict[str, str]]:
    return [
        {k: v for k, v in row.items() if k != "seconds"}
        for name in ("steps", "validation")
        for row in read_log(folder / "logs" / f"{name}.csv")
    ]


MODES = [
    {"pareto": {"mode": "upgrad", "refresh_every": 1}},
    {"pareto": {"mode": "upgrad", "refresh_every": 3}},
    {"pareto": {"mode": "stch"}, "curriculum": {"pace": "competence"}},
    {"loss": "dice_ce"},
    {"loss": "fuzzy_dice_ce"},
]


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_an_interrupted_run_goes_on_to_the_last_bit(mode, cases, processes, tmp_path):
    settings = changed(SETTINGS, **mode)
    whole = start(settings, cases, tmp_path / "whole", processes)
    whole.train()

    steps = 0

    def after_three() -> bool:
        nonlocal steps
        steps += 1
        return steps == 3

    first = start(settings, cases, tmp_path / "cut", processes)
    assert not first.train(interrupted=after_three).finished
    assert first.step == 3
    second = start(settings, cases, tmp_path / "cut", processes)
    assert resume(second)
    torch.manual_seed(99)
    assert second.train().finished

    assert_same(weights(whole), weights(second))
    assert log_without_times(tmp_path / "whole") == log_without_times(tmp_path / "cut")


def test_steps_that_a_killed_run_logged_after_its_checkpoint_are_not_logged_twice(
    cases, processes, tmp_path
):
    run = start(SETTINGS, cases, tmp_path, processes)
    run.train()
    state = run.state()
    log = tmp_path / "logs" / "steps.csv"
    log.write_text(log.read_text() + "9,0.1,0.2\n10,0.", encoding="utf-8")
    again = start(SETTINGS, cases, tmp_path, processes)
    again.restore(state)
    again.train()
    assert [row["step"] for row in read_log(log)] == [str(n) for n in range(1, 9)]


def test_other_settings_are_refused_and_harmless_ones_are_not(cases, processes, tmp_path):
    start(SETTINGS, cases, tmp_path, processes).train()
    with pytest.raises(TrainingError, match="other settings"):
        resume(start(changed(SETTINGS, seed=1), cases, tmp_path, processes))
    assert resume(start(changed(SETTINGS, max_minutes=5.0), cases, tmp_path, processes))


@pytest.mark.parametrize("damage", ["cut", "text", "pickle"])
def test_a_damaged_checkpoint_is_one_sentence(damage, tmp_path):
    path = tmp_path / "last.pt"
    save_checkpoint(path, {"step": 1, "weights": {"a": torch.ones(3)}})
    assert torch.equal(load_checkpoint(path)["weights"]["a"], torch.ones(3))
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-40])
    elif damage == "text":
        path.write_text("no checkpoint")
    else:
        torch.save({"version": 1, "code": print}, path)
    with pytest.raises(TrainingError, match=r"last\.pt is damaged"):
        load_checkpoint(path)


def test_a_full_disk_is_one_sentence_and_keeps_the_old_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "last.pt"
    save_checkpoint(path, {"step": 1})

    def fill_the_disk(state: Any, file: Path) -> None:
        file.write_bytes(b"PK half of it")
        raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 768 vs 662")

    monkeypatch.setattr(torch, "save", fill_the_disk)
    with pytest.raises(OutputError, match=r"last\.pt cannot be written \(it could not"):
        save_checkpoint(path, {"step": 2})
    assert load_checkpoint(path)["step"] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["last.pt"]


def test_a_checkpoint_half_written_by_a_killed_process_does_not_count(cases, processes, tmp_path):
    run = start(SETTINGS, cases, tmp_path, processes)
    run.train()
    (tmp_path / CHECKPOINT).with_name(".partial-last.pt").write_bytes(b"PK half")
    again = start(SETTINGS, cases, tmp_path, processes)
    assert resume(again)
    assert_same(weights(run), weights(again))


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_a_run_learns_what_it_sees(mode, cases, processes, tmp_path):
    settings = changed(
        SETTINGS,
        steps=80,
        augment=False,
        optimiser={"warmup_steps": 2, "learning_rate": 0.01},
        sampling={"keep_all": 1.0, "favourite_share": 0.0, "lesion_share": 1.0},
        validation={"every_steps": 80},
        **mode,
    )
    run = start(settings, cases, tmp_path, processes)
    outcome = run.train()
    losses = [float(r["loss_interior"]) for r in read_log(tmp_path / "logs" / "steps.csv")]
    # Crops differ in what they hold, so the first losses are compared with the last many.
    assert np.mean(losses[-20:]) < 0.6 * np.max(losses[:5])
    assert outcome.scores["wt"] > 0.5


def test_the_log_holds_the_balance(cases, processes, tmp_path):
    start(SETTINGS, cases, tmp_path, processes).train()
    rows = read_log(tmp_path / "logs" / "steps.csv")
    seen = {key for row in rows for key, value in row.items() if value}
    assert {"loss_boundary", "w_boundary", "theta", "u_boundary", "residual"} <= seen
    assert float(rows[0]["theta"]) == 1.0
    assert float(rows[-1]["theta"]) < 0.5


def test_the_time_limit_ends_a_run_whole(cases, processes, tmp_path):
    run = start(changed(SETTINGS, max_minutes=1e-6), cases, tmp_path, processes)
    outcome = run.train()
    assert outcome.finished
    assert outcome.steps == outcome.step == 1
    assert outcome.scores


def test_patience_ends_a_run_that_gets_no_better(cases, processes, tmp_path):
    settings = changed(
        SETTINGS,
        steps=40,
        optimiser={"learning_rate": 1e-12},
        validation={"every_steps": 2, "patience": 2},
    )
    run = start(settings, cases, tmp_path, processes)
    run._best["score"] = 2.0
    outcome = run.train()
    assert outcome.finished
    assert outcome.steps == 4


def test_a_gradient_that_is_not_finite_moves_nothing(cases, processes, tmp_path):
    run = start(SETTINGS, cases, tmp_path, processes)
    before = {k: v.clone() for k, v in weights(run).items()}
    batch = next(iter(run._batches()))
    batch.images[:] = float("inf")
    run._advance(batch)
    assert_same(before, weights(run))
    assert run.step == 1


def test_a_batch_that_cannot_be_shared_is_one_sentence(cases, tmp_path):
    class Three:
        count, rank, device = 3, 0, torch.device("cpu")

    with pytest.raises(TrainingError, match="batch of 4 cannot be shared by 3"):
        Run(changed(SETTINGS, batch=4), cases, [], tmp_path, Three())  # type: ignore[arg-type]


def test_the_learning_rate_rises_then_falls():
    settings = changed(SETTINGS, steps=100, optimiser={"warmup_steps": 10})
    rates = np.array([learning_rate(settings, step) for step in range(101)])
    assert (np.diff(rates[:11]) > 0).all()
    assert (np.diff(rates[10:]) < 0).all()
    assert rates.max() == pytest.approx(settings.optimiser.learning_rate)
    expected = settings.optimiser.final_fraction * settings.optimiser.learning_rate
    assert rates[-1] == pytest.approx(expected)


def test_averaged_weights_follow_and_settle():
    network = torch.nn.Linear(2, 2)
    average = WeightAverage(network, 0.9)
    with torch.no_grad():
        network.weight.fill_(1.0)
    for _ in range(200):
        average.update(network)
    torch.testing.assert_close(average.network.weight, network.weight.detach())
    assert not average.network.weight.requires_grad


def test_precision_is_what_was_asked_for_or_what_was_faster(cases, processes, tmp_path):
    network = start(SETTINGS, cases, tmp_path, processes).network
    cpu = torch.device("cpu")
    assert choose_precision(network, changed(SETTINGS, precision="bf16"), cpu) == "bf16"
    assert choose_precision(network, changed(SETTINGS, precision="auto"), cpu) in ("bf16", "fp32")


def test_bfloat16_trains(cases, processes, tmp_path):
    run = start(changed(SETTINGS, precision="bf16"), cases, tmp_path, processes)
    outcome: Outcome = run.train()
    assert outcome.precision == "bf16"
    assert all(torch.isfinite(v).all() for v in weights(run).values())


def test_two_processes_equal_one(tmp_path):
    logs, outputs = {}, {}
    for count in (1, 2):
        subprocess.run(
            [
                sys.executable,
                str(Path(__file__).with_name("train_together.py")),
                str(tmp_path),
                str(count),
            ],
            check=True,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            timeout=200,
            capture_output=True,
        )
        rows = log_without_times(tmp_path / f"run-{count}")
        assert len(rows) == 7  # two validations follow the five steps
        logs[count] = np.array([[float(v or "nan") for v in row.values()] for row in rows[:5]])
        outputs[count] = np.load(tmp_path / f"logits-{count}.npy")
    # Weights are compared by what they do: biases in front of a normalisation have a gradient of
    # rounding errors alone, which Adam scales up and the normalisation takes away again.
    np.testing.assert_allclose(logs[2], logs[1], rtol=2e-5, atol=1e-6)
    np.testing.assert_allclose(outputs[2], outputs[1], atol=1e-4)
    assert np.std(outputs[1]) > 0.01


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_frozen_weights_stay_and_the_others_learn(mode, cases, processes, tmp_path):
    frozen = "body.model.0"
    settings = changed(SETTINGS, **mode, optimiser={"frozen": [frozen]})
    run = start(settings, cases, tmp_path, processes)
    before = {name: w.clone() for name, w in weights(run).items()}
    outcome = run.train()
    assert outcome.finished
    named = dict(run.network.named_parameters())
    kept = [name for name in named if name.startswith(frozen)]
    assert 0 < len(kept) < len(named)
    for name, weight in weights(run).items():
        own = name.removeprefix("average.")
        if own in named:
            assert torch.equal(weight, before[name]) is (own in kept), name


@pytest.mark.parametrize(
    ("frozen", "said"), [("encoder", "begins with encoder"), ("", "leaves no")]
)
def test_freezing_nothing_or_everything_is_an_error(frozen, said, cases, processes, tmp_path):
    settings = changed(SETTINGS, optimiser={"frozen": [frozen]})
    with pytest.raises(TrainingError, match=said):
        start(settings, cases, tmp_path, processes)
