"""A mixture of samplers: each draws its share of the query points."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, final

import torch
from pydantic import Field
from torch import Tensor

from upt_core import Need, Points, Probe, Progress, Queries, Sampler


@dataclass(frozen=True, eq=False)
class MixedQueries(Queries):
    """Queries that know which sampler drew which of them: one part for each sampler, None where it drew none."""

    parts: tuple[Queries | None, ...] = ()


@final
class Mixture(Sampler):
    """Draws Q_c points from sampler c, Σ Q_c = Q, and keeps the weights that the samplers gave.

    Unbiased: the weighted mean over all Q slots is Σ_c (Q_c / Q) m_c, m_c the weighted mean over the Q_c points of
    sampler c; each m_c is unbiased and the factors add up to 1. Its variance is Σ_c (Q_c / Q)² Var(m_c). If variances
    fall as 1/Q or faster, a mixture is not better than its best part with all Q points; use it if you do not know which
    part is best. (The balance heuristic would need each sampler's probability of the others' points, which samplers do
    not provide. For a score with a uniform share use ``importance`` with its ``floor``.) A point may come twice, from
    two samplers.

    Args:
        samplers: the samplers; their own num_queries are not used.
        shares: their shares, scaled to add up to 1; default: equal. Q_c is share · Q; remainders go to the largest.
        num_queries: query points per sample; 256 to 4096 are usual. If this reaches the number of points, all are used.
    """

    def __init__(
        self,
        samplers: Annotated[list[Sampler], Field(min_length=1)],
        shares: list[Annotated[float, Field(ge=0)]] | None = None,
        num_queries: Annotated[int, Field(ge=1)] = 2048,
    ) -> None:
        shares = [1.0] * len(samplers) if shares is None else shares
        if len(shares) != len(samplers):
            raise ValueError(f"a mixture of {len(samplers)} samplers needs as many shares; got {len(shares)} shares")
        if any(not (share >= 0 and math.isfinite(share)) for share in shares) or sum(shares) <= 0:
            raise ValueError(f"shares must be ≥ 0 and not all 0; got {shares}")
        self.samplers = list(samplers)
        self.shares = [share / sum(shares) for share in shares]
        self.num_queries = num_queries

    @property
    def needs(self) -> tuple[Need, ...]:
        """What the samplers need, each once."""
        return tuple(dict.fromkeys(need for sampler in self.samplers for need in sampler.needs))

    @property
    def adaptive(self) -> bool:
        """Whether one of the samplers is."""
        return any(sampler.adaptive for sampler in self.samplers)

    def count(self, num_points: int, progress: Progress) -> int:
        """Q, constant."""
        return self.num_queries

    def draw(self, points: Points, count: int, rng: torch.Generator, progress: Progress) -> Queries:
        """The samplers' draws, side by side."""
        parts = tuple(
            sampler.draw(points, number, rng, progress) if number else None
            for sampler, number in zip(self.samplers, apportion(count, self.shares), strict=True)
        )
        drawn = [part for part in parts if part is not None]
        if not all(part.on_points for part in drawn):
            raise ValueError("a mixture cannot hold a sampler that moves its points; put jittered around the mixture")
        weight_BQ = None
        if any(part.weight_BQ is not None for part in drawn):
            weight_BQ = torch.cat([_weight(part) for part in drawn], dim=1)
        return MixedQueries(torch.cat([_index(part) for part in drawn], dim=1), weight_BQ, parts)

    def observe(self, points: Points, queries: Queries, error_BQ: Tensor) -> None:
        """Hands each adaptive sampler the feedback on its own points, or on all points where all were used."""
        if not isinstance(queries, MixedQueries):
            for sampler in self.samplers:
                sampler.observe(points, queries, error_BQ)
            return
        start = 0
        for sampler, part in zip(self.samplers, queries.parts, strict=True):
            if part is not None:
                stop = start + _index(part).shape[1]
                sampler.observe(points, part, error_BQ[:, start:stop])
                start = stop

    def refresh_due(self, progress: Progress) -> bool:
        """Whether one of the samplers wants it."""
        return any(sampler.refresh_due(progress) for sampler in self.samplers)

    def refresh(self, probe: Probe, progress: Progress) -> None:
        """Refreshes the samplers that want it; all that are adaptive if none does."""
        due = [sampler for sampler in self.samplers if sampler.refresh_due(progress)]
        for sampler in due or self.samplers:
            sampler.refresh(probe, progress)

    def state_dict(self) -> dict[str, Any]:
        """The samplers' states by their places, those that have one."""
        states = {str(place): sampler.state_dict() for place, sampler in enumerate(self.samplers)}
        return {place: state for place, state in states.items() if state}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores the samplers' states.

        Raises:
            ValueError: the state is of a mixture of other samplers.
        """
        unknown = set(state) - {str(place) for place in range(len(self.samplers))}
        if unknown:
            raise ValueError(
                f"the saved mixture has samplers at places {', '.join(sorted(unknown))}, this one has "
                f"{len(self.samplers)}; build it as it was saved"
            )
        for place, sampler in enumerate(self.samplers):
            sampler.load_state_dict(state.get(str(place), {}))


def apportion(count: int, shares: Sequence[float]) -> list[int]:
    """Whole numbers that add up to ``count``, in proportion to shares that add up to 1 (largest remainders)."""
    exact = [share * count for share in shares]
    numbers = [math.floor(value + 1e-9) for value in exact]
    by_remainder = sorted(range(len(shares)), key=lambda place: numbers[place] - exact[place])
    for place in by_remainder[: count - sum(numbers)]:
        numbers[place] += 1
    return numbers


def _index(part: Queries) -> Tensor:
    assert part.index_BQ is not None
    return part.index_BQ


def _weight(part: Queries) -> Tensor:
    return torch.ones(_index(part).shape, device=_index(part).device) if part.weight_BQ is None else part.weight_BQ
