"""Checks that a loss term looks at query points without bias, exactly: over all draws of a small sampler."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from upt_core.batch import Batch
from upt_core.kinds import Sampler
from upt_core.points import Points, Queries
from upt_core.progress import Progress
from upt_core.step import LossTerm
from upt_core.testing.failure import require
from upt_core.testing.loss_trial import step_of, value_of
from upt_core.testing.made_up_data import Case
from upt_core.testing.made_up_models import small_model

_GROUPS = 4


@torch.no_grad()
def check_unbiased(term: LossTerm, case: Case, batch: Batch) -> None:
    """The average over all draws is the value at all points, and the term reports its pointwise values."""
    require(
        term.pointwise,
        "declared",
        "unbiased=True of a term with pointwise = False",
        "a term that takes a sampler",
        "leave unbiased out",
    )
    if case.lengths is not None:
        return  # the same formula; rows of different number have no partition in equal parts
    seen: list[tuple[int, ...]] = []
    model, total = small_model(case.data), 0.0
    for group in range(_GROUPS):
        view = step_of(model, batch, case).using(_Partition(group), observer=_remember(seen))
        total += value_of(term, view, case).item() / _GROUPS
    dense = value_of(term, step_of(model, batch, case), case).item()
    require(
        abs(total - dense) <= 1e-4 * abs(dense) + 1e-6,
        "unbiased",
        f"{total:.6g} on average over all draws of a sampler with weights, {dense:.6g} at all points, on {case}",
        "equal values: the weighted mean over query points estimates the mean over all",
        "take one mean over points, with step.mean; a square or root of that mean is biased; for these, set pointwise "
        "= False and use step.all_queries()",
    )
    require(
        bool(seen),
        "reports",
        f"nothing was reported to the sampler on {case}",
        "the pointwise value (B, Q), from which adaptive samplers learn",
        "end with step.mean(value_BQ), which reports it",
    )


def _remember(seen: list[tuple[int, ...]]) -> Callable[[Points, Queries, Tensor], None]:
    def observe(points: Points, queries: Queries, value_BQ: Tensor) -> None:
        seen.append(tuple(value_BQ.shape))

    return observe


class _Partition(Sampler):
    """Point 0 and one of ``_GROUPS`` parts of the others; each point weighs the inverse of its share of draws."""

    def __init__(self, group: int) -> None:
        self.group = group

    def count(self, num_points: int, progress: Progress) -> int:
        """Point 0 and the part; parts that are a point short repeat it with weight 0."""
        return 1 + -(-(num_points - 1) // _GROUPS)

    def draw(self, points: Points, count: int, rng: torch.Generator, progress: Progress) -> Queries:
        """The draw of this part."""
        part = torch.arange(1 + self.group, points.num_points, _GROUPS)
        index = torch.zeros(count, dtype=torch.int64)
        weight = torch.zeros(count)
        index[1 : 1 + len(part)] = part
        weight[0] = count / points.num_points
        weight[1 : 1 + len(part)] = count * _GROUPS / points.num_points
        return Queries(index.expand(points.batch_size, -1), weight.expand(points.batch_size, -1))
