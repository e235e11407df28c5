"""What mkdocs needs so that pages written for a repository become a site: files outside docs/, and formulas.

Links from a page to a file outside docs/ lead to pages of the site: README.md and CHANGELOG.md as they are, source
files as listings. Formulas become MathML while the site is built, so no script is loaded to show them.

Diagrams are pictures (docs/pictures), so that a page needs no script and no network to show them. Search finds pages
before listings of source. A notebook becomes a page from the outputs that are stored in it; nothing is executed.
"""

from __future__ import annotations

import html
import json
import posixpath
import re
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

DOCS = Path(__file__).parents[1]
ROOT = DOCS.parent
AT_THE_TOP = {"README.md": "install.md", "CHANGELOG.md": "changes.md"}
"""Files beside docs/ that are pages, and their names on the site, where README.md would be an index."""
AS_THEY_ARE = (".md", ".png", ".svg")
"""Files below docs/ that the site has under their own names; others become listings."""
LINK = re.compile(r"(\]\()([^()\s#]+)((?:#[^()\s]*)?\))")
FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
FOR_TESTS = re.compile(r'^(```\w+(?: title="[^"]+")?)(?: \w+)+$', re.MULTILINE)
"""``exact`` and ``wrong`` tell the tests of the pages what to do with a block; mkdocs knows no such words."""
FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.DOTALL)
LISTED = "---\nsearch:\n  boost: 0.1\n---\n"
"""What makes search show a listing after all pages that say the same word."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages of notebooks, and of the files outside docs/ that a page links to."""
    for path in sorted(DOCS.glob("notebooks/*.ipynb")):
        there = path.relative_to(DOCS).with_suffix(".md").as_posix()
        files.append(File.generated(config, there, content=_notebook(json.loads(path.read_text(encoding="utf-8")))))
    for name, there in AT_THE_TOP.items():
        files.append(File.generated(config, there, content=(ROOT / name).read_text(encoding="utf-8")))
    for page in list(files.documentation_pages()):
        for _, link, _ in LINK.findall(FENCE.sub("", page.content_string)):
            source = _outside(page.src_uri, link)
            if source is not None and not source.endswith(AS_THEY_ARE) and _listing(source) not in files.src_uris:
                files.append(File.generated(config, _listing(source), content=_as_page(source)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turns links to files outside docs/, and from README.md into docs/, into links within the site."""
    here = page.file.src_uri

    def within(match: re.Match[str]) -> str:
        if match[2].endswith(".ipynb"):
            return match[1] + match[2].removesuffix(".ipynb") + ".md" + match[3]
        source = _outside(here, match[2])
        if source is None:
            return match[0]
        target = AT_THE_TOP.get(source, source if source.endswith(AS_THEY_ARE) else _listing(source))
        return match[1] + posixpath.relpath(target.removeprefix("docs/"), posixpath.dirname(here) or ".") + match[3]

    parts = FENCE.split(markdown)
    return "".join(FOR_TESTS.sub(r"\1", part) if part.startswith("```") else LINK.sub(within, part) for part in parts)


def on_page_content(content: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Formulas as MathML."""

    def formula(match: re.Match[str]) -> str:
        return convert(html.unescape(match[3]), display="inline" if match[2] == "(" else "block")

    return FORMULA.sub(formula, content)


def _outside(page: str, link: str) -> str | None:
    """The file of the repository that a link means; None where the link already leads there within the site."""
    if "://" in link or link.startswith(("mailto:", "/")):
        return None
    at_the_top = page in AT_THE_TOP.values()
    folder = "" if at_the_top else posixpath.join("docs", posixpath.dirname(page))
    target = posixpath.normpath(posixpath.join(folder, link))
    leads_there = target.startswith("docs/") and not at_the_top and not target.endswith((".py", ".yaml", ".toml"))
    return target if (ROOT / target).is_file() and not leads_there else None


def _listing(source: str) -> str:
    return f"source/{source.removeprefix('docs/')}.md"


def _as_page(source: str) -> str:
    language = {"py": "python", "yaml": "yaml", "toml": "toml"}.get(source.rpartition(".")[2], "text")
    text = (ROOT / source).read_text(encoding="utf-8")
    return LISTED + f"# {posixpath.basename(source)}\n\n`{source}`\n\n````{language}\n{text}\n````\n"


def _notebook(content: dict[str, Any]) -> str:
    """A notebook as Markdown, with the outputs that are stored in it."""
    parts = []
    for cell in content["cells"]:
        text = "".join(cell["source"])
        parts.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
        parts += [_output(output) for output in cell.get("outputs", [])]
    return "\n\n".join(part for part in parts if part) + "\n"


def _output(output: dict[str, Any]) -> str:
    """The richest form of an output that a page can show; what a cell of IPython returned counts, too."""
    data = output.get("data", {})
    if "image/png" in data:
        picture = "".join(data["image/png"]).replace("\n", "")
        return f'<div class="output"><img alt="what the cell draws" src="data:image/png;base64,{picture}"></div>'
    if "text/html" in data:
        return f'<div class="output">{"".join(data["text/html"])}</div>'
    text = "".join(output.get("text", data.get("text/plain", ""))).rstrip()
    return f'<div class="output"><pre>{html.escape(text)}</pre></div>' if text else ""
