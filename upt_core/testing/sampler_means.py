"""Checks by statistics: whether the weighted means of adversarial fields, and of single points, are unbiased.

Each call of ``draw`` is one independent trial. Rows of a batch may depend on each other: they are judged one by one,
and by their mean, which has a lower variance where they do not. All limits hold for any number of trials and any
distribution; together they refuse a right sampler with probability at most ``false_alarm``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from upt_core.kinds import Sampler
from upt_core.seeding import stream_seed
from upt_core.testing.declared import Declared
from upt_core.testing.failure import require
from upt_core.testing.fields import adversarial_fields
from upt_core.testing.limits import log_evidence
from upt_core.testing.point_sets import PointSet, trained
from upt_core.testing.sampler_draws import draw, point_sets

ROWS = 48
"""Rows of a batch. More of them find smaller faults, but a draw takes longer."""
FEW_ROWS = 16
"""Rows where the level ``thorough`` draws ten times as often."""
_MOST = 690.0

CASES = {
    "fast": (
        (PointSet((7,), batch=ROWS), 3),
        (PointSet((9, 7), batch=ROWS), 24),
        (PointSet((3, 4, 5), batch=ROWS), 31),
        (PointSet((23,), batch=ROWS, scattered=True), 9),
        (PointSet((11,), lengths=(11, 7) * ROWS + (3, 3)), 4),
        (PointSet((11,), lengths=(7,)), 4),
    ),
    "thorough": (
        (PointSet((1, 13), batch=FEW_ROWS), 4),
        (PointSet((17, 16), batch=FEW_ROWS), 100),
        (PointSet((32, 32), batch=FEW_ROWS), 256),
        (PointSet((97,), batch=FEW_ROWS, scattered=True), 48),
    ),
}


@dataclass(frozen=True)
class Trials:
    """Draws of rows with n real points each: R trials of K rows, of Q query points with their weights."""

    index_RKQ: Tensor
    weight_RKQ: Tensor
    rows: tuple[int, ...]
    length: int
    where: str

    def estimates(self, field_N: Tensor) -> Tensor:
        """The weighted mean of a field in each row of each trial, (R, K)."""
        return (field_N[self.index_RKQ.clamp_max(self.length - 1)] * self.weight_RKQ).mean(-1)

    def shares(self) -> Tensor:
        """The weighted mean of each single point's indicator, (R, K, n)."""
        trials, rows, count = self.index_RKQ.shape
        empty = torch.zeros(trials, rows, self.length, dtype=torch.float64)
        return empty.scatter_add_(2, self.index_RKQ.clamp_max(self.length - 1), self.weight_RKQ / count)


def check_means(sampler: Sampler, declared: Declared) -> None:
    """The means of fields and of single points, in each row and over all rows of one length."""
    cases = CASES["fast"] if declared.level == "fast" else CASES["fast"] + CASES["thorough"]
    allowed = point_sets(tuple(point_set for point_set, _ in cases), declared)
    cases = tuple(case for case in cases if case[0] in allowed)
    for point_set, count in cases:
        alarm = declared.false_alarm / len(cases)
        groups = list(_trials(sampler, point_set, count, declared))
        for trials in groups:
            fields = adversarial_fields(point_set.coordinates(trials.rows[0]))
            check_trials(trials, fields, declared.distinct, alarm / len(groups))


def _trials(sampler: Sampler, point_set: PointSet, count: int, declared: Declared) -> Iterator[Trials]:
    """The draws, those of rows with equally many points together."""
    points = point_set.points(declared.device)
    own = trained(sampler, points, declared.progress)
    indices, weights = [], []
    for trial in range(declared.calls):
        now = replace(declared, progress=replace(declared.progress, step=trial))
        queries = draw(own, points, count, stream_seed(0, "upt_core.testing", trial), now, point_set)
        assert queries.index_BQ is not None
        indices.append(queries.index_BQ)
        weights.append(torch.ones_like(queries.index_BQ) if queries.weight_BQ is None else queries.weight_BQ)
    index_RBQ, weight_RBQ = torch.stack(indices).cpu(), torch.stack(weights).cpu().double()
    lengths = [point_set.length(row) for row in range(index_RBQ.shape[1])]
    for length in dict.fromkeys(lengths):
        rows = tuple(row for row, other in enumerate(lengths) if other == length)
        where = f"{count} of {point_set}"
        yield Trials(index_RBQ[:, rows], weight_RBQ[:, rows], rows, length, where)


def check_trials(trials: Trials, fields: dict[str, Tensor], distinct: bool, alarm: float) -> None:
    """Half of the false alarms are spent on the means over rows, the other half on single rows."""
    largest, count = float(trials.weight_RKQ.max()), trials.index_RKQ.shape[-1]
    hypotheses = 2 * (trials.length + len(fields))
    for check, found in (("unbiased mean", _fields(trials, fields)), ("inclusion", _points(trials))):
        names, estimate_RKM, mean_M, top_M, total_M = found
        if distinct:  # then a field that is not 0 at few points cannot be far above 0
            top_M = torch.minimum(top_M, total_M / count)
        high_M = torch.maximum(top_M * largest, mean_M)
        whole = log_evidence(estimate_RKM.mean(1), mean_M, high_M)
        _require(trials, check, names, estimate_RKM.mean(1), mean_M, whole, alarm / hypotheses, "all rows")
        for k, row in enumerate(trials.rows):
            alone = log_evidence(estimate_RKM[:, k], mean_M, high_M)
            limit = alarm / (hypotheses * len(trials.rows))
            _require(trials, check, names, estimate_RKM[:, k], mean_M, alone, limit, f"row {row}")


_Means = tuple[list[str], Tensor, Tensor, Tensor, Tensor]
"""Names, estimates (R, K, M), true means, largest values and sums over all points of M fields."""


def _points(trials: Trials) -> _Means:
    ones = torch.ones(trials.length, dtype=torch.float64)
    return [f"point {n}" for n in range(trials.length)], trials.shares(), ones / trials.length, ones, ones


def _fields(trials: Trials, fields: dict[str, Tensor]) -> _Means:
    value_MN = torch.stack(list(fields.values()))
    estimate_RKM = torch.stack([trials.estimates(value_N) for value_N in value_MN], dim=-1)
    names = [f"the field '{name}'" for name in fields]
    return names, estimate_RKM, value_MN.mean(1), value_MN.amax(1), value_MN.sum(1)


def _require(
    trials: Trials,
    check: str,
    names: list[str],
    value_RM: Tensor,
    mean_M: Tensor,
    log_M: Tensor,
    alarm: float,
    who: str,
) -> None:
    worst = int(log_M.argmax())
    seen, mean = float(value_RM[:, worst].mean()), float(mean_M[worst])
    require(
        float(log_M[worst]) < -math.log(alarm),
        check,
        f"{names[worst]} is off by the factor {seen / mean:.3f}: its weighted mean is {seen:.4f} over "
        f"{len(value_RM)} draws of {trials.where}, {who}",
        f"{mean:.4f}, its mean over all points; the probability of so large a difference by chance is below "
        f"{math.exp(-min(_MOST, float(log_M[worst]))):.1g}",
        "correct the selection, or weight each query point by Q / (N π), with π its probability to be drawn",
    )
