"""Checks, without a clock, that a draw does not grow with the number of points and does not wait for the device."""

from __future__ import annotations

from upt_core.kinds import Sampler
from upt_core.testing.declared import Declared
from upt_core.testing.failure import require
from upt_core.testing.point_sets import PointSet, made_up_errors, trained
from upt_core.testing.sampler_draws import draw, point_sets
from upt_core.testing.spy import Spy, watch

LARGE = (
    PointSet((2**20,)),
    PointSet((2048, 1024)),
    PointSet((128, 128, 128)),
    PointSet((2**19,), scattered=True),
)
PADDED = PointSet((3000,), lengths=(3000, 1700, 90))
COUNT = 1024
ELEMENTS = 64
"""Elements of the largest tensor, for each query point, that count as a cost of Q alone."""


def check_cost(sampler: Sampler, declared: Declared) -> None:
    """No tensor of a draw grows with N (but by the declared growth), and nothing waits for values on the device."""
    for point_set in point_sets((*LARGE, PADDED), declared):
        points = point_set.large(declared.device)
        own = trained(sampler, points, declared.progress)
        queries = draw(own, points, COUNT, 5, declared, point_set)  # a first draw may fill caches
        spy = watch(lambda: draw(own, points, COUNT, 6, declared, point_set))  # noqa: B023 (called at once)
        _check_waits(spy, "draw", point_set)
        if point_set is not PADDED:
            _check_growth(spy, point_set, declared)
        errors = made_up_errors(points, 3)[:, :COUNT]
        _check_waits(watch(lambda: own.observe(points, queries, errors)), "observe", point_set)  # noqa: B023


def _check_waits(spy: Spy, method: str, point_set: PointSet) -> None:
    require(
        not spy.waits,
        "no waiting",
        f"{method}() on {point_set} reads values on the device: {', '.join(sorted(set(spy.waits)))}",
        "tensors of known shape only, no .item(), no boolean masks as an index, no nonzero or unique",
        "compute with torch.where, gather and scatter on fixed shapes; for draws with given probabilities use "
        "cumsum and searchsorted; index a tensor with sample_id_B instead of a dict",
    )


def _check_growth(spy: Spy, point_set: PointSet, declared: Declared) -> None:
    limit = point_set.batch * (ELEMENTS * COUNT + declared.growth * point_set.num_points)
    require(
        spy.largest <= limit,
        "cost",
        f"a draw of {COUNT} of {point_set} makes a tensor of {spy.largest} elements",
        f"at most {int(limit)}: {ELEMENTS} for each query point and {declared.growth:g} for each point",
        "do not permute, score or mask all points in a draw; declare growth=… if the method needs this",
    )
