"""Query points that keep their distance: one blue-noise pattern, moved to another place for each sample."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from upt_core import LocalityOrder, Need, Points, Progress, Queries, Sampler

CANDIDATES = 32


class BlueNoise(Sampler):
    """A pattern of Q places, each far from all others, shifted at random for each row; a query point at each place.

    No two query points crowd, and there is no lattice that a wave of the field could fall in step with. The pattern is
    made once, on a torus; the shift makes each place uniform over the domain, so means need no weights. On a grid the
    pattern lies over its axes; scattered points are counted along their locality order, and the pattern has one axis.
    Places are rounded down to points, so a point may come twice where Q is not far below N.

    Making the pattern is O(Q²), once: a second at Q = 1024. Drawing is O(Q).

    Args:
        num_queries: query points of a sample; 64 to 1024.
        seed: of the pattern.

    Source: best of several candidates: D. P. Mitchell, SIGGRAPH 1991; random shifts: Cranley and Patterson, SIAM J.
    Numer. Anal. 13 (1976).
    """

    def __init__(self, num_queries: Annotated[int, Field(ge=1, le=4096)] = 256, seed: int = 0) -> None:
        self.num_queries = num_queries
        self.seed = seed

    @property
    def needs(self) -> tuple[Need, ...]:
        """Scattered points are counted along their locality order."""
        return (LocalityOrder(),)

    def count(self, num_points: int, progress: Progress) -> int:
        """Q, constant."""
        return self.num_queries

    def draw(self, points: Points, count: int, rng: torch.Generator, progress: Progress) -> Queries:
        """The pattern, moved and rounded to points."""
        shape = points.grid_shape or (points.num_points,)
        most = (
            1 << (count - 1).bit_length()
        )  # each place of the pattern knows those before it alone: a longer one serves
        pattern_QX = blue_noise(most, len(shape), self.seed)[:count].to(points.device)
        shift_BX = torch.rand(points.batch_size, len(shape), generator=rng, device=points.device, dtype=torch.float64)
        place_BQX = (pattern_QX + shift_BX.unsqueeze(1)) % 1
        index_BQ = torch.zeros(points.batch_size, count, dtype=torch.int64, device=points.device)
        for axis, size in enumerate(shape):
            length = size if points.length_B1 is None else points.length_B1  # rows that are padded are scattered
            index_BQ = index_BQ * size + (place_BQX[..., axis] * length).long()
        if points.grid_shape is None:
            index_BQ = points.locality_order_BN.gather(1, index_BQ)
        return Queries(index_BQ)


@lru_cache(maxsize=16)
def blue_noise(count: int, num_axes: int, seed: int) -> Tensor:
    """``count`` places in the unit torus, float64, (Q, X): each is the best of some, the one farthest from all before.

    Torus, so that a shifted pattern is as even at the border as inside.
    """
    rng = torch.Generator().manual_seed(seed)
    pattern_QX = torch.rand(count, num_axes, generator=rng, dtype=torch.float64)
    for done in range(1, count):
        tried_KX = torch.rand(CANDIDATES, num_axes, generator=rng, dtype=torch.float64)
        offset_KQX = (tried_KX.unsqueeze(1) - pattern_QX[:done]).abs()
        distance_KQ = torch.minimum(offset_KQX, 1 - offset_KQX).square().sum(-1)
        pattern_QX[done] = tried_KX[distance_KQ.amin(1).argmax()]
    return pattern_QX
