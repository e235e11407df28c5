"""Means of the loss terms over an epoch, summed on the device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from upt_core.loss_bundle import Losses
from upt_core.processes import ALONE, Processes


class Means:
    """Means of every term over an epoch, summed on the device; and the seconds that the epoch took so far.

    ``waited`` are those of the seconds in which the next batch was not there yet.
    """

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self.seconds = self.waited = 0.0

    def add(self, losses: Losses, own: int, samples: int) -> None:
        """Adds a batch of so many samples, of which some are this process's own: the losses are their means."""
        if losses.total is None:
            return
        found = {"loss/total": losses.total} | {f"loss/{name}": value for name, value in losses.values.items()}
        values, sums = [value.detach() for value in found.values()], self._sums
        before = [sums[n] if n in sums else torch.zeros_like(v) for n, v in zip(found, values, strict=True)]
        # All at once and not in place: single additions cost more than the rest of this, and copies keep their values.
        self._sums.update(zip(found, torch._foreach_add(before, values, alpha=own), strict=True))
        for name in found:
            self._counts[name] = self._counts.get(name, 0) + samples

    def compute(self, processes: Processes = ALONE) -> dict[str, float]:
        """The means over the samples of all processes; waits for the device."""
        sums = processes.sums([float(value) for value in self._sums.values()])
        return {name: value / self._counts[name] for name, value in zip(self._sums, sums, strict=True)}

    def copy(self) -> Means:
        """As it is now; what is added later does not change it."""
        other = Means()
        other._sums, other._counts = dict(self._sums), dict(self._counts)
        other.seconds, other.waited = self.seconds, self.waited
        return other

    def become(self, other: Means) -> None:
        """Takes over the sums of another, as ``copy`` gave it; the seconds stay."""
        self._sums, self._counts = dict(other._sums), dict(other._counts)

    def state_dict(self) -> dict[str, Any]:
        """The sums of this process, the counts of all."""
        clocks = {"seconds": self.seconds, "waited": self.waited}
        return {"sums": dict(self._sums), "counts": dict(self._counts), **clocks}

    @staticmethod
    def restored(states: Sequence[dict[str, Any]], processes: Processes, device: torch.device) -> Means:
        """From what ``state_dict`` gave in all processes, of which there may be more or fewer now."""
        found = Means()
        if states:
            found._counts, found.seconds = dict(states[0]["counts"]), states[0]["seconds"]
            found.waited = states[0].get("waited", 0.0)  # checkpoints of 0.1.0 have none
            found._sums = {name: torch.zeros((), device=device) for name in states[0]["sums"]}
        for state in states[processes.rank :: processes.size]:
            for name, value in state["sums"].items():
                found._sums[name] = found._sums[name] + value.to(device)
        return found
