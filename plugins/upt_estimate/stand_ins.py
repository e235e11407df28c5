"""What stands in for samplers and loss terms in a trial: real draws, and terms whose memory has their name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

from upt_core import LossTerm, Points, Progress, Queries, Sampler, Step
from upt_estimate.ledger import Ledger


class Drawn(Sampler):
    """Draws at real points, and hands over fake query points: a sampler may read values and keep tables.

    Args:
        base: draws.
        points: the real points of the batch.
        faked: makes real tensors fake.
        num_queries: in place of the base's number; None: as it is.
    """

    def __init__(self, base: Any, points: Any, faked: Any, num_queries: Any) -> None:
        self.base: Sampler = base
        self.points: Points = points
        self.faked: Callable[[Any], Any] = faked
        self.num_queries: int | None = num_queries

    @property
    def adaptive(self) -> bool:
        """As the base; what it learns is not kept."""
        return self.base.adaptive

    def count(self, num_points: int, progress: Progress) -> int:
        """That of the base, or the given one."""
        return self.base.count(num_points, progress) if self.num_queries is None else self.num_queries

    def draw(self, points: Points, count: int, rng: torch.Generator, progress: Progress) -> Queries:
        """The base's draw."""
        with _disable_current_modes():
            queries = self.base.draw(self.points, count, rng, progress)
        faked: Queries = self.faked(queries)
        return faked


class Labelled(LossTerm):
    """A loss term whose memory is held under its name."""

    def __init__(self, term: Any, name: Any, ledger: Any) -> None:
        self.term: LossTerm = term
        self.name: str = name
        self.ledger: Ledger = ledger
        self.horizon, self.pointwise, self.needs_reference = term.horizon, term.pointwise, term.needs_reference

    def __call__(self, step: Step) -> Tensor:
        """The term's value."""
        with self.ledger.only("activations", self.name):
            return self.term(step)
