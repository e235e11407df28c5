"""``python -m upt_bench.page``: the tables of the documentation, from the results of the benchmarks.

Between the marks ``<!-- benchmark: TABLE -->`` and ``<!-- benchmark: end -->`` of a page stands a table of the page's
own suite; ``<!-- benchmark: SUITE.TABLE -->`` is one of another suite, ``claims.TABLE`` one of
several suites. Results lie in ``docs/benchmarks/SUITE/results.json``. A test fails when a page does not say what the
results say.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from upt_bench import claims, loss_tables, neighbour_tables, sampler_tables
from upt_bench.quality import geometric
from upt_bench.quality import tables as quality_tables
from upt_bench.results import Results
from upt_bench.table import curve, figures_markdown, markdown, shown

MARK = re.compile(r"<!-- benchmark: (?:(?P<suite>\w+)\.)?(?P<table>\w+) -->\n.*?<!-- benchmark: end -->", re.DOTALL)


@dataclass(frozen=True)
class Shown:
    """Where the results of a suite are shown.

    Args:
        pages: whose own suite it is.
        tables: that may stand there, and on other pages under the suite's name.
        elsewhere: pages of another suite that show tables of this one.
    """

    pages: tuple[str, ...]
    tables: Mapping[str, Callable[[Results], str]]
    elsewhere: tuple[str, ...] = ()


def _environment(results: Results) -> str:
    e = results.environment
    load = "–" if e.get("load") is None else f"{e['load'][0]} at the start, {e['load_at_the_end'][0]} at the end"
    return (
        f"Measured {e['date']} in {shown(e['seconds'] / 60)} minutes on {e['device']} ({e['processor']}, {e['cores']} "
        f"cores, one used; load {load}), torch {e['torch']}, Python {e['python']}. On the host, times are processor "
        f"times."
    ) + (f" Measured by themselves later: {e['later']}." if "later" in e else "")


COMMON: Mapping[str, Callable[[Results], str]] = {"figures": figures_markdown, "environment": _environment}
BENCHMARKS: Mapping[str, Shown] = {
    "samplers": Shown(("samplers.md", "which-sampler.md"), {**COMMON, **sampler_tables.TABLES}),
    "neighbours": Shown(("supernodes.md",), {**COMMON, **neighbour_tables.TABLES}),
    "data": Shown(
        ("data.md",),
        {
            **COMMON,
            "reading": curve("reading", "workers", ["format", "grid", "layout"], "ratio"),
            "samples": curve("reading", "workers", ["format", "grid", "layout"], "upt"),
        },
    ),
    "losses": Shown(("losses.md", "quick-reference.md"), {**COMMON, **loss_tables.TABLES}),
    "inverse": Shown(
        ("inverse-decoding.md",),
        {
            **COMMON,
            "inverse_training": curve("inverse_training", "reads", ["data", "seed"], "relative_l2"),
            "inverse_steps": curve("inverse_training", "reads", ["data", "seed"], "steps"),
        },
    ),
    "step": Shown((), COMMON, ("inverse-decoding.md",)),
    "loop": Shown((), COMMON, ("speed.md",)),
    "scaling": Shown((), COMMON, ("speed.md",)),
    "device": Shown((), COMMON, ("speed.md",)),
    "attention": Shown((), {**COMMON, "times": curve("attention", "attention", ["tokens"], "ms")}, ("models.md",)),
    "optimizers": Shown((), COMMON, ("speed.md",)),
    "start": Shown((), COMMON, ("speed.md",)),
    "estimate": Shown(
        ("memory-analysis.md",),
        {
            **COMMON,
            "estimates": lambda results: markdown(
                ["experiment", "estimated, MiB", "measured, MiB", "ratio"],
                [
                    [row["case"], *(shown(row[name]) for name in ("estimated", "measured")), f"{row['ratio']:.3f}"]
                    for row in results.curves["estimates"]
                ],
            ),
        },
    ),
    "quality": Shown(("results.md", "which-loss.md"), {**COMMON, **quality_tables.TABLES, "apebench": geometric.table}),
}


def results_of(benchmark: str, docs: Path) -> Results:
    """The results that the documentation shows."""
    return Results.load(docs / "benchmarks" / benchmark / "results.json")


def with_tables(page: str, suite: str, results: Results, own: bool = True) -> str:
    """A page with the tables of a suite as the results have them.

    Args:
        page: Markdown.
        suite: whose tables.
        results: of the suite.
        own: whether marks without a suite mean this one.

    Raises:
        KeyError: a mark names a table that does not exist.
    """
    tables = BENCHMARKS[suite].tables

    def written(found: re.Match[str]) -> str:
        if found["suite"] != suite and not (own and found["suite"] is None):
            return found[0]
        name = found["table"] if found["suite"] is None else f"{suite}.{found['table']}"
        return f"<!-- benchmark: {name} -->\n{tables[found['table']](results)}\n<!-- benchmark: end -->"

    return MARK.sub(written, page)


def with_claims(page: str, docs: Path) -> str:
    """A page with the tables of claims as the results of all suites have them."""
    results = {suite: results_of(suite, docs) for suite in claims.SUITES}

    def written(found: re.Match[str]) -> str:
        if found["suite"] != "claims":
            return found[0]
        table = claims.TABLES[found["table"]](results)
        return f"<!-- benchmark: claims.{found['table']} -->\n{table}\n<!-- benchmark: end -->"

    return MARK.sub(written, page)


def main() -> None:
    """Rewrites the pages of a folder, ``docs`` by default."""
    docs = Path(sys.argv[1] if len(sys.argv) > 1 else "docs")
    for suite, places in BENCHMARKS.items():
        results = results_of(suite, docs)
        for name in (*places.pages, *places.elsewhere):
            path = docs / name
            page = with_tables(path.read_text(encoding="utf-8"), suite, results, name in places.pages)
            path.write_text(page, encoding="utf-8")
    for name in claims.PAGES:
        path = docs / name
        path.write_text(with_claims(path.read_text(encoding="utf-8"), docs), encoding="utf-8")


if __name__ == "__main__":
    main()
