"""Query points from the Halton sequence."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from upt_core import LocalityOrder, Need, Points, Progress, Queries, Sampler

PRIMES = (2, 3, 5, 7)


class Halton(Sampler):
    """The first Q places of the Halton sequence, shifted at random for each row; a query point at each.

    Places cover the domain more evenly than independent ones. Each place is, by its shift, uniform over the domain,
    so means need no weights. On a grid there is a base for each axis (2, 3, 5); scattered points are counted along
    their locality order, with base 2. A point may come twice where Q is not far below N.

    Args:
        num_queries: query points of a sample; 256 to 4096.

    Source: J. H. Halton, Numer. Math. 2 (1960); random shifts: Cranley and Patterson, SIAM J. Numer. Anal. 13 (1976).
    """

    def __init__(self, num_queries: Annotated[int, Field(ge=1)] = 1024) -> None:
        self.num_queries = num_queries

    @property
    def needs(self) -> tuple[Need, ...]:
        """Scattered points are counted along their locality order."""
        return (LocalityOrder(),)

    def count(self, num_points: int, progress: Progress) -> int:
        """Q, constant."""
        return self.num_queries

    def draw(self, points: Points, count: int, rng: torch.Generator, progress: Progress) -> Queries:
        """O(Q log Q), whatever the number of points."""
        shape = points.grid_shape or (points.num_points,)
        shift_BX = torch.rand(points.batch_size, len(shape), generator=rng, device=points.device, dtype=torch.float64)
        index_BQ = torch.zeros(points.batch_size, count, dtype=torch.int64, device=points.device)
        for axis, size in enumerate(shape):
            place_BQ = (radical_inverse(count, PRIMES[axis], points.device) + shift_BX[:, axis : axis + 1]) % 1
            length = size if points.length_B1 is None else points.length_B1  # rows that are padded are scattered
            index_BQ = index_BQ * size + (place_BQ * length).long()
        if points.grid_shape is None:
            index_BQ = points.locality_order_BN.gather(1, index_BQ)
        return Queries(index_BQ)


def radical_inverse(count: int, base: int, device: torch.device) -> Tensor:
    """The numbers 0 … count - 1 with their digits mirrored at the point: ``count`` values in [0, 1), float64."""
    number = torch.arange(count, device=device)
    value = torch.zeros(count, dtype=torch.float64, device=device)
    scale = 1.0
    while scale * count > 1:
        scale /= base
        value += scale * (number % base)
        number = number // base
    return value
