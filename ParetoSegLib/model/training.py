"""The training loop: draw patches, balance the two regions' gradients, keep the best weights."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ParetoSegLib.core.config import to_yaml
from ParetoSegLib.core.errors import TrainingError
from ParetoSegLib.core.seeds import derive_seed
from ParetoSegLib.method.curriculum import Curriculum, voxel_weight
from ParetoSegLib.method.fuzzy import certainty
from ParetoSegLib.method.losses import plain_loss, region_losses
from ParetoSegLib.method.pareto import Balance
from ParetoSegLib.model.averaging import WeightAverage
from ParetoSegLib.model.cache import CachedCase
from ParetoSegLib.model.checkpoints import load_checkpoint, save_checkpoint
from ParetoSegLib.model.networks import build_network, check_patch
from ParetoSegLib.model.patches import Patch, draw_patch
from ParetoSegLib.model.processes import Processes
from ParetoSegLib.model.run_log import STEP_COLUMNS, RunLog
from ParetoSegLib.model.training_settings import TrainingSettings
from ParetoSegLib.model.validation import VALIDATION_COLUMNS, validate

CHECKPOINT = Path("checkpoints") / "last.pt"


@dataclass(frozen=True)
class Progress:
    """Where a run is: for the screen.

    Args:
        stage: ``prepare``, ``train``, ``validate``, ``calibrate``.
        done, total: in the stage's own units (cases or steps).
        note: a few words, such as the losses or the validation score.
    """

    stage: str
    done: int
    total: int
    note: str = ""


Report = Callable[[Progress], None]


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Args:
        network: the best averaged weights, on the CPU.
        step: at which they were taken.
        scores: their validation Dice by region.
        steps: done in all.
        seconds: spent training, earlier sessions of a resumed run included.
        finished: false where the run was interrupted and can be resumed.
        precision: ``bf16`` or ``fp32``.
    """

    network: torch.nn.Module
    step: int
    scores: dict[str, float]
    steps: int
    seconds: float
    finished: bool
    precision: str


