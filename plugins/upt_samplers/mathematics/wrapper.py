"""Samplers around another sampler: feedback, state and needs are those of the inner one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from upt_core import Need, Points, Probe, Progress, Queries, Sampler
from upt_samplers.uniform import Uniform


class Wrapper(Sampler):
    """What a sampler around another one hands through.

    Args:
        base: the inner sampler. None: ``uniform``.
    """

    def __init__(self, base: Sampler | None) -> None:
        self.base: Sampler = Uniform() if base is None else base

    @property
    def needs(self) -> tuple[Need, ...]:
        """What the base needs."""
        return self.base.needs

    @property
    def adaptive(self) -> bool:
        """As the base."""
        return self.base.adaptive

    def observe(self, points: Points, queries: Queries, error_BQ: Tensor) -> None:
        """Hands the feedback to the base."""
        self.base.observe(points, queries, error_BQ)

    def refresh_due(self, progress: Progress) -> bool:
        """As the base."""
        return self.base.refresh_due(progress)

    def refresh(self, probe: Probe, progress: Progress) -> None:
        """Refreshes the base."""
        self.base.refresh(probe, progress)

    def state_dict(self) -> dict[str, Any]:
        """The base's state."""
        return self.base.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores the base's state."""
        self.base.load_state_dict(state)
