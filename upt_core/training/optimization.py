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
from upt_core.shards import cut_like, whole


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
        self.optimizers = list(optimizers)
        self.lr_schedule = lr_schedule
        self.clip_norm = clip_norm
        self.scaler = scaler
        self._unscaled = False
        self._parameters = list(model.parameters())  # asked once: a walk through the modules costs as much as the norm
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group.setdefault("initial_lr", group["lr"])  # what a schedule multiplies; ``lr`` changes at each step

    @property
    def lr(self) -> float:
        """The learning rate of the last step, of the first group."""
        rate: float = self.optimizers[0].param_groups[0]["lr"]
        return rate

    def backward(self, loss: Tensor) -> None:
        """Adds the loss's gradient, scaled for fp16, to those of the parameters."""
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]

    def gradient_norm(self) -> Tensor:
        """The norm of the whole gradient; clips it where that is asked for."""
        for optimizer in self.optimizers:
            self.scaler.unscale_(optimizer)  # before clipping: fp16's factor is no part of the norm
        self._unscaled = True
        gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients, foreach=True)
        if self.clip_norm is not None:
            torch.nn.utils.clip_grads_with_norm_(self._parameters, self.clip_norm, norm, foreach=True)
        return whole(norm)

    def step(self, progress: Progress, factor: float = 1.0) -> None:
        """Moves the parameters along the gradient, of which ``gradient_norm`` was asked before, and clears it.

        Args:
            factor: of the learning rate, on top of its schedule.
        """
        factor *= self.lr_schedule(progress)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * factor
            self.scaler.step(optimizer)
        self.discard()

    def discard(self) -> None:
        """Clears the gradient."""
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        if self._unscaled:  # the scaler refuses to be updated where it has looked at no gradient
            self.scaler.update()
        self._unscaled = False

    def state_dict(self) -> dict[str, Any]:
        """The optimizers' states, and the scale."""
        return {
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "scaler": self.scaler.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any], path: Path) -> None:
        """Restores what ``state_dict`` gave; the learning rate stays that of this configuration.

        Raises:
            CheckpointError: it is of other optimizers.
        """
        if len(state["optimizers"]) != len(self.optimizers):
            raise CheckpointError(f"{path}: was trained with another optimizer; use the configuration of that run")
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            rates = [group["initial_lr"] for group in optimizer.param_groups]
            optimizer.load_state_dict(_cut(saved, optimizer))
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["initial_lr"] = rate
        self.scaler.load_state_dict(state["scaler"])


def _cut(saved: Mapping[str, Any], optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """A saved state in which what is as large as its parameter is divided as that is."""
    numbers = [number for group in saved["param_groups"] for number in group["params"]]
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    owner = dict(zip(numbers, parameters, strict=False))  # torch itself says where their number differs

    def cut(number: int, value: Any) -> Any:
        parameter = owner.get(number)
        fits = isinstance(value, Tensor) and parameter is not None and value.shape == parameter.shape
        return cut_like(value, parameter) if fits else value

    states = {
        number: {name: cut(number, value) for name, value in state.items()} for number, state in saved["state"].items()
    }
    return {**saved, "state": states}
