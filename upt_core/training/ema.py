"""Exponential moving average of a model's weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from upt_core.shards import cut_like, local


class Ema:
    """A moving average of all floating parameters and buffers, without waiting for the device.

    The decay grows with the number of updates, min(decay, (1 + n) / (10 + n)), so that short runs are not dominated by
    the initial weights (the rule of TensorFlow's ExponentialMovingAverage).

    Args:
        model: whose weights are averaged.
        decay: the final decay; 0.99 to 0.9999.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self._own = dict(_floats(model))
        self.average = {name: value.detach().clone() for name, value in self._own.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Takes the weights as they are now into the average."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        average, own = ([local(value) for value in values.values()] for values in (self.average, self._own))
        torch._foreach_lerp_(average, own, 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The model has the averaged weights inside, and its own again afterwards."""
        own = {name: value.detach().clone() for name, value in self._own.items()}
        self._copy(self.average)
        try:
            yield
        finally:
            self._copy(own)

    @torch.no_grad()
    def _copy(self, values: dict[str, Tensor]) -> None:
        for name, value in self._own.items():
            value.copy_(values[name])

    def state_dict(self) -> dict[str, object]:
        """The average and how often it was updated."""
        return {"average": self.average, "updates": self.updates}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Restores what ``state_dict`` gave."""
        average, updates = state["average"], state["updates"]
        assert isinstance(average, dict)
        assert isinstance(updates, int)
        for name, value in self.average.items():
            value.copy_(cut_like(average[name], value))
        self.updates = updates


def _floats(model: nn.Module) -> list[tuple[str, Tensor]]:
    # The tensors themselves (keep_vars), so that the average follows them without asking the model again.
    return [(name, value) for name, value in model.state_dict(keep_vars=True).items() if value.is_floating_point()]
