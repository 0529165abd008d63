"""PyTorch as a backend: any device, the precision and memory layout that are fastest there."""

from __future__ import annotations

import torch

from ParetoSegLib.model.precision import Plan, arrange, plan_for, run_network


class TorchBackend:
    """Runs a network with PyTorch.

    Args:
        network: in any mode; ``close`` gives it back in the mode it had, in contiguous memory.
        device: it is moved there, and stays.
        patch: the window.
        half: as in ``plan_for``.

    Raises:
        RuntimeError: among others where it does not fit on the device (``is_out_of_memory``).
    """

    def __init__(
        self,
        network: torch.nn.Module,
        device: torch.device,
        patch: tuple[int, int, int],
        half: bool | None,
    ) -> None:
        self._network, self._device = network, device
        self._training = network.training
        try:
            network.eval()
            network.to(device)
            self.plan = plan_for(network, device, patch, half)
            arrange(network, self.plan)
        except BaseException:
            self.close()
            raise

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self._device

    @property
    def is_half(self) -> bool:
        """Whether it computes in 16 bits."""
        return self.plan.half is not None

    def run(self, images: torch.Tensor, presence: torch.Tensor) -> torch.Tensor:
        """Logits of one batch, in whatever precision the plan gives."""
        return run_network(self._network, images, presence, self.plan)

    def close(self) -> None:
        """Give the network its mode and its memory layout back."""
        self._network.train(self._training)
        arrange(self._network, Plan())

    def __str__(self) -> str:
        return f"torch {torch.__version__} {self.plan}"
