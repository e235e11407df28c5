"""The documentation as a site: built strictly, complete, and without anything from the network."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import upt_core

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "docs" / "site" / "mkdocs.yml"
SOURCES = (CONFIG, ROOT / "upt_core", ROOT / "plugins", ROOT / "LICENSE")
NEEDED = ("mkdocs", "material", "mkdocstrings", "latex2mathml")

pytestmark = pytest.mark.skipif(
    not all(path.exists() for path in SOURCES) or any(find_spec(name) is None for name in NEEDED),
    reason="the site needs a checkout and the development dependencies mkdocs-material, mkdocstrings, latex2mathml",
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "-q",
        "-f",
        str(CONFIG),
        "-d",
        str(folder / "built"),
    ]
    no_network = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:9")
    done = subprocess.run(
        command,
        env={**os.environ, **no_network, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "built"


def test_every_page_is_built_and_in_the_navigation_in_the_order_of_the_index(site: Path) -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    table = index.partition("| to | read |")[2]
    linked = list(dict.fromkeys(re.findall(r"\(([\w/-]+\.md)\)", table)))
    navigation = re.findall(r"[\w/-]+\.md", CONFIG.read_text(encoding="utf-8").partition("\nnav:")[2])
    assert [page for page in linked if page not in navigation] == []
    assert sorted(linked, key=navigation.index) == linked
    assert [page for page in linked if not (site / re.sub(r"README\.md|\.md", _built, page)).is_file()] == []


def _built(match: re.Match[str]) -> str:
    return "index.html" if match[0] == "README.md" else ".html"


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    loads = re.compile(r'<(?:script|img|link rel="(?:stylesheet|preconnect|preload)")[^>]*(?:src|href)="(?:https?:)?//')
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 40
    assert [str(page) for page in pages if loads.search(page.read_text(encoding="utf-8"))] == []


def test_readme_and_changelog_are_pages_and_the_index_is_its_own(site: Path) -> None:
    assert "Documentation of upt" in (site / "index.html").read_text(encoding="utf-8")
    assert 'href="install.html"' in (site / "index.html").read_text(encoding="utf-8")
    assert 'href="quickstart.html"' in (site / "install.html").read_text(encoding="utf-8")
    assert (site / "changes.html").is_file()


def test_links_to_source_lead_to_listings(site: Path) -> None:
    assert "source/plugins/upt_samplers/uniform.py.html" in (site / "catalogue.html").read_text(encoding="utf-8")
    listing = (site / "source" / "plugins" / "upt_samplers" / "uniform.py.html").read_text(encoding="utf-8")
    assert "Uniform" in listing


def test_formulas_and_diagrams_are_shown(site: Path) -> None:
    formulas = (site / "samplers.html").read_text(encoding="utf-8")
    assert formulas.count("<math") > 40
    assert "arithmatex" not in formulas
    for page, picture in (("flow.html", "pictures/flow.svg"), ("writing/callback.html", "../pictures/callbacks.svg")):
        assert f'src="{picture}"' in (site / page).read_text(encoding="utf-8")
        assert (site / page).parent.joinpath(picture).is_file()


def test_a_notebook_is_a_page_with_its_outputs(site: Path) -> None:
    page = (site / "notebooks" / "trained-operator.html").read_text(encoding="utf-8")
    assert page.count('src="data:image/png;base64,') == 3
    assert "Operator of the run burgers" in page
    assert 'href="../inverse-problems.html"' in page
    assert 'href="notebooks/trained-operator.html"' in (site / "index.html").read_text(encoding="utf-8")


def test_pages_come_before_listings_in_search(site: Path) -> None:
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    boosts = {entry["location"]: entry.get("boost", 1) for entry in index["docs"]}
    listings = {boost for place, boost in boosts.items() if place.startswith("source/")}
    assert listings == {0.1}
    assert {boost for place, boost in boosts.items() if not place.startswith("source/")} == {1}


BROWSER = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.mark.skipif(BROWSER is None, reason="needs chromium")
def test_search_works_from_a_folder(site: Path) -> None:
    assert BROWSER is not None
    done = subprocess.run(
        [
            BROWSER,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--virtual-time-budget=20000",
            "--dump-dom",
            f"{(site / 'index.html').as_uri()}?q=stratified",
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    results = re.findall(r'<a href="file://[^"]*?/built/([^"?]*)[^"]*" class="md-search-result__link"', done.stdout)
    assert results, done.stdout[-2000:]
    assert not results[0].startswith("source/")


def test_code_blocks_are_blocks_with_their_titles(site: Path) -> None:
    pages = [page for page in site.rglob("*.html") if "source" not in page.relative_to(site).parts]
    assert [str(page) for page in pages if "```" in page.read_text(encoding="utf-8")] == []
    assert re.search(r'class="filename">upt_best_log\.py<', (site / "writing" / "callback.html").read_text("utf-8"))


def test_every_public_name_has_its_entry(site: Path) -> None:
    page = (site / "api.html").read_text(encoding="utf-8")
    assert [name for name in upt_core.__all__ if not re.search(rf'id="upt_core\.[\w.]+\.{name}"', page)] == []
