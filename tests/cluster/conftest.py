"""A small experiment as a file, and what its run leaves behind."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from upt_core import Experiment
from upt_core.training import checkpoint

pytest.importorskip("submitit")
TINY = """\
data: {name: burgers1d, num_trajectories: 12, points: 32, num_times: 6}
output: runs
model:
  latent: {tokens: 4, dim: 16}
  encoder: {name: grid, patch: 8, depth: 1}
  approximator: {name: transformer, depth: 1, heads: 2}
  decoder: {name: perceiver, depth: 1, heads: 2}
sampler: {name: uniform, num_queries: 8}
losses: {forward: {name: forward}}
trainer: {epochs: 30, batch_size: 8, optimizer: {name: adamw, lr: 1e-3}, device: cpu, ema: 0.9, log_every: 1}
validation: {metrics: {relative_l2: {name: relative_l2}}, every: 10}
"""


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test works in a folder of its own that holds ``tiny.yaml``."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(TINY)
    return tmp_path


@pytest.fixture(scope="session")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensor]:
    """The last weights of the experiment, trained in this process without a break."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "tiny.yaml").write_text(TINY)
    Experiment.from_yaml(folder / "tiny.yaml").train(run_dir=folder / "run")
    return checkpoint.load(folder / "run" / "checkpoints" / "last.pt")["model"]


def same_weights(run: Path, expected: dict[str, Tensor]) -> bool:
    """Whether a run ended with these weights, bit for bit."""
    found = checkpoint.load(run / "checkpoints" / "last.pt")["model"]
    return found.keys() == expected.keys() and all(torch.equal(found[name], value) for name, value in expected.items())
