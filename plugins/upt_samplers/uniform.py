"""Uniform sampling: Q distinct points at random, the plain choice."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field

from upt_core import Points, Progress, Queries, Sampler
from upt_samplers.mathematics.distinct import distinct_points, distinct_points_padded
from upt_samplers.mathematics.padding import complete


class Uniform(Sampler):
    """Distinct points, every choice of Q points equally likely; each row of the batch has its own.

    All weights are 1. Time and memory are O(Q) for any number of points up to 2^40. ``stratified`` costs about the same
    and has a lower variance if neighbouring points have similar losses.

    Args:
        num_queries: query points per sample; 256 to 4096 are usual. If this reaches the number of points, all are used.
    """

    def __init__(self, num_queries: Annotated[int, Field(ge=1)] = 2048) -> None:
        self.num_queries = num_queries

    def count(self, num_points: int, progress: Progress) -> int:
        """Q, constant."""
        return self.num_queries

    def draw(self, points: Points, count: int, rng: torch.Generator, progress: Progress) -> Queries:
        """Q distinct points of each row; see ``distinct`` for the algorithm and its proof."""
        if points.lengths is None or points.length_B1 is None:
            return Queries(distinct_points(points.num_points, count, points.batch_size, rng))
        return Queries(*complete(points, distinct_points_padded(points.lengths, points.length_B1, count, rng)))
