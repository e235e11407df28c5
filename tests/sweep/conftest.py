"""A tiny experiment and a sweep over it, as files in a folder of the test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from upt_core.cli import main
from upt_sweep.file import Sweep, read_sweep

TINY = """\
data: {name: burgers1d, num_trajectories: 12, points: 32, num_times: 6}
model:
  latent: {tokens: 4, dim: 16}
  encoder: {name: grid, patch: 8, depth: 1}
  approximator: {name: transformer, depth: 1, heads: 2}
  decoder: {name: perceiver, depth: 1, heads: 2}
sampler: {name: uniform, num_queries: 8}
losses:
  forward: {name: forward}
trainer: {epochs: 2, batch_size: 16, optimizer: {name: adamw, lr: 1e-3}, device: cpu}
validation: {metrics: {relative_l2: {name: relative_l2}}}
"""

GRID = """\
experiment: ../tiny.yaml
overrides: {trainer.epochs: 1}
space:
  trainer.optimizer.lr: {choice: [1e-3, 1e-2]}
search: grid
"""

RANDOM = """\
experiment: ../tiny.yaml
overrides: {trainer.epochs: 1}
space:
  trainer.optimizer.lr: {log_uniform: [1e-4, 1e-2]}
  sampler: {choice: [null, {name: stratified, num_queries: 4}]}
  trainer.batch_size: {int: [8, 16]}
search: random
trials: 3
"""

Upt = Callable[..., Result]
Write = Callable[[str], Path]
Read = Callable[[str], Sweep]


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test works in a folder of its own that holds ``tiny.yaml``."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(TINY)
    Path("sweeps").mkdir()
    return tmp_path


@pytest.fixture
def write() -> Write:
    """Writes ``sweeps/s.yaml``."""

    def to_file(text: str) -> Path:
        path = Path("sweeps/s.yaml")
        path.write_text(text)
        return path

    return to_file


@pytest.fixture
def read(write: Write) -> Read:
    """The sweep of a text."""
    return lambda text: read_sweep(write(text))


@pytest.fixture
def upt() -> Upt:
    """Runs ``upt`` in this process; an error that should have been a message is raised."""

    def run(*arguments: str) -> Result:
        result = CliRunner().invoke(main, list(arguments))
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run
