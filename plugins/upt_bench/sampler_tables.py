"""The tables of the pages on samplers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from upt_bench.results import Results
from upt_bench.table import curve, markdown, pivot

BUILT_IN = ("stratified", "sobol", "importance")
MOST = 10_000


def _speed(results: Results) -> str:
    rows = [
        row | {"N": f"2^{row['num_points'].bit_length() - 1}", "µs": 1e6 * row["seconds"]}
        for row in results.curves["speed"]
    ]
    return markdown(*pivot(rows, "method", ["N"], "µs"))


def _grid_gradient(results: Results) -> str:
    """The samplers that are built in."""
    rows = [row for row in results.curves["grid_gradient_variance"] if _name(row) in BUILT_IN]
    return markdown(*pivot(rows, "sampler", ["data", "decoder", "count"], "gain"))


def _alternatives(results: Results) -> str:
    """Sobol and strata beside what is not built in: means of fields first, then gradients."""
    fields = [row["field"] for row in results.curves["alternatives"]]
    rows = [row for row in results.curves["field_variance"] if row["field"] in fields]
    rows += results.curves["alternatives"]
    rows += [
        row | {"field": f"gradient, {row['data']}, {row['decoder']}"}
        for row in results.curves["grid_gradient_variance"]
    ]
    rows = [row | {"gain": _capped(row["gain"])} for row in rows if _name(row) != "importance"]
    return markdown(*pivot(rows, "sampler", ["field", "num_points", "count"], "gain"))


def _name(row: dict[str, Any]) -> str:
    """Of the sampler, without its options."""
    return str(row["sampler"]).partition(",")[0]


def _capped(gain: float) -> float | str:
    """Beyond this it is a field that a design integrates exactly."""
    return gain if gain < MOST else f"> {MOST:,}"


def _alternatives_time(results: Results) -> str:
    rows = [row | {"µs": 1e6 * row["seconds"]} for row in results.curves["alternatives_time"]]
    return markdown(*pivot(rows, "sampler", ["num_points", "action"], "µs"))


TABLES: dict[str, Callable[[Results], str]] = {
    "speed": _speed,
    "field_variance": curve("field_variance", "sampler", ["field", "num_points", "count"], "gain"),
    "gradient_variance": curve("gradient_variance", "sampler", ["decoder", "count"], "gain"),
    "grid_gradient": _grid_gradient,
    "grid_coordinated": curve("grid_coordinated", "sampler", ["data", "decoder", "count"], "share"),
    "alternatives": _alternatives,
    "alternatives_time": _alternatives_time,
    "sampling_share": curve("sampling_share", "ratio", ["data", "num_points"], "share", 100),
    "flow_training": curve("flow_training", "seed", ["sampler", "count"], "error"),
    "accuracy": curve("accuracy", "seed", ["data", "points"], "relative_l2"),
}
