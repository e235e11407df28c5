"""``python -m upt_core.bench.page``: the tables of the documentation, from the results of the benchmark.

Between the marks ``<!-- benchmark: NAME -->`` and ``<!-- benchmark: end -->`` of a page stands the table NAME of
``docs/benchmarks/samplers/results.json``. A test fails when a page does not say what the results say.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from upt_core.bench.results import Results
from upt_core.bench.table import figures_markdown, markdown, pivot, shown

RESULTS = Path("benchmarks", "samplers", "results.json")
PAGES = ("samplers.md", "which-sampler.md")
BUILT_IN = ("stratified", "sobol", "importance")
MOST = 10_000
MARK = re.compile(r"<!-- benchmark: (?P<name>\w+) -->\n.*?<!-- benchmark: end -->", re.DOTALL)


def with_tables(page: str, results: Results) -> str:
    """A page with its tables as the results have them.

    Raises:
        KeyError: a mark names a table that does not exist.
    """
    return MARK.sub(
        lambda found: f"<!-- benchmark: {found['name']} -->\n{TABLES[found['name']](results)}\n<!-- benchmark: end -->",
        page,
    )


def main() -> None:
    """Rewrites the pages of a folder, ``docs`` by default."""
    docs = Path(sys.argv[1] if len(sys.argv) > 1 else "docs")
    results = Results.load(docs / RESULTS)
    for name in PAGES:
        path = docs / name
        path.write_text(with_tables(path.read_text(encoding="utf-8"), results), encoding="utf-8")


def _environment(results: Results) -> str:
    e = results.environment
    load = "–" if e.get("load") is None else f"{e['load'][0]} at the start, {e['load_at_the_end'][0]} at the end"
    return (
        f"Measured {e['date']} in {shown(e['seconds'] / 60)} minutes on {e['device']} ({e['processor']}, {e['cores']} "
        f"cores, one used; load {load}), torch {e['torch']}, Python {e['python']}. On the host, times are processor "
        f"times."
    ) + (f" Measured by themselves later: {e['later']}." if "later" in e else "")


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


def _curve(name: str, across: str, by: list[str], value: str, factor: float = 1.0) -> Callable[[Results], str]:
    def table(results: Results) -> str:
        rows: list[dict[str, Any]] = [row | {value: factor * row[value]} for row in results.curves[name]]
        return markdown(*pivot(rows, across, by, value))

    return table


TABLES: dict[str, Callable[[Results], str]] = {
    "figures": figures_markdown,
    "environment": _environment,
    "speed": _speed,
    "field_variance": _curve("field_variance", "sampler", ["field", "num_points", "count"], "gain"),
    "gradient_variance": _curve("gradient_variance", "sampler", ["decoder", "count"], "gain"),
    "grid_gradient": _grid_gradient,
    "grid_coordinated": _curve("grid_coordinated", "sampler", ["data", "decoder", "count"], "share"),
    "alternatives": _alternatives,
    "alternatives_time": _alternatives_time,
    "sampling_share": _curve("sampling_share", "ratio", ["data", "num_points"], "share", 100),
    "flow_training": _curve("flow_training", "seed", ["sampler", "count"], "error"),
    "accuracy": _curve("accuracy", "seed", ["data", "points"], "relative_l2"),
}

if __name__ == "__main__":
    main()
