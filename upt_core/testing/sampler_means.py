"""Checks by statistics: how often each point is drawn, and whether weighted means of adversarial fields are unbiased.

Each call of ``draw`` is one independent trial; rows of a batch are judged by themselves, so they may depend on each
other. All limits hold for any number of trials, no normal approximation; together they refuse a correct sampler with
probability at most ``false_alarm``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from upt_core.kinds import Sampler
from upt_core.seeding import stream_seed
from upt_core.testing.declared import Declared
from upt_core.testing.failure import require
from upt_core.testing.fields import adversarial_fields
from upt_core.testing.limits import frequency_alarm, mean_limit
from upt_core.testing.point_sets import PointSet, trained
from upt_core.testing.sampler_draws import draw, point_sets

CASES = {
    "fast": (
        (PointSet((7,)), 3),
        (PointSet((9, 7)), 20),
        (PointSet((3, 4, 5)), 31),
        (PointSet((23,), scattered=True), 9),
        (PointSet((11,), lengths=(11, 7, 3)), 5),
    ),
    "thorough": (
        (PointSet((1, 13)), 4),
        (PointSet((17, 16)), 100),
        (PointSet((32, 32), batch=1), 500),
        (PointSet((97,), scattered=True), 48),
    ),
}
_SAME_WEIGHT = 1e-4


@dataclass(frozen=True)
class Trials:
    """The draws of one row: ``index_RQ`` and ``weight_RQ``, R trials of Q query points among n real points."""

    index_RQ: Tensor
    weight_RQ: Tensor
    length: int
    where: str


def check_means(sampler: Sampler, declared: Declared) -> None:
    """Inclusion frequencies where a point is drawn at most once, and the means of fields."""
    cases = CASES["fast"] if declared.level == "fast" else CASES["fast"] + CASES["thorough"]
    allowed = point_sets(tuple(point_set for point_set, _ in cases), declared)
    cases = tuple(case for case in cases if case[0] in allowed)
    num_limits = sum(_num_limits(point_set) for point_set, _ in cases)
    alarm = declared.false_alarm / num_limits
    for point_set, count in cases:
        for row, trials in enumerate(_trials(sampler, point_set, count, declared)):
            if declared.distinct:
                _check_frequencies(trials, alarm)
            _check_fields(trials, adversarial_fields(point_set.coordinates(row)), declared, alarm)


def _num_limits(point_set: PointSet) -> int:
    rows = point_set.batch if point_set.lengths is None else len(point_set.lengths)
    fields = len(adversarial_fields(point_set.coordinates(0)))
    return rows * (fields + point_set.num_points)


def _trials(sampler: Sampler, point_set: PointSet, count: int, declared: Declared) -> list[Trials]:
    """The draws of each row."""
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
    return [
        Trials(index_RBQ[:, row], weight_RBQ[:, row], point_set.length(row), f"{count} of {point_set}, row {row}")
        for row in range(index_RBQ.shape[1])
    ]


def _check_frequencies(trials: Trials, alarm: float) -> None:
    """Each point is drawn as often as its weight says: π = Q / (N w), if its weight is the same in every draw."""
    index, weight = trials.index_RQ.flatten(), trials.weight_RQ.flatten()
    used = weight > 0
    index, weight = index[used], weight[used]
    visits_N = torch.bincount(index, minlength=trials.length)
    ones_N = torch.ones(trials.length, dtype=torch.float64)
    high_N = (0 * ones_N).scatter_reduce(0, index, weight, "amax")
    low_N = (float("inf") * ones_N).scatter_reduce(0, index, weight, "amin")
    if bool((high_N - low_N > _SAME_WEIGHT * high_N).any()):
        return  # weights that vary from draw to draw declare no inclusion probability
    if float(weight.max() - weight.min()) <= _SAME_WEIGHT * float(weight.max()):
        high_N = weight.max() * ones_N  # then this is the weight of points never drawn, too
    num_trials, count = trials.index_RQ.shape
    frequency_N = visits_N / num_trials
    declared_N = torch.where(high_N > 0, count / (trials.length * high_N), 0.0)
    alarm_N = torch.where(high_N > 0, frequency_alarm(frequency_N, declared_N, num_trials), 1.0)
    worst = int(alarm_N.argmin())
    require(
        float(alarm_N[worst]) >= alarm,
        "inclusion",
        f"point {worst} came in {float(frequency_N[worst]):.4f} of {num_trials} draws of {trials.where}",
        f"{float(declared_N[worst]):.4f}, which its weight {float(high_N[worst]):.4g} declares (π = Q / (N · weight)); "
        f"this far off by chance: probability below {float(alarm_N[worst]):.1g}",
        "correct the selection, or return the weights Q / (N π) of the probabilities π it really has",
    )


def _check_fields(trials: Trials, fields: dict[str, Tensor], declared: Declared, alarm: float) -> None:
    """The weighted mean of each field over many draws is its mean over all points."""
    num_trials, count = trials.index_RQ.shape
    largest = float(trials.weight_RQ.max())
    for name, value_N in fields.items():
        value_RQ = value_N[trials.index_RQ.clamp_max(trials.length - 1)]
        estimate_R = (value_RQ * trials.weight_RQ).mean(1)
        spread = float(value_N.max())
        if declared.distinct:  # then a field that is not 0 at few points cannot be far above 0
            spread = min(spread, float(value_N.sum()) / count)
        limit = mean_limit(estimate_R.var(), torch.tensor(spread * largest), num_trials, alarm)
        mean, expected = float(estimate_R.mean()), float(value_N.mean())
        require(
            abs(mean - expected) <= float(limit),
            "unbiased mean",
            f"the weighted mean of the field '{name}' is {mean:.4f} over {num_trials} draws of {trials.where}",
            f"{expected:.4f} ± {float(limit):.4f}, its mean over all points",
            "weight each query point by Q / (N π), π its probability to be drawn",
        )
