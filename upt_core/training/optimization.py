"""A step of the optimizers, and what belongs to it: learning rate, clipping, the scale of fp16."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from upt_core.errors import CheckpointError
from upt_core.kinds import Schedule
from upt_core.progress import Progress


class Optimization:
    """The optimizers of a model.

    Args:
        model: whose gradients are clipped together.
        optimizers: together they hold every trainable parameter once.
        lr_schedule: factor of the learning rates.
        clip_norm: largest norm of the gradient; None: it is not clipped.
        scaler: of the loss, for fp16; disabled for other precisions.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizers: Sequence[torch.optim.Optimizer],
        lr_schedule: Schedule,
        clip_norm: float | None,
        scaler: torch.amp.GradScaler,
    ) -> None:
        self.model = model
        self.optimizers = list(optimizers)
        self.lr_schedule = lr_schedule
        self.clip_norm = clip_norm
        self.scaler = scaler
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group.setdefault("initial_lr", group["lr"])

    @property
    def lr(self) -> float:
        """The learning rate of the last step, of the first group."""
        rate: float = self.optimizers[0].param_groups[0]["lr"]
        return rate

    def backward(self, loss: Tensor) -> None:
        """Adds the loss's gradient, scaled for fp16, to those of the parameters."""
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]

    def step(self, progress: Progress) -> Tensor | None:
        """Moves the parameters and clears their gradients; the norm of the gradient where it is clipped."""
        factor = self.lr_schedule(progress)
        norm = None
        for optimizer in self.optimizers:
            self.scaler.unscale_(optimizer)
        if self.clip_norm is not None:
            norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.clip_norm, foreach=True)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * factor
            self.scaler.step(optimizer)
            optimizer.zero_grad(set_to_none=True)
        self.scaler.update()
        return norm

    def state_dict(self) -> dict[str, Any]:
        """The optimizers' states, and the scale."""
        return {
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "scaler": self.scaler.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any], path: Path) -> None:
        """Restores what ``state_dict`` gave.

        Raises:
            CheckpointError: it is of other optimizers.
        """
        if len(state["optimizers"]) != len(self.optimizers):
            raise CheckpointError(f"{path}: was trained with another optimizer; use the configuration of its run")
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.scaler.load_state_dict(state["scaler"])
