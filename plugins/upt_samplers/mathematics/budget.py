"""Budgets: samplers that decide how many query points, and leave it to another sampler which."""

from __future__ import annotations

from abc import abstractmethod
from typing import final

import torch

from upt_core import Points, Progress, Queries, Sampler
from upt_samplers.mathematics.wrapper import Wrapper

EXACT_BELOW = 8
"""Counts below this many multiples stay exact: rounding them would change the ratio by more than 1/16."""


def queries_of_ratio(ratio: float, num_points: int, multiple: int) -> int:
    """Q of a ratio of N points.

    Q0 = max(1, int(ratio · N)), where a product within 4 ulp below a whole number counts as that number
    (int(0.29 · 100) is 28 in floating point; here it is 29). If Q0 ≥ 8 · multiple, Q is the multiple nearest to Q0,
    so that few different Q occur; smaller Q0 stay as they are. Never more than N; ratio 1 is N.
    """
    if ratio >= 1:
        return num_points
    count = max(1, int(ratio * num_points * (1 + 2**-50)))
    if count >= EXACT_BELOW * multiple:
        count = (count + multiple // 2) // multiple * multiple
    return min(count, num_points)


class Budget(Wrapper):
    """Asks a base sampler for a share of the points that may change over the run. Feedback and state are the base's.

    Args:
        base: chooses the points; its own number of query points is not used. None: ``uniform``.
        multiple: Q is rounded to a multiple of this where it is at least 8 multiples; 1 switches rounding off.
    """

    def __init__(self, base: Sampler | None, multiple: int) -> None:
        super().__init__(base)
        self.multiple = multiple

    @abstractmethod
    def ratio_at(self, progress: Progress) -> float:
        """The share of the points to look at, 0 < share ≤ 1."""

    @final
    def count(self, num_points: int, progress: Progress) -> int:
        """Q = ``queries_of_ratio`` of the present ratio; padded points count as points."""
        return queries_of_ratio(self.ratio_at(progress), num_points, self.multiple)

    def draw(self, points: Points, count: int, rng: torch.Generator, progress: Progress) -> Queries:
        """The base's draw."""
        return self.base.draw(points, count, rng, progress)