class Run:
    """One training run: its state between two steps is exactly what a checkpoint holds.

    ``start`` are weights to begin with instead of random ones.
    """

    def __init__(
        self,
        settings: TrainingSettings,
        training: Sequence[CachedCase],
        validation: Sequence[CachedCase],
        folder: Path,
        processes: Processes,
        start: Mapping[str, torch.Tensor] | None = None,
    ) -> None:
        if settings.batch % processes.count:
            raise TrainingError(
                f"A batch of {settings.batch} cannot be shared by {processes.count} processes; "
                "set batch to a multiple of them."
            )
        if not training:
            raise TrainingError("There is no case to train on.")
        # Before the first step rather than after the last, when the model folder is written.
        check_patch(settings.network.name, settings.network.arguments, settings.patch)
        self.settings = settings
        self.folder = folder
        self._training = training
        self._validation = validation[: settings.validation.cases]
        self._processes = processes
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(settings.seed, "weights"))
            kind = settings.network
            network = build_network(kind.name, kind.arguments, kind.prior)
        if start is not None:
            network.load_state_dict(start)
        self.network = network.to(processes.device).train()
        self.average = WeightAverage(self.network, settings.optimiser.ema_decay)
        _freeze(self.network, settings.optimiser.frozen)
        self._parameters = [p for p in self.network.parameters() if p.requires_grad]
        self._optimiser = torch.optim.AdamW(
            self._parameters,
            lr=settings.optimiser.learning_rate,
            weight_decay=settings.optimiser.weight_decay,
        )
        self._curriculum = Curriculum(settings.curriculum, settings.steps)
        self._balance = Balance(settings.pareto, self._parameters, processes.average_or_none)
        self.step = 0
        self.seconds = 0.0
        self._best: dict[str, Any] = {"score": -1.0, "step": 0, "scores": {}, "weights": None}
        self._stale = 0
        self.precision = ""

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on, as tensors and plain values."""
        return {
            "settings": to_yaml(self.settings),
            "step": self.step,
            "seconds": self.seconds,
            "network": self.network.state_dict(),
            "average": self.average.network.state_dict(),
            "average_updates": self.average.updates,
            "optimiser": self._optimiser.state_dict(),
            "curriculum": self._curriculum.state_dict(),
            "balance": self._balance.state_dict(),
            "best": self._best,
            "stale": self._stale,
            "precision": self.precision,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to where a checkpoint was written.

        Raises:
            TrainingError: the checkpoint belongs to a run with other settings.
        """
        if _lasting(state["settings"]) != _lasting(to_yaml(self.settings)):
            raise TrainingError(
                "The checkpoint was written with other settings; resume with the run's own "
                "config.yaml or choose another output folder."
            )
        self.network.load_state_dict(state["network"])
        self.average.network.load_state_dict(state["average"])
        self.average.updates = state["average_updates"]
        self._optimiser.load_state_dict(state["optimiser"])
        self._curriculum.load_state_dict(state["curriculum"])
        self._balance.load_state_dict(state["balance"])
        self.step, self.seconds = state["step"], state["seconds"]
        self._best, self._stale = state["best"], state["stale"]
        self.precision = state["precision"]

    def train(
        self,
        report: Report = lambda progress: None,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> Outcome:
        """Go on from the current step to the end, the time limit, or the interruption."""
        s, processes = self.settings, self._processes
        if not self.precision:
            self.precision = processes.first(choose_precision(self.network, s, processes.device))
        first = processes.rank == 0
        logs = self._open_logs() if first else None
        saved = time.monotonic()
        finished = True
        try:
            for batch in self._batches():
                began = time.monotonic()
                row = self._advance(batch)
                row["seconds"] = time.monotonic() - began
                self.seconds += row["seconds"]
                if logs:
                    logs[0].write(row)
                report(Progress("train", self.step, s.steps, _losses(row)))
                last = self.step == s.steps or self._out_of_time()
                if self.step % s.validation.every_steps == 0 or last:
                    began = time.monotonic()
                    self._validate(report, logs[1] if logs else None)
                    self.seconds += time.monotonic() - began
                stop = processes.first(interrupted())
                enough = s.validation.patience and self._stale >= s.validation.patience
                ends = last or bool(enough) or stop
                due = time.monotonic() - saved > 60 * s.checkpoint_minutes
                if first and (ends or due):
                    save_checkpoint(self.folder / CHECKPOINT, self.state())
                    saved = time.monotonic()
                if ends:
                    finished = not stop or last
                    break
        finally:
            if logs:
                for log in logs:
                    log.close()
        return self._outcome(finished)

    def _open_logs(self) -> tuple[RunLog, RunLog]:
        logs = self.folder / "logs"
        return (
            RunLog(logs, "steps", STEP_COLUMNS, self.step),
            RunLog(logs, "validation", VALIDATION_COLUMNS, self.step),
        )

    def _batches(self) -> Iterator[Patch]:
        """This process's share of each step's batch, prepared ahead in threads."""
        s, rank, count = self.settings, self._processes.rank, self._processes.count
        share = s.batch // count
        augmentation = s.augmentation if s.augment else None

        def load(step: int) -> Patch:
            samples = [
                draw_patch(
                    self._training,
                    step * s.batch + rank * share + j,
                    s.seed,
                    s.patch,
                    s.sampling,
                    augmentation,
                    s.emphasis,
                )
                for j in range(share)
            ]
            return Patch(*(torch.stack(part) for part in zip(*map(_parts, samples), strict=True)))

        with ThreadPoolExecutor(s.workers) as pool:
            ahead: deque[Future[Patch]] = deque()
            upcoming = iter(range(self.step, s.steps))
            try:
                for step in upcoming:
                    ahead.append(pool.submit(load, step))
                    if len(ahead) > s.workers + 1:
                        yield ahead.popleft().result()
                while ahead:
                    yield ahead.popleft().result()
            finally:
                for future in ahead:
                    future.cancel()

    def _advance(self, batch: Patch) -> dict[str, Any]:
        """One optimiser step; returns what the log shows of it."""
        s, device = self.settings, self._processes.device
        images, presence, target, emphasis, labelled = (
            t.to(device, non_blocking=True) for t in _parts(batch)
        )
        rate = learning_rate(s, self.step)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        row: dict[str, Any] = {"step": self.step + 1, "learning_rate": rate}
        self._optimiser.zero_grad(set_to_none=True)
        try:
            with torch.autocast(device.type, torch.bfloat16, enabled=self.precision == "bf16"):
                logits = self.network(images, presence)
            if s.loss == "regions":
                row |= self._balanced_gradient(logits, target, emphasis, labelled)
            else:
                masks = (target > 0.5).float()
                wanted = masks if s.loss == "dice_ce" else target
                row |= self._plain_gradient(logits, wanted, labelled)
        except torch.OutOfMemoryError as error:
            raise TrainingError(
                f"The device has too little memory for a patch of {s.patch} and a batch of "
                f"{s.batch}; set patch or batch smaller."
            ) from error
        norm = torch.nn.utils.clip_grad_norm_(self._parameters, s.optimiser.clip_norm)
        row["grad_norm"] = float(norm)
        if math.isfinite(row["grad_norm"]):
            self._optimiser.step()
            self.average.update(self.network)
        self.step += 1
        return row

    def _plain_gradient(
        self, logits: torch.Tensor, target: torch.Tensor, labelled: torch.Tensor
    ) -> dict[str, Any]:
        loss = plain_loss(logits, target, labelled)
        loss.backward()  # type: ignore[no-untyped-call]
        self._processes.average([p.grad for p in self._parameters if p.grad is not None])
        value = loss.detach().clone()
        self._processes.average([value])
        return {"loss_interior": float(value)}

    def _balanced_gradient(
        self,
        logits: torch.Tensor,
        target: torch.Tensor,
        emphasis: torch.Tensor,
        labelled: torch.Tensor,
    ) -> dict[str, Any]:
        curriculum = self._curriculum
        theta, u_boundary = curriculum.theta, curriculum.u_boundary
        weight = voxel_weight(certainty(target), theta, self.settings.curriculum.delta)
        losses = region_losses(logits, target, weight, labelled, emphasis)
        record = self._balance.backward(losses, u_boundary)
        curriculum.advance(record.relative_interior)
        return {
            "loss_interior": record.loss_interior,
            "loss_boundary": record.loss_boundary,
            "w_interior": record.w_interior,
            "w_boundary": record.w_boundary,
            "cosine": record.cosine,
            "grad_norm_interior": record.norm_interior,
            "grad_norm_boundary": record.norm_boundary,
            "residual": record.residual,
            "relative_residual": record.relative_residual,
            "violation_rate": self._balance.violation_rate,
            "theta": theta,
            "u_boundary": u_boundary,
        }

    def _validate(self, report: Report, log: RunLog | None) -> None:
        if not self._validation:
            self._keep(0.0, {})
            return
        note = f"step {self.step}"
        scores, row = validate(
            self.average.network,
            self._validation,
            self.settings,
            self._processes,
            self.precision == "bf16",
            lambda done, total: report(Progress("validate", done, total, note)),
        )
        if log is not None:
            log.write({"step": self.step, **row})
        self._keep(float(np.mean(list(scores.values()))) if scores else 0.0, scores)

    def _keep(self, score: float, scores: dict[str, float]) -> None:
        """Take the averaged weights if they are no worse; a tie goes to the later ones."""
        if score >= self._best["score"]:
            weights = {k: v.cpu().clone() for k, v in self.average.network.state_dict().items()}
            self._best = {"score": score, "step": self.step, "scores": scores, "weights": weights}
            self._stale = 0
        else:
            self._stale += 1

    def _out_of_time(self) -> bool:
        limit = self.settings.max_minutes
        return bool(self._processes.first(bool(limit and self.seconds > 60 * limit)))

    def _outcome(self, finished: bool) -> Outcome:
        network = build_network(self.settings.network.name, self.settings.network.arguments)
        weights = self._best["weights"] or self.average.network.state_dict()
        network.load_state_dict(weights)
        return Outcome(
            network.eval(),
            self._best["step"],
            dict(self._best["scores"]),
            self.step,
            self.seconds,
            finished,
            self.precision,
        )


def _freeze(network: torch.nn.Module, beginnings: Sequence[str]) -> None:
    """Keep the weights whose names begin so out of the optimiser's reach."""
    named = dict(network.named_parameters())
    for beginning in beginnings:
        kept = [p for name, p in named.items() if name.startswith(beginning)]
        if not kept:
            raise TrainingError(
                f"No weight of this network has a name that begins with {beginning}, which "
                f"optimiser.frozen lists; its first weight is {next(iter(named))}."
            )
        for parameter in kept:
            parameter.requires_grad_(False)
    if not any(p.requires_grad for p in named.values()):
        raise TrainingError("optimiser.frozen leaves no weight to train.")


def resume(run: Run) -> bool:
    """Bring a run to its last checkpoint; false if there is none."""
    path = run.folder / CHECKPOINT
    if not path.is_file():
        return False
    run.restore(load_checkpoint(path))
    return True


def learning_rate(settings: TrainingSettings, step: int) -> float:
    """Linear warm-up, then a cosine down to ``final_fraction``."""
    o = settings.optimiser
    if step < o.warmup_steps:
        return o.learning_rate * (step + 1) / (o.warmup_steps + 1)
    t = (step - o.warmup_steps) / max(1, settings.steps - o.warmup_steps)
    return o.learning_rate * (
        o.final_fraction + (1 - o.final_fraction) * 0.5 * (1 + math.cos(math.pi * min(1.0, t)))
    )


def choose_precision(
    network: torch.nn.Module, settings: TrainingSettings, device: torch.device
) -> str:
    """``bf16`` where asked for, or where one timed step is faster with it than without."""
    if settings.precision != "auto":
        return settings.precision
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    if device.type != "cpu":
        return "fp32"
    images = torch.zeros(1, 4, *(min(64, p) for p in settings.patch))
    seconds = {}
    for name in ("fp32", "bf16"):
        times = []
        for _ in range(3):
            began = time.perf_counter()
            with torch.autocast("cpu", torch.bfloat16, enabled=name == "bf16"):
                loss = network(images, torch.ones(1, 4)).float().square().mean()
            torch.autograd.grad(loss, [p for p in network.parameters() if p.requires_grad])
            times.append(time.perf_counter() - began)
        seconds[name] = min(times)
    return "bf16" if seconds["bf16"] < 0.9 * seconds["fp32"] else "fp32"


def _parts(patch: Patch) -> tuple[torch.Tensor, ...]:
    return patch.images, patch.presence, patch.membership, patch.emphasis, patch.labelled


def _losses(row: dict[str, Any]) -> str:
    shown = (("interior", row.get("loss_interior")), ("boundary", row.get("loss_boundary")))
    return " · ".join(f"{name} {value:.3f}" for name, value in shown if value is not None)


def _lasting(yaml: str) -> list[str]:
    """The settings that shape the weights: a resumed run may change when it saves or ends."""
    free = ("max_minutes:", "checkpoint_minutes:", "workers:", "name:")
    return [line for line in yaml.splitlines() if not line.startswith(free)]
