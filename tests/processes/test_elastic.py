"""``torchrun --max-restarts``: a process is killed, torchrun starts all again, and the run ends as one without."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from upt_core.operator import sharded_file

TINY = """\
data: {name: burgers1d, num_trajectories: 12, points: 32, num_times: 6}
model:
  latent: {tokens: 4, dim: 16}
  encoder: {name: grid, patch: 8, depth: 1}
  approximator: {name: transformer, depth: 1}
  decoder: {name: perceiver, depth: 1}
sampler: {name: stratified, num_queries: 8}
losses: {forward: {name: forward}}
trainer:
  epochs: 2
  batch_size: 6
  ema: 0.9
  optimizer: adamw
  device: cpu
  log_every: 1
  checkpoint: {every_steps: 1}
validation: {metrics: {relative_l2: relative_l2}}
"""
KILLED_ONCE = """\
import os, signal, sys
from pathlib import Path
from upt_core.cli import main
from upt_core.training.trainer import Trainer

update, killed = Trainer.update, Path("killed")

def dies(trainer, window, means):
    update(trainer, window, means)
    if trainer.processes.rank == 1 and trainer.state.step == 12 and not killed.exists():
        killed.touch()
        os.kill(os.getpid(), signal.SIGKILL)

Trainer.update = dies
main(sys.argv[1:])
"""


def trained(folder: Path, strategy: str, *program: str) -> dict[str, torch.Tensor]:
    """The weights of the only run in a folder after two processes, started again at most once."""
    folder.mkdir()
    (folder / "tiny.yaml").write_text(TINY)
    (folder / "killed_once.py").write_text(KILLED_ONCE)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*launcher, "--max-restarts", "1", *program, "train", "tiny.yaml", "--resume"]
    done = subprocess.run(
        [*command, f"trainer.strategy={strategy}"],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONFAULTHANDLER": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    [run] = (folder / "runs").iterdir()
    last = run / "checkpoints" / "last"
    content = sharded_file.read(last if last.is_dir() else last.with_suffix(".pt"))
    weights: dict[str, torch.Tensor] = content["model"]
    return weights


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_a_killed_process_costs_no_bit(strategy: str, tmp_path: Path) -> None:
    whole = trained(tmp_path / "whole", strategy, "-m", "upt_core")
    again = trained(tmp_path / "killed", strategy, "killed_once.py")
    assert (tmp_path / "killed" / "killed").exists()
    assert all(torch.equal(value, again[name]) for name, value in whole.items())
