"""Low-discrepancy sampling of grids: query points spread more evenly than one in each of Q pieces."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field

from upt_core import LocalityOrder, Need, Points, Progress, Queries, Sampler
from upt_samplers.mathematics.digital_net import BITS, MAX_AXES, scrambled_net
from upt_samplers.mathematics.integers import Coupling
from upt_samplers.mathematics.snake import ravel
from upt_samplers.stratified import Stratified


class Sobol(Sampler):
    """The first Q points of a Sobol sequence on a grid of 2 or 3 axes, each row scrambled separately; else stratified.

    All weights are 1, and each grid point is drawn Q/N times on average. If Q is a power of two, the points are spread
    evenly over all blocks of a size at once, wide, tall and square; the smoother the loss, the lower the variance
    compared with ``stratified``. If a side of the grid is not a power of two, some points repeat, which raises the
    variance from a quarter of all points on. Time is O(Q) for any N, about that of ``stratified``.

    Other points (scattered, padded, grids of 1 axis or more than 3) are drawn as by ``stratified``. On 1 axis it has
    the same variance at Q = 2^m, a lower variance at other Q, and no repeated points.

    Args:
        num_queries: query points per sample; best a power of two, 256 to 4096 are usual. If this reaches the number of
            points, all are used.
        coupling: latin = the samples of a batch take their points from one sequence and fill each other's gaps;
            independent = each sample has a separate draw.
    """

    def __init__(self, num_queries: Annotated[int, Field(ge=1)] = 2048, coupling: Coupling = "latin") -> None:
        self.elsewhere = Stratified(num_queries, coupling)
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
        """Q points of each row; see ``digital_net`` for the algorithm.

        Coordinate x of the scrambled point, uniform over the multiples of 2^-53, becomes place floor(n x) of an axis of
        n: all places are equally likely, but for n / 2^52 of their probability where n is no power of two. Where all
        sides are powers of two grid points are elementary intervals of volume 1/N: on 2 axes all Q ≤ N points are
        distinct; on 3 axes Q ≤ N/2 are, by the rank of the generator matrices, which was computed up to N = 2^30.
        """
        shape = tuple(length for length in points.grid_shape or () if length > 1)
        if points.lengths is not None or not 2 <= len(shape) <= MAX_AXES:
            return self.elsewhere.draw(points, count, rng, progress)
        net_BXQ = scrambled_net(len(shape), count, points.batch_size, rng, self.coupling).double() * 2.0**-BITS
        places = [(net_BQ * length).long() for net_BQ, length in zip(net_BXQ.unbind(1), shape, strict=True)]
        return Queries(ravel(places, shape))
