"""What adaptive samplers learn from: the pointwise losses of the terms that share a sampler, weighted and summed."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from upt_core.points import Points, Queries


@dataclass
class Feedback:
    """Pointwise values of one step at each set of query points.

    A term that reports several times at one set (a rollout, once a time step) counts with the mean of its reports.
    """

    points: Points
    _sums: dict[Queries, Tensor] = field(default_factory=dict)

    def add(self, reports: list[tuple[Queries, Tensor]], weight: float) -> None:
        """Adds what one term reported: (queries, value_BQ, detached), with the term's weight."""
        counts: dict[Queries, int] = {}
        for queries, _ in reports:
            counts[queries] = counts.get(queries, 0) + 1
        for queries, value_BQ in reports:
            part_BQ = value_BQ.float() * (weight / counts[queries])
            self._sums[queries] = self._sums[queries] + part_BQ if queries in self._sums else part_BQ

    def totals(self) -> list[tuple[Queries, Tensor]]:
        """The query points with their summed values (B, Q)."""
        return list(self._sums.items())
