"""What the documentation must have: a how-to for every kind, every name, every hook, and links that lead somewhere."""

from __future__ import annotations

import inspect
import re
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

import upt_core
from upt_core.cli import catalogue
from upt_core.config.sections import ExperimentSettings
from upt_core.registry import KINDS, Kind, kind_class
from upt_core.registry import discovery as plugins
from upt_core.registry.discovery import HOOKS
from upt_core.training.listeners import RunHooks

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
PAGE_OF: dict[Kind, str] = {"encoder": "model-part", "approximator": "model-part", "decoder": "model-part"}
CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
BUILT_IN = sorted(
    (kind, name)
    for (kind, name), claims in plugins.installed().entries.items()
    if any(entry.distribution.name == catalogue.DISTRIBUTION for entry in claims)
)
EVERY = {"loss": "losses.md", "dataset": "data.md", "schedule": "losses.md", "sampler": "quick-reference.md"}
EVERY |= dict.fromkeys(("encoder", "approximator", "decoder"), "models.md")


def prose(page: Path) -> str:
    return CODE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).lower()) for title in titles]
    return {title.strip().replace(" ", "-") for title in plain}


class TestGenerated:
    def test_the_catalogue_is_what_the_code_says(self) -> None:
        written = (DOCS / "catalogue.md").read_text(encoding="utf-8")
        assert written == catalogue.catalogue(plugins.installed()), "run: python -m upt_core.cli.catalogue"

    def test_the_tables_of_sections_are_what_the_code_says(self) -> None:
        page = (DOCS / "configuration.md").read_text(encoding="utf-8")
        assert page == catalogue.with_sections(page), "run: python -m upt_core.cli.catalogue"

    def test_every_name_is_in_the_catalogue(self) -> None:
        found = anchors(DOCS / "catalogue.md")
        assert [f"{kind}-{name}" for kind, name in BUILT_IN if f"{kind}-{name}" not in found] == []

    def test_a_page_without_marks_is_refused(self) -> None:
        with pytest.raises(ValueError, match="lacks the marks <!-- generated"):
            catalogue.with_sections("# Configuration")

    def test_writes_into_a_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "configuration.md").write_text(f"# C\n{catalogue.BEGIN}\nout of date\n{catalogue.END}\nrest\n")
        monkeypatch.setattr("sys.argv", ["catalogue", str(tmp_path)])
        catalogue.main()
        assert (tmp_path / "catalogue.md").read_text() == (DOCS / "catalogue.md").read_text()
        page = (tmp_path / "configuration.md").read_text()
        assert "out of date" not in page
        assert page.endswith("rest\n")


class TestCoverage:
    @pytest.mark.parametrize("kind", KINDS)
    def test_every_kind_has_its_how_to(self, kind: Kind) -> None:
        text = (DOCS / "writing" / f"{PAGE_OF.get(kind, kind)}.md").read_text(encoding="utf-8")
        assert HOOKS[kind] in text
        assert kind_class(kind).__name__ in text
        assert "[project.entry-points.upt_core]" in text

    @pytest.mark.parametrize(("kind", "page"), EVERY.items())
    def test_every_name_has_its_line(self, kind: Kind, page: str) -> None:
        text = prose(DOCS / page)
        names = [name for other, name in BUILT_IN if other == kind]
        assert [name for name in names if f"`{name}`" not in text] == []

    def test_every_shipped_experiment_has_its_line(self) -> None:
        text = prose(DOCS / "quick-reference.md")
        configs = [path.name for path in sorted((ROOT / "configs").glob("*.yaml"))]
        assert len(configs) >= 5
        assert [name for name in configs if f"(../configs/{name})" not in text] == []

    def test_every_hook_of_a_run_is_explained(self) -> None:
        text = prose(DOCS / "writing" / "callback.md")
        hooks = [name for name, _ in inspect.getmembers(RunHooks, inspect.isfunction)]
        assert len(hooks) >= 7
        assert [name for name in hooks if f"`{name}`" not in text] == []

    def test_every_public_name_is_met_in_a_page(self) -> None:
        text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
        assert [name for name in upt_core.__all__ if not re.search(rf"\b{name}\b", text)] == []

    def test_every_section_is_in_the_page_of_the_configuration(self) -> None:
        found = anchors(DOCS / "configuration.md")
        sections = [name for name, f in ExperimentSettings.model_fields.items() if _is_section(f.annotation)]
        assert {"model", "trainer", "validation"} <= set(sections)
        assert [name for name in sections if name not in found] == []

    def test_every_page_is_in_the_index(self) -> None:
        text = (DOCS / "index.md").read_text(encoding="utf-8")
        pages = [str(page.relative_to(DOCS)) for page in sorted(DOCS.rglob("*.md")) if page.name != "index.md"]
        decisions = (DOCS / "decisions" / "index.md").read_text(encoding="utf-8")
        assert [p for p in pages if f"({p})" not in text and f"({Path(p).name})" not in decisions] == []


class TestTroubleshooting:
    def test_the_messages_are_those_of_the_code(self) -> None:
        """Each quoted message, cut at its dots, is found in the source."""
        page = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
        table = page.partition("| message | cause and cure |")[2].partition("\n\n")[0]
        messages = re.findall(r"^\| (?:the )?`([^`]+)`", table, re.MULTILINE)
        assert len(messages) > 10
        source = _source()
        parts = [part.strip() for message in messages for part in message.split("…") if part.strip()]
        assert [part for part in parts if part not in source] == []


def _source() -> str:
    """The source of the kernel and of the built-in plugins, with texts that go on in the next line joined."""
    modules = {entry.path.partition(".")[0] for claims in plugins.installed().entries.values() for entry in claims}
    folders = [Path(upt_core.__file__).parent, *(Path(str(find_spec(name).origin)).parent for name in modules)]
    text = "\n".join(file.read_text(encoding="utf-8") for folder in folders for file in sorted(folder.rglob("*.py")))
    return re.sub(r'"\s*\n\s*f?"', "", text)


def _is_section(annotation: object) -> bool:
    options = (annotation, *get_args(annotation))
    return any(isinstance(option, type) and issubclass(option, BaseModel) for option in options)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(prose(page)):
        if link.startswith(("https://", "http://")):
            continue
        place, _, anchor = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        inside = target.relative_to(ROOT)  # links do not leave the project
        if not (ROOT / "upt_core").exists() and not (ROOT / inside.parts[0]).exists():
            continue  # beside an installed wheel only tests, configurations and documentation lie
        assert target.exists(), f"{page.name}: {link} leads nowhere"
        if anchor:
            assert anchor in anchors(target), f"{page.name}: {link} has no such heading"
