"""The documentation's tables say what the results of the benchmark say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from upt_bench import claims
from upt_bench.page import BENCHMARKS, MARK, results_of, with_claims, with_tables
from upt_bench.results import Figure
from upt_bench.suites import SUITES
from upt_bench.table import measured

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [(suite, name) for suite, places in BENCHMARKS.items() for name in (*places.pages, *places.elsewhere)]


def text_of(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(("suite", "name"), PAGES)
def test_tables_are_those_of_the_results(suite: str, name: str) -> None:
    page, own = text_of(name), name in BENCHMARKS[suite].pages
    assert any(found["suite"] == suite or (own and found["suite"] is None) for found in MARK.finditer(page))
    assert page == with_tables(page, suite, results_of(suite, DOCS), own), "run: python -m upt_bench.page"


def test_every_mark_is_one_of_a_suite_that_knows_the_page() -> None:
    for path in DOCS.glob("*.md"):
        for found in MARK.finditer(path.read_text(encoding="utf-8")):
            suites = [s for s, places in BENCHMARKS.items() if path.name in (*places.pages, *places.elsewhere)]
            if found["suite"] == "claims":
                assert path.name in claims.PAGES
                continue
            own = [s for s in suites if path.name in BENCHMARKS[s].pages]
            assert (found["suite"] in suites) if found["suite"] else len(own) == 1, (path.name, found[0][:60])


@pytest.mark.parametrize("name", claims.PAGES)
def test_claims_say_what_the_results_say(name: str) -> None:
    page = text_of(name)
    assert "<!-- benchmark: claims." in page
    assert page == with_claims(page, DOCS), "run: python -m upt_bench.page"


@pytest.mark.parametrize("claim", claims.CLAIMS, ids=lambda claim: f"{claim.suite}-{claim.key}")
def test_every_claim_is_measured_by_a_command_and_explained_on_a_page(claim: claims.Claim) -> None:
    assert claim.suite in {*SUITES, "quality"}
    assert claim.key in {figure.key for figure in results_of(claim.suite, DOCS).figures}
    assert claim.page in (*BENCHMARKS[claim.suite].pages, *BENCHMARKS[claim.suite].elsewhere)


@pytest.mark.parametrize("suite", BENCHMARKS)
def test_every_table_is_in_a_page(suite: str) -> None:
    places = BENCHMARKS[suite]
    shown = {found["table"] for name in places.pages for found in MARK.finditer(text_of(name)) if not found["suite"]}
    shown |= {
        found["table"] for name, page in PAGES for found in MARK.finditer(text_of(page)) if found["suite"] == suite
    }
    assert shown == set(places.tables)


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_the_results_are_of_a_full_run(benchmark: str) -> None:
    results = results_of(benchmark, DOCS)
    assert results.environment["quick"] is False
    assert results.environment["real_data"] is (benchmark in ("samplers", "neighbours", "quality", "inverse"))
    text = (DOCS / "benchmarks" / benchmark / "results.json").read_text()
    assert not re.search(r"/(home|work|tmp|Users)/", text)


def test_a_figure_is_shown_with_its_standard_error_where_that_is_known() -> None:
    known = Figure("ratio", "a ratio", 0.976, 1.03, unit="×", noise=0.03)
    assert measured(known) == "0.976 ± 0.029 ×"
    assert measured(Figure("ratio", "a ratio", 0.976, 1.03, unit="×")) == "0.976 ×"
