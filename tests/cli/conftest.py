"""A tiny experiment as a file, and ``upt`` in this process or in its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from upt_core.cli import main

TINY = """\
data:
  name: burgers1d
  num_trajectories: 12
  points: 32
model:
  latent: {tokens: 4, dim: 16}
  encoder: {name: grid, patch: 8}
  approximator: {name: transformer, depth: 1, heads: 2}
  decoder: {name: perceiver, depth: 1, heads: 2}
sampler: {name: uniform, num_queries: 16}
losses:
  forward: {name: forward}
  inverse_encoding: {name: inverse_encoding, weight: 0.1}
  latent_norm: {name: latent_norm, weight: 0}
trainer:
  epochs: 2
  batch_size: 64
  optimizer: {name: adamw, lr: 1e-3}
  device: cpu
  log_every: 1
validation:
  metrics:
    relative_l2: {name: relative_l2}
    rmse: {name: rmse}
"""

Upt = Callable[..., Result]


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test works in a folder of its own that holds ``tiny.yaml``."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(TINY)
    return tmp_path


@pytest.fixture
def upt() -> Upt:
    """Runs ``upt`` in this process; an error that should have been a message is raised."""

    def run(*arguments: str) -> Result:
        result = CliRunner().invoke(main, list(arguments))
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture
def trained(upt: Upt, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder ``run`` of one epoch of the tiny experiment; trained once, copied for each test."""
    kept = tmp_path_factory.getbasetemp() / "trained"
    if not kept.exists():
        assert upt("train", "tiny.yaml", "--run-dir", str(kept), "trainer.epochs=1").exit_code == 0
    return Path(shutil.copytree(kept, "run"))


@pytest.fixture
def refused(upt: Upt) -> Callable[..., str]:
    """Runs ``upt`` where it must refuse: exit code 2, nothing but one message on stderr; the message."""

    def run(*arguments: str) -> str:
        result = upt(*arguments)
        assert result.exit_code == 2, result.output
        assert result.stderr.startswith("error: "), result.stderr
        assert "Traceback" not in result.output
        assert not list(Path().glob("runs/*/checkpoints")), "nothing was trained"
        return str(result.stderr)

    return run


def subprocess_upt(*arguments: str, path: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs ``upt`` in its own process, ``path`` before all other places that Python imports from."""
    paths = [str(path)] if path else []
    own = {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([*paths, os.environ.get("PYTHONPATH", "")])}
    return subprocess.run(
        [sys.executable, "-m", "upt_core", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **own, **environment},
        timeout=120,
        check=False,
    )


@pytest.fixture
def own_process() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs ``upt`` in its own process."""
    return subprocess_upt
