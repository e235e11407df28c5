"""Checks a sampler against the contract of ``upt_core.Sampler``; for its author's own tests."""

from __future__ import annotations

import torch

from upt_core.kinds import Sampler
from upt_core.progress import Progress
from upt_core.testing.declared import MIDDLE, Declared, Kind, Level
from upt_core.testing.failure import require_object
from upt_core.testing.sampler_cost import check_cost
from upt_core.testing.sampler_draws import check_count, check_draws
from upt_core.testing.sampler_means import check_means
from upt_core.testing.sampler_randomness import check_randomness, check_state


def check_sampler(
    sampler: Sampler,
    *,
    level: Level = "fast",
    distinct: bool = True,
    shared_rows: bool = False,
    growth: float = 0.0,
    takes: tuple[Kind, ...] = ("grid", "scattered", "padded"),
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
    false_alarm: float = 1e-6,
) -> None:
    """Raises unless a sampler keeps the contract, on grids of 1 to 3 axes, scattered points and padded rows.

    Checked are: the count; shape, type, range and distinctness of draws; weights; that the generator given to a draw
    is its only source of randomness and that a draw leaves no trace; the state's round trip through a file; that the
    cost of a draw does not grow with the points and that it does not wait for the device; how often each point is
    drawn; that the weighted mean of adversarial fields is unbiased. The sampler itself is not changed: each check
    works on a copy, and adaptive ones are refreshed and fed with made-up losses first.

    Args:
        sampler: the sampler, with any number of query points: draws are asked for other numbers as well.
        level: fast = 2,000 draws of each point set (seconds); thorough = 20,000, for changes of the algorithm.
        distinct: whether a draw never holds a point twice.
        shared_rows: whether all samples of a batch may get the same points. They had better not.
        growth: largest tensor of a draw for each point of a sample, in elements; 0 = the cost does not depend on the
            number of points at all. 0.05 for scores in blocks of 32 points; 2 where draws look at every point.
        takes: the kinds of points that the sampler takes; padded = scattered points, rows of different number.
        device: where to draw, for example "cuda".
        progress: when the draws take place; an adaptive sampler must use its scores then. Default: epoch 50 of 100.
        false_alarm: probability that a correct sampler is refused, all statistical checks together; it holds for any
            correct sampler whose weights do not exceed those that were seen.

    Raises:
        ConformanceError: the first check that fails, with what was seen, what was expected, and what to do.
    """
    require_object(sampler)
    declared = Declared(
        level, distinct, shared_rows, growth, takes, torch.device(device), progress or MIDDLE, false_alarm
    )
    for check in (check_count, check_draws, check_randomness, check_state, check_cost, check_means):
        check(sampler, declared)
