"""How much lower the variance of a mean is than with uniform points, at equally many query points, on real fields."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from upt_bench.fields import Field, fields
from upt_bench.probe import GivenValues
from upt_bench.results import Figure, Results
from upt_bench.setting import PROGRESS, Setting
from upt_core import Points, Sampler

DRAWS = 4000
"""The ratio of variances is then within 5 % (one standard deviation: 2.3 %)."""

ROWS = 100


def measure(setting: Setting, results: Results) -> None:
    """Variance gains on all fields, and the figures that have a goal."""
    rows: list[dict[str, Any]] = []
    for field in fields(setting):
        setting.say(f"variance of means: {field.name}")
        for count in field.counts:
            rows += [
                {"field": field.name, "num_points": field.points.num_points, "count": count, "rough": field.rough}
                | {"sampler": name, "gain": gain(setting, sampler, field, count)}
                for name, sampler in _samplers(setting, field).items()
            ]
    results.curves["field_variance"] = rows
    strata = [row for row in rows if row["sampler"] == "stratified"]
    _of_one(results, strata, "stratified_darcy", "Darcy 32 × 32, field", 256, 15)
    _of_one(results, strata, "stratified_flow", "CFD 32,392, field", 1024, 6)
    results.figures.append(_against_strata(rows))
    rough = min((row for row in strata if row["rough"]), key=lambda row: float(row["gain"]))
    results.figures.append(
        Figure(
            "stratified_rough",
            "stratified: variance of a mean, uniform over stratified, the worst of all rough fields",
            rough["gain"],
            1.0,
            "at least",
            "×",
            f"{rough['field']}, Q = {rough['count']}; a field is rough where only its small scales are left",
        )
    )


def gain(setting: Setting, sampler: Sampler, field: Field, count: int) -> float:
    """Variance of the mean of ``count`` uniform points (exact) over that of a sampler (from ``DRAWS`` draws)."""
    points = rows_of(field.points, ROWS)
    if sampler.adaptive:
        sampler.refresh(GivenValues(field.points, lambda: field.value_N.square().float().unsqueeze(0)), PROGRESS)
    means: list[Tensor] = []
    rng = setting.rng(count)
    for _ in range((DRAWS if not setting.quick else 400) // ROWS):
        queries = sampler.draw(points, count, rng, PROGRESS)
        assert queries.index_BQ is not None
        value_BQ = field.value_N[queries.index_BQ]
        means.append((value_BQ if queries.weight_BQ is None else value_BQ * queries.weight_BQ).mean(1))
    return float(uniform_variance(field.value_N.unsqueeze(-1), count) / torch.cat(means).var())


def uniform_variance(value_NC: Tensor, count: int) -> Tensor:
    """Variance of the mean of Q of N distinct points, all choices equally likely, summed over channels."""
    num_points = len(value_NC)
    return (1 - count / num_points) / count * value_NC.double().var(0).sum()


def rows_of(points: Points, batch: int) -> Points:
    """The points of one sample ``batch`` times: one draw then holds independent draws of it."""
    sample_id_B = None if points.sample_id_B is None else points.sample_id_B[:1].expand(batch)
    return points.repeat(batch, sample_id_B)


def _samplers(setting: Setting, field: Field) -> dict[str, Sampler]:
    """Importance gets the field's own size as its score: what it can gain at best. Sobol is for grids."""
    names = ("stratified", "importance") if field.points.grid_shape is None else ("stratified", "sobol", "importance")
    return {name: setting.sampler(name, coupling="independent") for name in names}


def _against_strata(rows: list[dict[str, Any]]) -> Figure:
    """The least ratio of the gains of sobol and of stratified."""
    gains = {(row["field"], row["count"], row["sampler"]): row["gain"] for row in rows}
    ratios = {key[:2]: value / gains[*key[:2], "stratified"] for key, value in gains.items() if key[2] == "sobol"}
    field, count = min(ratios, key=lambda key: ratios[key])
    best = max(ratios, key=lambda key: ratios[key])
    return Figure(
        "sobol_worst",
        "sobol: variance of a mean, stratified over sobol, the worst of all fields on grids",
        ratios[field, count],
        0.95,
        "at least",
        "×",
        f"{field}, Q = {count}; the best, {best[0]}, Q = {best[1]}: {ratios[best]:.3g} ×",
    )


def _of_one(results: Results, rows: list[dict[str, Any]], key: str, field: str, count: int, goal: float) -> None:
    results.figures += [
        Figure(
            key,
            f"stratified: variance of a mean, uniform over stratified, {field}, Q = {count}",
            row["gain"],
            goal,
            "at least",
            "×",
        )
        for row in rows
        if (row["field"], row["count"]) == (field, count)
    ]
