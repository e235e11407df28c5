"""Means of the loss terms over an epoch, summed on the device."""

from __future__ import annotations

from torch import Tensor

from upt_core.loss_bundle import Losses
from upt_core.processes import ALONE, Processes


class Means:
    """Means of every term over an epoch, summed on the device."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    def add(self, losses: Losses, own: int, samples: int) -> None:
        """Adds a batch of so many samples, of which some are this process's own: the losses are their means."""
        total = {"loss/total": losses.total} if losses.total is not None else {}
        for name, value in {**total, **{f"loss/{name}": value for name, value in losses.values.items()}}.items():
            part = value.detach() * own
            self._sums[name] = self._sums[name] + part if name in self._sums else part
            self._counts[name] = self._counts.get(name, 0) + samples

    def compute(self, processes: Processes = ALONE) -> dict[str, float]:
        """The means over the samples of all processes; waits for the device."""
        sums = processes.sums([float(value) for value in self._sums.values()])
        return {name: value / self._counts[name] for name, value in zip(self._sums, sums, strict=True)}
