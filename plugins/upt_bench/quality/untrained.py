"""The rivals that learn nothing: the state as it was, and the mean field of the training split."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from upt_bench.quality.judged import Space
from upt_core import Batch
from upt_core.commands import PreparedData, mean_field, persistence


@dataclass(frozen=True)
class Untrained:
    """Persistence, or the mean field where ``mean_1NC`` is given."""

    prepared: PreparedData
    mean_1NC: Tensor | None = None
    spaces: tuple[Space, ...] = ("physical",)
    parameters: int = 0
    steps: int = 0
    spent: float = 0.0

    def predict(self, batch: Batch, steps: int, space: Space) -> Tensor:
        """The same (B, T, N, C) at every step."""
        if self.mean_1NC is None:
            return persistence(self.prepared.data, batch, steps)
        return self.mean_1NC.expand(*batch.target_BTNC.shape[:1], steps, *batch.target_BTNC.shape[2:])

    def at(self, batch: Batch, coords_BMX: Tensor) -> None:
        """Not asked."""

    def reconstruct(self, batch: Batch) -> None:
        """Not asked."""


def persistent(prepared: PreparedData) -> Untrained | None:
    """Persistence; None for steady problems, where nothing could persist."""
    return None if prepared.data.steady else Untrained(prepared)


def mean(prepared: PreparedData) -> Untrained:
    """The mean field."""
    return Untrained(prepared, mean_field(prepared))
