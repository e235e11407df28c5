"""Checks of single draws: how many, which shape and type, in range, distinct, with sound weights."""

from __future__ import annotations

import torch
from torch import Tensor

from upt_core.kinds import Sampler
from upt_core.points import Points, Queries
from upt_core.progress import Progress
from upt_core.testing.declared import Declared
from upt_core.testing.failure import ConformanceError, raised_in, require
from upt_core.testing.point_sets import PointSet, trained

AWKWARD = (
    PointSet((2,)),
    PointSet((17,)),
    PointSet((1, 9)),
    PointSet((9, 1)),
    PointSet((8, 8), batch=3),
    PointSet((17, 16)),
    PointSet((1, 6, 1)),
    PointSet((5, 7, 11)),
    PointSet((64, 64)),
    PointSet((50,), scattered=True),
    PointSet((13,), lengths=(13, 9, 4, 1)),
    PointSet((13,), lengths=(5,)),
)
_SIZES = (1, 2, 3, 100, 4096, 32391, 2**27, 2**40)
_EPOCHS = (0, 1, 49, 99)


def point_sets(all_sets: tuple[PointSet, ...], declared: Declared) -> list[PointSet]:
    """Those that the sampler takes."""
    return [point_set for point_set in all_sets if point_set.kind in declared.takes]


def draw(
    sampler: Sampler, points: Points, count: int, seed: int, declared: Declared, what: object = "the points"
) -> Queries:
    """One draw, whose exceptions become failures of the check."""
    rng = torch.Generator(declared.device).manual_seed(seed)
    try:
        return sampler.draw(points, count, rng, declared.progress)
    except Exception as error:
        raise ConformanceError(
            "draw",
            f"{type(error).__name__} ({error}) at {count} of {what}{raised_in(error)}",
            "a draw for every 1 ≤ count < N, on grids, scattered points and padded rows",
            "handle this case; if the sampler takes only some kinds of points, pass takes=… to the check",
        ) from error


def check_count(sampler: Sampler, declared: Declared) -> None:
    """The count is a whole number ≥ 1, and all points are taken where it reaches their number."""
    for epoch in _EPOCHS:
        progress = Progress(epoch=epoch, num_epochs=100, step=100 * epoch, position=float(epoch))
        for num_points in _SIZES:
            count = sampler.count(num_points, progress)
            require(
                type(count) is int and count >= 1,
                "count",
                f"{count!r} query points of {num_points} in epoch {epoch}",
                "an int ≥ 1",
                "return max(1, int(…))",
            )
    points = PointSet((1,)).points(declared.device)
    queries = sampler.sample(points, torch.Generator(declared.device), declared.progress)
    require(
        queries.index_BQ is None,
        "count",
        f"an index of shape {_shape(queries.index_BQ)} for a single point",
        "all points, without an index, if the count reaches their number",
        "do not override sample()",
    )


def check_draws(sampler: Sampler, declared: Declared) -> None:
    """Every draw is (B, Q) int64 on the points' device, in range and distinct, with sound weights."""
    for point_set in point_sets(AWKWARD, declared):
        points = point_set.points(declared.device)
        own = trained(sampler, points, declared.progress)
        for count in sorted({1, point_set.num_points // 3, point_set.num_points // 2, point_set.num_points - 1} - {0}):
            where = f"{count} of {point_set}"
            queries = draw(own, points, count, 5, declared, point_set)
            _check_index(queries, points, count, where)
            _check_weight(queries, points, count, where)
            _check_range(queries, point_set, where)
            if declared.distinct:
                _check_distinct(queries, where)


def used_slots(queries: Queries) -> Tensor:
    """True where a slot holds a query point, False where it pads, (B, Q)."""
    assert queries.index_BQ is not None
    if queries.weight_BQ is None:
        return torch.ones_like(queries.index_BQ, dtype=torch.bool)
    return queries.weight_BQ > 0


def _check_index(queries: Queries, points: Points, count: int, where: str) -> None:
    index = queries.index_BQ
    good = index is not None and index.shape == (points.batch_size, count) and index.dtype == torch.int64
    require(
        good,
        "index",
        f"index of shape {_shape(index)} and type {None if index is None else index.dtype} at {where}",
        f"shape {(points.batch_size, count)}, type torch.int64",
        "return Queries(index_BQ, …) with one row for each row of the points",
    )
    assert index is not None
    require(
        index.device.type == points.device.type,
        "device",
        f"index on {index.device} for points on {points.device}",
        "the device of the points",
        "make every tensor with device=points.device",
    )


def _check_weight(queries: Queries, points: Points, count: int, where: str) -> None:
    weight = queries.weight_BQ
    if weight is None:
        return
    shape = (points.batch_size, count)
    good = weight.shape == shape and weight.dtype == torch.float32 and weight.device.type == points.device.type
    require(
        good,
        "weight",
        f"weight of shape {_shape(weight)}, type {weight.dtype}, on {weight.device} at {where}",
        f"shape {shape}, type torch.float32, on {points.device}, or None if all are 1",
        "return one float32 weight for each query point",
    )
    require(
        bool((weight.isfinite() & (weight >= 0)).all()),
        "weight",
        f"weights from {float(weight.min()):g} to {float(weight.max()):g} at {where}",
        "finite weights ≥ 0",
        "keep inclusion probabilities away from 0, for example by mixing with the uniform",
    )


def _check_range(queries: Queries, point_set: PointSet, where: str) -> None:
    assert queries.index_BQ is not None
    index, used = queries.index_BQ, used_slots(queries)
    for row, (index_Q, used_Q) in enumerate(zip(index, used, strict=True)):
        length = point_set.length(row)
        inside = bool(((index_Q >= 0) & (index_Q < point_set.num_points)).all())
        require(
            inside and bool((index_Q[used_Q] < length).all()),
            "range",
            f"numbers from {int(index_Q.min())} to {int(index_Q.max())} in row {row} at {where}",
            f"0 ≤ number < {length}, the real points of the row",
            "draw below points.length_B1 (the real points of each row) if it is not None",
        )


def _check_distinct(queries: Queries, where: str) -> None:
    assert queries.index_BQ is not None
    for row, (index_Q, used_Q) in enumerate(zip(queries.index_BQ, used_slots(queries), strict=True)):
        used = index_Q[used_Q]
        repeated = len(used) - len(used.unique())
        require(
            repeated == 0,
            "distinct",
            f"{repeated} of {len(used)} query points in row {row} are repeated at {where}",
            "no point twice in a row",
            "draw without replacement; if the sampler repeats points on purpose, pass distinct=False to the check",
        )


def _shape(value: Tensor | None) -> tuple[int, ...] | None:
    return None if value is None else tuple(value.shape)
