"""The documentation's tables say what the results of the benchmark say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from upt_core.bench.page import MARK, PAGES, RESULTS, TABLES, with_tables
from upt_core.bench.results import Results

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", PAGES)
def test_tables_are_those_of_the_results(name: str) -> None:
    page = (DOCS / name).read_text(encoding="utf-8")
    assert MARK.search(page)
    assert page == with_tables(page, Results.load(DOCS / RESULTS)), "run: python -m upt_core.bench.page"


def test_every_table_is_in_a_page() -> None:
    text = "".join((DOCS / name).read_text(encoding="utf-8") for name in PAGES)
    assert {found["name"] for found in MARK.finditer(text)} == set(TABLES)


def test_the_results_are_of_a_full_run_on_real_data() -> None:
    results = Results.load(DOCS / RESULTS)
    assert results.environment["quick"] is False
    assert results.environment["real_data"] is True
    assert not re.search(r"/(home|work|tmp|Users)/", (DOCS / RESULTS).read_text())
