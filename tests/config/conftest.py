"""Real tiny distributions, and a small experiment as text to be changed."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint, distributions
from pathlib import Path
from typing import Any

import pytest

from upt_core.config.document import Document, parse
from upt_core.config.sections import ExperimentSettings
from upt_core.config.settings import validate
from upt_core.registry import Distribution, Entry, Kind, Registry
from upt_core.registry import discovery as plugins

EXPERIMENT = """\
data: {name: burgers1d, num_trajectories: 8, points: 32}
model:
  latent: {tokens: 4, dim: 16}
  encoder: {name: grid, patch: 8}
  approximator: transformer
  decoder: perceiver
sampler: {name: uniform, num_queries: 8}
losses:
  forward: {name: forward}
  inverse: {name: inverse_encoding, weight: 0.5}
trainer:
  epochs: 2
  optimizer: {name: adamw, lr: 1e-3}
validation:
  metrics: {relative_l2: relative_l2}
"""
CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture
def experiment() -> str:
    return EXPERIMENT


@pytest.fixture
def configs() -> Path:
    """The folder of shipped configurations."""
    return CONFIGS


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """``shipped``: the text of every shipped configuration, one test each."""
    if "shipped" in metafunc.fixturenames:
        files = sorted(CONFIGS.glob("*.yaml"))
        assert files
        metafunc.parametrize("shipped", files, ids=[file.stem for file in files])


@pytest.fixture
def registry() -> Registry:
    """A copy of the installed registry that a test may add to."""
    found = plugins.installed()
    return Registry({key: list(claims) for key, claims in found.entries.items()}, list(found.broken))


@pytest.fixture
def add(registry: Registry) -> Callable[[Kind, str, type], Entry]:
    """Registers a class of the test."""

    def add(kind: Kind, name: str, cls: type) -> Entry:
        entry = Entry(kind, name, cls, Distribution("strange", "1.2"))
        registry.register(entry)
        return entry

    return add


@pytest.fixture
def check(registry: Registry) -> Callable[..., ExperimentSettings]:
    """Validates the experiment with some of its lines replaced: ``check(("epochs: 2", "epochs: 0"))``."""

    def check(*changes: tuple[str, str]) -> ExperimentSettings:
        text = EXPERIMENT
        for old, new in changes:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        return validate(parse(text, "exp.yaml"), registry)

    return check


@pytest.fixture
def validated(registry: Registry) -> Callable[[Any], ExperimentSettings]:
    """Validates plain data."""
    return lambda data: validate(Document(data), registry)


class Site:
    """A folder of installed distributions, as pip leaves them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, name: str, source: str, version: str = "1.0", entry: str | None = None) -> Path:
        """A distribution of one module of its own name, with one entry point."""
        module = name.replace("-", "_")
        path = self.folder / f"{module}.py"
        path.write_text(source, encoding="utf-8")
        info = self.folder / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[upt_core]\n{module} = {entry or module}\n")
        return path

    def entry_points(self) -> list[EntryPoint]:
        return [
            point
            for distribution in distributions(path=[str(self.folder)])
            for point in distribution.entry_points
            if point.group == plugins.GROUP
        ]

    def load(self) -> Registry:
        return plugins.load(self.entry_points())


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site folder that is on the path."""
    monkeypatch.syspath_prepend(tmp_path)
    return Site(tmp_path)
