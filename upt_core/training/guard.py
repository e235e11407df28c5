"""Numbers gone bad: NaN and infinity in losses, gradients and weights, and gradients far above their usual size."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from upt_core.batch import Batch
from upt_core.errors import UserError
from upt_core.loss_bundle import Losses
from upt_core.processes import ALONE, Processes
from upt_core.shards import local

GRADIENT = "the gradient"
WARM_UP, MEMORY = 20, 0.98
"""Gradients before the first spike is looked for, and how much of the running mean stays at each."""
SMALLEST_SCALE = 2.0**-20
"""fp16's factor of the loss starts at 2¹⁶ and is halved at each overflow: below this no factor is small enough."""


class BadNumbersError(UserError):
    """A loss, a gradient or a weight became NaN or infinite.

    Args:
        step: number of the batch.
        rank: of the process whose rows of it were bad.
    """

    def __init__(self, message: str, step: int, rank: int = 0) -> None:
        super().__init__(message)
        self.step = step
        self.rank = rank


class Guard:
    """Keeps values until they are looked at, for which the host waits for the device.

    Args:
        per_epoch: batches of an epoch, for the message.
        processes: that train together; what one finds ends all.
    """

    def __init__(self, per_epoch: int, processes: Processes = ALONE) -> None:
        self._per_epoch = per_epoch
        self._processes = processes
        self._unchecked: list[tuple[int, dict[str, Tensor]]] = []

    def note(self, step: int, losses: Losses) -> None:
        """Keeps the terms' values of a step."""
        found = {f"losses.{name}: the term": value.detach() for name, value in losses.values.items()}
        self._unchecked.append((step, found))

    def note_gradient(self, step: int, norm: Tensor) -> None:
        """Keeps the norm of the gradient of a step."""
        self._unchecked.append((step, {GRADIENT: norm.detach()}))

    def check(self) -> None:
        """Looks at all that was kept.

        Raises:
            BadNumbersError: one was NaN or infinite, in this process or another; it names the first.
        """
        found = self._problem()
        if not self._processes.any(found is not None):
            return
        said = [(problem, rank) for rank, problem in enumerate(self._processes.of_all(found)) if problem is not None]
        # A gradient that is averaged is bad in all: the term that made it so, in one of them, is what is to be known.
        (step, _, message), rank = min(said, key=lambda one: one[0][:2])
        raise BadNumbersError(f"{message}{f' (process {rank})' if self._processes.several else ''}", step, rank)

    def _problem(self) -> tuple[int, bool, str] | None:
        """Of the first bad value the step, whether it is a gradient, and what is to be said."""
        unchecked, self._unchecked = self._unchecked, []
        for step, values in unchecked:
            for name, value in values.items():
                if not math.isfinite(float(value)):
                    return step, name == GRADIENT, self._message(name, float(value), step)
        return None

    def _message(self, name: str, value: float, step: int) -> str:
        return (
            f"{name} became {value} at step {step} (epoch {step // self._per_epoch + 1}); "
            f"lower trainer.optimizer.lr or the term's weight, set trainer.clip_norm, or use fp32"
        )

    def check_weights(self, model: nn.Module, step: int) -> None:
        """Looks at all weights; for before they are saved.

        Raises:
            BadNumbersError: one is NaN or infinite; it names the tensor.
        """
        named = [(name, local(value)) for name, value in model.state_dict().items() if value.is_floating_point()]
        bad = [] if all_finite(value for _, value in named) else [n for n, v in named if not bool(v.isfinite().all())]
        if not self._processes.any(bool(bad)):  # where weights are sharded, each sees its own part
            return
        name = next(name for names in self._processes.of_all(bad) for name in names)
        raise BadNumbersError(
            f"weights: {name} has NaN or infinite values at step {step}; the state is not saved; lower "
            f"trainer.optimizer.lr or set trainer.clip_norm",
            step,
        )


def all_finite(values: Iterable[Tensor]) -> bool:
    """Whether all numbers of some tensors are finite, with one wait for the device. Sums of squares may overflow
    where the values do not, so it is the largest sizes that are looked at."""
    tensors = [value for value in values if value.numel()]
    if not tensors:
        return True
    norms = torch._foreach_norm(tensors, math.inf)
    return bool(torch.stack([norm.float() for norm in norms]).isfinite().all())


class Spikes:
    """Gradients far above their usual size.

    Args:
        factor: of the running mean of norms; larger ones are spikes; 5 to 20.
    """

    def __init__(self, factor: float) -> None:
        self.factor = factor
        self.mean = 0.0
        self.seen = 0

    def is_one(self, norm: float) -> bool:
        """Whether a norm is a spike; takes it into the mean, at most by the factor, so that a lasting change of size
        is followed within some steps."""
        spike = self.seen >= WARM_UP and norm > self.factor * self.mean
        bounded = min(norm, self.factor * self.mean) if self.seen else norm
        memory = min(MEMORY, self.seen / (self.seen + 1))
        self.mean, self.seen = memory * self.mean + (1 - memory) * bounded, self.seen + 1
        return spike


def inputs_of(batch: Batch, step: int) -> dict[str, Any]:
    """The samples of a batch as tensors, to look at what made the numbers bad."""
    points = batch.points
    return {
        "step": step,
        "task": batch.task,
        "sample_B": points.sample_id_B,
        "input_BNC": batch.input_BNC,
        "target_BTNC": batch.target_BTNC,
        "coords_BNX": points.coords_BNX,
        "condition_BTP": batch.condition_BTP,
        "lengths": points.lengths,
        "input_coords_BNX": batch.input_points.coords_BNX,
    }
