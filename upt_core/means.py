"""Means of the loss terms over an epoch, summed on the device."""

from __future__ import annotations

from torch import Tensor

from upt_core.loss_bundle import Losses


class Means:
    """Means of every term over an epoch, summed on the device."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    def add(self, losses: Losses, samples: int) -> None:
        """Adds a batch."""
        total = {"loss/total": losses.total} if losses.total is not None else {}
        for name, value in {**total, **{f"loss/{name}": value for name, value in losses.values.items()}}.items():
            part = value.detach() * samples
            self._sums[name] = self._sums[name] + part if name in self._sums else part
            self._counts[name] = self._counts.get(name, 0) + samples

    def compute(self) -> dict[str, float]:
        """The means; waits for the device."""
        return {name: float(value) / self._counts[name] for name, value in self._sums.items()}
