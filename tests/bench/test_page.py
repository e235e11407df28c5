"""The documentation's tables say what the results of the benchmark say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from upt_bench.page import BENCHMARKS, MARK, results_of, with_tables

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [(benchmark, name) for benchmark, places in BENCHMARKS.items() for name in places.pages]


@pytest.mark.parametrize(("benchmark", "name"), PAGES)
def test_tables_are_those_of_the_results(benchmark: str, name: str) -> None:
    page = (DOCS / name).read_text(encoding="utf-8")
    assert MARK.search(page)
    assert page == with_tables(page, benchmark, results_of(benchmark, DOCS)), "run: python -m upt_bench.page"


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_every_table_is_in_a_page(benchmark: str) -> None:
    places = BENCHMARKS[benchmark]
    text = "".join((DOCS / name).read_text(encoding="utf-8") for name in places.pages)
    assert {found["name"] for found in MARK.finditer(text)} == set(places.tables)


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_the_results_are_of_a_full_run(benchmark: str) -> None:
    results = results_of(benchmark, DOCS)
    assert results.environment["quick"] is False
    assert results.environment["real_data"] is (benchmark in ("samplers", "neighbours", "quality", "inverse"))
    text = (DOCS / "benchmarks" / benchmark / "results.json").read_text()
    assert not re.search(r"/(home|work|tmp|Users)/", text)
