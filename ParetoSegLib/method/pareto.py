"""The Pareto-consistent balance: how the gradients of interior and boundary become one step.

Three modes. ``upgrad`` weighs them so that neither region's loss rises (``upgrad.py``), ``stch``
weighs relative losses smoothly by the worse one (``tchebycheff.py``), ``sum`` is the plain
weighted sum to compare with: tuned, it is hard to beat (Kurin et al. 2022, arXiv 2201.04122).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from ParetoSegLib.method.gram import Gram, gram_of
from ParetoSegLib.method.losses import RegionLosses
from ParetoSegLib.method.remembered import RememberedGram
from ParetoSegLib.method.stationarity import relative_residual, stationarity_residual
from ParetoSegLib.method.tchebycheff import LossReferences, Pair, tchebycheff_weights
from ParetoSegLib.method.upgrad import Weights, keeps_promise, upgrad_weights

Average = Callable[[list[Tensor]], None]
"""Replaces each tensor, in place, by its mean over all processes."""


@dataclass(frozen=True)
class ParetoSettings:
    """How the two regions' losses share a step.

    Args:
        mode: ``upgrad``, ``stch`` or ``sum``.
        refresh_every: of ``upgrad``: 1 takes both gradients at every step (a second backward
            pass) and keeps the promise; k > 1 only at every k-th, with remembered weights
            between. Those follow a lasting conflict, not one batch's: under strong conflict they
            can break the promise nearly as often as a plain sum. The violation rate tells.
        memory: of ``upgrad`` with k > 1: weight of the past at each measurement.
        weight_cap: of ``upgrad`` with k > 1: the largest remembered weight.
        temperature: of ``stch``: τ; smaller follows the worse region more strictly.
        reference_steps: contributing steps whose mean makes a region's reference loss.
        probe_every: of ``stch`` and ``sum``: take both gradients at every so many steps, to log
            their conflict (the weights stay the mode's own); 0 never.
    """

    mode: Literal["upgrad", "stch", "sum"] = "upgrad"
    refresh_every: int = 1
    memory: float = 0.7
    weight_cap: float = 4.0
    temperature: float = 0.5
    reference_steps: int = 50
    probe_every: int = 0

    def __post_init__(self) -> None:
        if self.mode not in ("upgrad", "stch", "sum"):
            raise ValueError(f"mode is {self.mode!r}; it can be upgrad, stch or sum.")
        if self.refresh_every < 1:
            raise ValueError(f"refresh_every is {self.refresh_every}; it must be at least 1.")
        if not 0 <= self.memory < 1:
            raise ValueError(f"memory is {self.memory}; it must lie in [0, 1).")
        if not 1 <= self.weight_cap <= 1000:
            raise ValueError(f"weight_cap is {self.weight_cap}; it must lie in [1, 1000].")
        if not 0.01 <= self.temperature <= 100:
            raise ValueError(f"temperature is {self.temperature}; it must lie in [0.01, 100].")
        if self.reference_steps < 1:
            raise ValueError(f"reference_steps is {self.reference_steps}; it must be at least 1.")
        if self.probe_every < 0:
            raise ValueError(f"probe_every is {self.probe_every}; it must be at least 0.")


@dataclass(frozen=True)
class BalanceRecord:
    """What one step's balance was, the same numbers in every process.

    Args:
        loss_interior: L_I, averaged over processes; ``None`` where no process had an interior.
        loss_boundary: the same of L_B.
        relative_interior: L_I as a fraction of its reference (what ``Curriculum.advance`` wants).
        relative_boundary: the same of L_B.
        w_interior: w_I.
        w_boundary: w_B.
        refreshed: whether both gradients were taken; all below is ``None`` otherwise, so also
            on crops without a boundary.
        norm_interior: ‖g_I‖.
        norm_boundary: ‖g_B‖.
        cosine: of the angle between the gradients.
        residual: Pareto-stationarity residual, in the gradients' unit.
        relative_residual: √((1 + cosine)/2).
        violated: whether the weights that the mode uses when it does *not* look at both
            gradients would have raised a region's loss on this batch (to first order, before
            the optimiser's preconditioning). With ``refresh_every`` k > 1 these are the weights
            remembered from earlier refreshes, at their oldest, while the step itself takes the
            exact ones; with k = 1 they are the exact ones, and this is a check of arithmetic.
    """

    loss_interior: float | None
    loss_boundary: float | None
    relative_interior: float | None
    relative_boundary: float | None
    w_interior: float
    w_boundary: float
    refreshed: bool = False
    norm_interior: float | None = None
    norm_boundary: float | None = None
    cosine: float | None = None
    residual: float | None = None
    relative_residual: float | None = None
    violated: bool | None = None


class Balance:
    """Turns the two losses of a batch into the gradient of one step.

    The promise of ``upgrad``: with ``refresh_every=1`` the step −d raises neither region's loss,
    to first order, on that batch (over all processes), for plain gradient descent; an adaptive
    optimiser preconditions d afterwards, and clipping by norm keeps the promise. With
    ``refresh_every`` > 1 nothing is promised between refreshes.

    Under several processes the module must not be wrapped (the hooks of
    ``DistributedDataParallel`` would average each backward pass on its own): pass ``average``.
    Gradients and loss values are averaged before anything is decided, so that all processes
    decide alike. A compiled module needs ``torch._functorch.config.donated_buffer = False``,
    since the first of two backward passes retains the graph.

    Args:
        settings: the mode.
        parameters: those that the step moves; all of them, since gradients of the head alone
            mislead about the conflict.
        average: all-reduces to the mean, in place.
    """

    def __init__(
        self,
        settings: ParetoSettings,
        parameters: Iterable[torch.nn.Parameter | Tensor],
        average: Average | None = None,
    ) -> None:
        self.settings = settings
        self._parameters = [p for p in parameters if p.requires_grad]
        self._average = average
        self._references = LossReferences(settings.reference_steps)
        self._remembered = RememberedGram(settings.memory, settings.weight_cap)
        self._until_measured = 0
        self._measured = 0
        self._violated = 0

    @property
    def violation_rate(self) -> float | None:
        """Share of measured steps on which ``BalanceRecord.violated`` was true, so far."""
        return self._violated / self._measured if self._measured else None

    def backward(self, losses: RegionLosses, u_boundary: float) -> BalanceRecord:
        """Fill ``.grad`` of every parameter with d = w_I g_I + w_B g_B; what was there is lost.

        A region that no process has in this batch leaves the other at its preference. A
        parameter that no loss reaches gets zeros.

        Args:
            losses: of this process's part of the batch.
            u_boundary: u_B in [0, 1].
        """
        if not 0 <= u_boundary <= 1:
            raise ValueError(f"u_boundary is {u_boundary}; it must lie in [0, 1]")
        values = self._values(losses)
        relative = self._references.update(values)
        usual = self._usual_weights(relative, u_boundary)
        both = None not in values
        if both and self._due():
            weights, facts = self._measured_step(losses, usual, u_boundary)
        else:
            # Without both regions UPGrad has nothing to weigh: a zero gradient gives w = u.
            alone = self.settings.mode == "upgrad" and not both
            weights = (1.0 - u_boundary, u_boundary) if alone or usual is None else usual
            facts = {}
            self._single_step(losses, weights)
        return BalanceRecord(*values, *relative, *weights, **facts)

    def _values(self, losses: RegionLosses) -> Pair:
        """L_I and L_B over all processes; ``None`` for a region that none of them has."""
        with torch.no_grad():
            table = torch.stack(
                [
                    losses.interior.detach().float(),
                    losses.boundary.detach().float(),
                    losses.interior.new_tensor(losses.has_interior).float(),
                    losses.boundary.new_tensor(losses.has_boundary).float(),
                ]
            )
            if self._average is not None:
                self._average([table])
            interior, boundary, has_interior, has_boundary = table.tolist()
        return interior if has_interior else None, boundary if has_boundary else None

    def _usual_weights(self, relative: Pair, u_boundary: float) -> Weights | None:
        """The mode's weights without a look at this batch's gradients; ``None`` if it needs one."""
        if self.settings.mode == "sum":
            return 1.0 - u_boundary, u_boundary
        if self.settings.mode == "stch":
            return tchebycheff_weights(
                relative, self._references.values, u_boundary, self.settings.temperature
            )
        return self._remembered.weights(u_boundary)

    def _due(self) -> bool:
        """Whether this step, which has both regions, is to take both gradients."""
        exact = self.settings.mode == "upgrad"
        every = self.settings.refresh_every if exact else self.settings.probe_every
        if every == 0:
            return False
        due = self._until_measured == 0
        self._until_measured = every - 1 if due else self._until_measured - 1
        return due

    def _measured_step(
        self, losses: RegionLosses, usual: Weights | None, u_boundary: float
    ) -> tuple[Weights, dict[str, Any]]:
        g_i = self._gradient(losses.interior, losses.has_interior, retain=losses.has_boundary)
        g_b = self._gradient(losses.boundary, losses.has_boundary, retain=False)
        gram = self._gram(g_i, g_b)
        weights = usual
        if self.settings.mode == "upgrad":
            weights = upgrad_weights(gram, u_boundary)
            if self.settings.refresh_every == 1:
                usual = weights
            self._remembered.update(gram)
        assert weights is not None
        self._combine(g_i, g_b, weights)
        violated = None
        if usual is not None and gram.usable:
            violated = not keeps_promise(gram, usual, u_boundary)
            self._measured += 1
            self._violated += violated
        norm_interior, norm_boundary = gram.norms
        facts = {
            "refreshed": True,
            "norm_interior": norm_interior,
            "norm_boundary": norm_boundary,
            "cosine": gram.cosine,
            "residual": stationarity_residual(gram),
            "relative_residual": relative_residual(gram),
            "violated": violated,
        }
        return weights, facts

    def _gradient(self, loss: Tensor, contributes: bool, retain: bool) -> list[Tensor]:
        """∂loss/∂parameters, averaged over processes; zeros where the loss does not reach."""
        if not (contributes and loss.requires_grad):
            pieces: list[Tensor | None] = [None] * len(self._parameters)
        else:
            pieces = list(
                torch.autograd.grad(loss, self._parameters, retain_graph=retain, allow_unused=True)
            )
        gradient: list[Tensor] = []
        for n, parameter in enumerate(self._parameters):
            piece, pieces[n] = pieces[n], None
            if piece is None:
                piece = torch.zeros_like(parameter)
            elif self._average is not None:
                # Autograd may hand out one tensor twice, or an expanded one: not to be written.
                piece = piece.clone(memory_format=torch.contiguous_format)
            gradient.append(piece.detach())
        if self._average is not None:
            self._average(gradient)
        return gradient

    def _gram(self, g_i: list[Tensor], g_b: list[Tensor]) -> Gram:
        gram = gram_of(g_i, g_b)
        if self._average is None:
            return gram
        # Equal up to rounding already; after this all processes weigh alike to the last bit.
        table = g_i[0].new_tensor([gram.interior, gram.boundary, gram.dot], dtype=torch.float64)
        self._average([table])
        return Gram(*table.tolist())

    def _combine(self, g_i: list[Tensor], g_b: list[Tensor], weights: Weights) -> None:
        """Set ``.grad`` piece by piece, letting go of both gradients on the way."""
        for n, parameter in enumerate(self._parameters):
            step = torch.zeros_like(g_i[n])
            for piece, weight in zip((g_i[n], g_b[n]), weights, strict=True):
                if weight != 0:  # 0 · ∞ would spoil the other region's step
                    step.add_(piece, alpha=weight)
            parameter.grad = step
            g_i[n] = g_b[n] = step.new_empty(0)

    def _single_step(self, losses: RegionLosses, weights: Weights) -> None:
        """One backward pass of w_I L_I + w_B L_B."""
        parts = (
            (losses.interior, losses.has_interior, weights[0]),
            (losses.boundary, losses.has_boundary, weights[1]),
        )
        terms = [
            weight * loss
            for loss, contributes, weight in parts
            if contributes and loss.requires_grad and weight != 0
        ]
        for parameter in self._parameters:
            parameter.grad = None
        if terms:
            torch.stack(terms).sum().backward(inputs=self._parameters)
        for parameter in self._parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        if self._average is not None:
            self._average([p.grad for p in self._parameters if p.grad is not None])

    def state_dict(self) -> dict[str, Any]:
        """Everything that ``load_state_dict`` needs to go on exactly, as plain numbers."""
        return {
            "references": self._references.state_dict(),
            "remembered": self._remembered.state_dict(),
            "until_measured": self._until_measured,
            "measured": self._measured,
            "violated": self._violated,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where ``state_dict`` was taken, with equal settings."""
        self._references.load_state_dict(state["references"])
        self._remembered.load_state_dict(state["remembered"])
        self._until_measured = int(state["until_measured"])
        self._measured = int(state["measured"])
        self._violated = int(state["violated"])
