"""Every code block of the documentation, in order within a page, in a folder of its own.

```python title="x.py"       is saved, and imported
```python                    runs; the blocks of a page share their names
```toml title="pyproject.toml"   its entry points are installed
```yaml title="x.yaml"       is a whole experiment: it is validated (with ``wrong``: saved only)
```yaml                      is a part of an experiment: it is validated on top of one
```console                   its commands exist; those that are cheap run, with small data; with ``exact`` the
                             output must be the one shown
"""

from __future__ import annotations

import importlib
import re
import shlex
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import pytest
import torch
import yaml
from click.testing import CliRunner

from upt_core import Experiment
from upt_core.cli import main
from upt_core.registry import discovery as plugins
from upt_core.registry.discovery import HOOKS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
GENERATED = ("burgers1d", "burgers2d", "advection1d")
SMALL = ["trainer.epochs=1", "trainer.log_every=1", "trainer.device=cpu"]
BASE = """\
data: {name: burgers1d, num_trajectories: 8, points: 64}
model:
  latent: {tokens: 8, dim: 32}
  encoder: {name: grid, patch: 8, depth: 1}
  approximator: {name: transformer, depth: 1}
  decoder: {name: perceiver, depth: 1}
losses:
  forward: {name: forward}
trainer: {epochs: 40, batch_size: 16, optimizer: adamw}
validation: {metrics: {relative_l2: relative_l2}}
"""


@dataclass(frozen=True)
class Block:
    language: str
    info: str
    text: str
    line: int

    @property
    def title(self) -> str | None:
        found = re.search(r'title="([^"]+)"', self.info)
        return found[1] if found else None

    def says(self, word: str) -> bool:
        return word in self.info.split()


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [Block(m[1], m[2], m[3], text.count("\n", 0, m.start()) + 1) for m in BLOCK.finditer(text)]


@dataclass
class Reader:
    """Does what a page says, in a folder."""

    folder: Path
    names: dict[str, Any] = field(default_factory=dict)
    trained: bool = False

    def read(self, block: Block) -> None:
        getattr(self, f"_{block.language}")(block)

    def _python(self, block: Block) -> None:
        if block.title is not None:
            (self.folder / block.title).write_text(block.text)
            importlib.invalidate_caches()
            importlib.import_module(Path(block.title).stem)
            return
        exec(compile(block.text, "<block>", "exec"), self.names)

    def _toml(self, block: Block) -> None:
        """What ``pip install`` leaves of a project: its metadata."""
        project = tomllib.loads(block.text)["project"]
        folder = self.folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
        )
        points = project["entry-points"]["upt_core"].items()
        (folder / "entry_points.txt").write_text("[upt_core]\n" + "".join(f"{n} = {v}\n" for n, v in points))
        importlib.invalidate_caches()
        plugins.installed.cache_clear()
        assert not plugins.installed().broken
        registry = plugins.installed()
        claims = [*registry.entries.values(), *registry.extensions.values()]
        for name, _ in points:
            assert any(each.distribution.name == project["name"] for claim in claims for each in claim), (
                f"the entry point {name} registers nothing"
            )

    def _yaml(self, block: Block) -> None:
        if block.title is not None:
            (self.folder / block.title).write_text(block.text)
            if not block.says("wrong"):
                Experiment.from_yaml(self.folder / block.title)
            return
        (self.folder / "base.yaml").write_text(BASE)
        (self.folder / "part.yaml").write_text("extends: base.yaml\n" + block.text)
        Experiment.from_yaml(self.folder / "part.yaml")

    def _console(self, block: Block) -> None:
        """Commands begin with ``$ ``; other lines are what they print."""
        for chunk in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
            command, _, shown = chunk.partition("\n")
            output = self._command(shlex.split(command, comments=True), refused=shown.startswith("error: "))
            if block.says("exact"):
                assert output is not None, f"{command} was not run"
                assert re.fullmatch(re.escape(shown.strip()).replace("…", ".*"), output.strip(), re.DOTALL), output

    def _bash(self, block: Block) -> None:
        for line in block.text.splitlines():
            self._command(shlex.split(line, comments=True))

    def _command(self, words: list[str], refused: bool = False) -> str | None:
        if not words:
            return None
        if words[0] == "upt":
            return self._upt(words[1:], refused)
        assert words[0] in ("make", "pip", "tensorboard", "python", "git", "cd"), f"what is {words[0]}?"
        if words[0] == "make" and (ROOT / "Makefile").is_file():
            assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
        return None

    def _upt(self, words: list[str], refused: bool) -> str | None:
        words = [self._existing_run(word) for word in words]
        check_command(words)
        if not self._is_cheap(words):
            return None
        if words[0] == "train" and "--resume" not in words:
            if self.trained and not any("name" in word for word in words):  # one run of a page shows the rest
                Experiment.from_yaml(words[1], [word for word in words[2:] if "=" in word])
                return None
            self.trained = True
        result = CliRunner().invoke(main, words + (self._small(words) if words[0] == "train" else []))
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == (2 if refused else 0), result.output
        return result.output

    def _existing_run(self, word: str) -> str:
        """Run folders have the time in their names: the newest run of that name is meant."""
        found = re.fullmatch(r"(runs/.+?)-\d{8}-\d{6}", word)
        runs = sorted(Path().glob(f"{found[1]}-*"), key=lambda path: path.stat().st_mtime) if found else []
        return str(runs[-1]) if runs else word

    def _is_cheap(self, words: list[str]) -> bool:
        files = [word for word in words[1:] if word.endswith((".yaml", ".yml")) or word.startswith("runs/")]
        if words[0] == "plugins":
            return True
        if words[0] == "train" and "--resume" not in words:
            return bool(files) and Path(files[0]).is_file() and self._generated(Path(files[0]))
        return bool(files) and Path(files[0]).exists() and "--open" not in words

    def _generated(self, config: Path) -> bool:
        return yaml.safe_load(config.read_text()).get("data", {}).get("name") in (None, *GENERATED)

    def _small(self, words: list[str]) -> list[str]:
        """A run that goes on has an epoch more."""
        return [*SMALL, "trainer.epochs=2"] if "--resume" in words else [*SMALL, "data.num_trajectories=6"]


def check_command(words: list[str]) -> None:
    """The command and its options exist."""
    if "--help" in words or "--version" in words:
        return
    command: click.Command = main
    context = click.Context(main)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        assert found is not None, f"there is no command {words[0]}"
        command, words = found, words[1:]
    command.make_context("upt", list(words), resilient_parsing=False)


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    first = next(block for block in blocks(ROOT / "README.md") if block.title == "first.yaml")
    (tmp_path / "first.yaml").write_text(first.text)  # pages go on from the README's experiment
    before = set(sys.modules)
    torch.manual_seed(0)
    yield Reader(tmp_path)
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
    plugins.installed.cache_clear()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_works(page: Path, reader: Reader) -> None:
    for block in blocks(page):
        if not hasattr(Reader, f"_{block.language}"):
            assert block.language in ("text", "ini"), f"{page}:{block.line}: what is {block.language}?"
            continue
        try:
            reader.read(block)
        except (Exception, SystemExit) as error:
            raise AssertionError(f"{page}:{block.line}: {type(error).__name__}: {error}") from error


def test_the_pages_are_there() -> None:
    assert len(PAGES) > 20


def test_a_hook_of_each_kind_is_registered_by_a_page() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert [hook for hook in HOOKS.values() if f"def {hook}(register" not in text] == []
