"""Query points between the points of a grid: those of another sampler, some of them moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, final

import torch
from pydantic import Field
from torch import Tensor

from upt_core import Points, Progress, Queries, Sampler, lagrange_weights
from upt_samplers.mathematics.snake import unravel
from upt_samplers.mathematics.wrapper import Wrapper


@dataclass(frozen=True, eq=False)
class MovedQueries(Queries):
    """Queries between points: a value there is a weighted sum of those at the S^X points around.

    Args:
        drawn: the queries before they were moved.
        near_BQS: numbers of the points around.
        share_BQS: their weights, which add up to 1.
        turns_BQX: by how much the interpolated coordinates miss the place, where a periodic axis begins anew.
    """

    drawn: Queries | None = None
    near_BQS: Tensor | None = None
    share_BQS: Tensor | None = None
    turns_BQX: Tensor | None = None

    @property
    def on_points(self) -> bool:
        """False: they are between points."""
        return False

    def take(self, value_BNC: Tensor) -> Tensor:
        """Values (B, N, C), interpolated at the query points: (B, Q, C)."""
        assert self.near_BQS is not None
        assert self.share_BQS is not None
        near_BQSC = Queries(self.near_BQS.flatten(1)).take(value_BNC).view(*self.near_BQS.shape, -1)
        return torch.einsum("bqsc,bqs->bqc", near_BQSC, self.share_BQS.to(near_BQSC.dtype))

    def coords(self, points: Points) -> Tensor:
        """Coordinates of the query points; on a periodic axis they may lie a little outside of [0, 1]."""
        assert self.turns_BQX is not None
        return self.take(points.coords_BNX) + self.turns_BQX


@final
class Jittered(Wrapper):
    """Moves a share of a sampler's query points off the grid, each by up to half a grid step along every axis.

    The true fields there are interpolated by polynomials along each axis. A decoder that is trained only at grid points
    may be accurate there and wrong between them (with ``basis`` by a factor of 10 to 40). With moved points it is also
    trained between them.

    Points are moved at random, evenly to both sides, and those that would leave an open axis are reflected. So a loss
    at the moved points estimates its mean over the domain, not over the grid points. The truth is interpolated there.
    For smooth fields the error of this is of order ``stencil`` in the grid step; for rough fields (shocks, white noise)
    it is large, so do not use this sampler there. Only on a grid. If the base takes all points, one of them is left
    out, so that the others can be moved.

    Args:
        base: the sampler that chooses the points; default: uniform.
        share: share of the query points that are moved, 0 < share ≤ 1.
        reach: largest distance, in grid steps. 0.5 covers the whole domain evenly.
        stencil: number of points along each axis for the interpolation: 4 gives cubics. Between points the operator
            cannot be more accurate than the interpolation. Use 6 for waves of 10 to 15 points, for which cubics have an
            error of 0.0005 of the field; it is more expensive in three dimensions.
    """

    def __init__(
        self,
        base: Sampler | None = None,
        share: Annotated[float, Field(gt=0, le=1)] = 0.5,
        reach: Annotated[float, Field(gt=0, le=0.5)] = 0.5,
        stencil: Annotated[int, Field(ge=2, le=8, multiple_of=2)] = 4,
    ) -> None:
        super().__init__(base)
        self.share = share
        self.reach = reach
        self.stencil = stencil

    def count(self, num_points: int, progress: Progress) -> int:
        """That of the base, below the number of points."""
        return min(self.base.count(num_points, progress), max(num_points - 1, 1))

    def draw(self, points: Points, count: int, rng: torch.Generator, progress: Progress) -> Queries:
        """The base's points, moved.

        Raises:
            ValueError: the points are scattered.
        """
        if points.grid_shape is None:
            raise ValueError(
                "jittered interpolates fields on a regular grid, but these points are scattered; use its base alone"
            )
        drawn = self.base.draw(points, count, rng, progress)
        index_BQ = drawn.index_BQ
        assert index_BQ is not None
        moved_BQ = torch.rand(index_BQ.shape, generator=rng, device=rng.device) < self.share
        random_BQX = torch.rand((*index_BQ.shape, points.num_axes), generator=rng, device=rng.device)
        offset_BQX = (random_BQX - 0.5) * (2 * self.reach) * moved_BQ.unsqueeze(-1)
        near_BQS, share_BQS = torch.zeros_like(index_BQ).unsqueeze(-1), torch.ones_like(offset_BQX[..., :1])
        turns, wraps = [], points.periodic or (False,) * points.num_axes
        for axis, (place_BQ, length) in enumerate(
            zip(unravel(index_BQ, points.grid_shape), points.grid_shape, strict=True)
        ):
            own = _along(place_BQ + offset_BQX[..., axis], length, wraps[axis], min(self.stencil, length))
            near_BQS = (near_BQS.unsqueeze(-1) * length + own.near_BQS.unsqueeze(-2)).flatten(-2)
            share_BQS = (share_BQS.unsqueeze(-1) * own.share_BQS.unsqueeze(-2)).flatten(-2)
            turns.append(own.turns_BQ)
        return MovedQueries(index_BQ, drawn.weight_BQ, drawn, near_BQS, share_BQS, torch.stack(turns, dim=-1))

    def observe(self, points: Points, queries: Queries, error_BQ: Tensor) -> None:
        """Hands the feedback to the base, as if the points had not been moved."""
        drawn = queries.drawn if isinstance(queries, MovedQueries) else None
        self.base.observe(points, queries if drawn is None else drawn, error_BQ)


@dataclass(frozen=True, eq=False)
class _AlongAxis:
    """The stencil along one axis: numbers of points, their weights, and the whole turns that these make together."""

    near_BQS: Tensor
    share_BQS: Tensor
    turns_BQ: Tensor


def _along(place_BQ: Tensor, length: int, wraps: bool, size: int) -> _AlongAxis:
    if not wraps:
        place_BQ = place_BQ.abs()
        place_BQ = (length - 1) - (length - 1 - place_BQ).abs()
    start_BQ = place_BQ.floor() - (size - 1) // 2
    start_BQ = start_BQ if wraps else start_BQ.clamp(0, length - size)
    share_BQS = lagrange_weights(place_BQ - start_BQ, size)
    near_BQS = start_BQ.long().unsqueeze(-1) + torch.arange(size, device=place_BQ.device)
    turn_BQS = near_BQS.div(length, rounding_mode="floor")
    return _AlongAxis(near_BQS - turn_BQS * length, share_BQS, (share_BQS * turn_BQS).sum(dim=-1))
