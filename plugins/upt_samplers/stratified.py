"""Stratified sampling: query points spread evenly over the domain, one in each of Q compact pieces."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field

from upt_core import LocalityOrder, Need, Points, Progress, Queries, Sampler
from upt_samplers.mathematics.curve import points_at
from upt_samplers.mathematics.integers import Coupling
from upt_samplers.mathematics.padding import complete
from upt_samplers.mathematics.strata import strata_positions


class Stratified(Sampler):
    """Distinct points, one in each of Q pieces of a curve through all points; inclusion probability exactly Q/N.

    All weights are 1. The curve is in closed form on grids of any shape (O(Q), no array over the grid above 2^20
    points) and the data set's cached locality order at scattered points. The smoother the loss in space, the lower the
    variance compared with ``uniform``; for rough fields both are equal.

    Args:
        num_queries: query points per sample; 256 to 4096 are usual. If this reaches the number of points, all are used.
        coupling: latin = the samples of a batch cover each piece together (their points differ); independent = each
            sample has a separate draw.
    """

    def __init__(self, num_queries: Annotated[int, Field(ge=1)] = 2048, coupling: Coupling = "latin") -> None:
        self.num_queries = num_queries
        self.coupling: Coupling = coupling

    @property
    def needs(self) -> tuple[Need, ...]:
        """Scattered points are visited along their locality order."""
        return (LocalityOrder(),)

    def count(self, num_points: int, progress: Progress) -> int:
        """Q, constant."""
        return self.num_queries

    def draw(self, points: Points, count: int, rng: torch.Generator, progress: Progress) -> Queries:
        """Q distinct points of each row; see ``strata`` for the algorithm and its proof."""
        num_points = points.num_points if points.length_B1 is None else points.length_B1
        position_BQ = strata_positions(num_points, count, points.batch_size, rng, self.coupling)
        position_BQ, weight_BQ = complete(points, position_BQ)
        return Queries(points_at(points, position_BQ, count), weight_BQ)
