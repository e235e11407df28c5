"""``torchrun`` and an unexpected error in one process of a divided model: no whole step is lost, to the last bit."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from upt_core.operator import sharded_file
from upt_core.training.saver import newest

Start = Callable[[int, str, Path], Any]
TINY = """\
data: {name: burgers1d, num_trajectories: 12, points: 32, num_times: 6}
model:
  latent: {tokens: 4, dim: 16}
  encoder: {name: grid, patch: 8, depth: 1}
  approximator: {name: transformer, depth: 1}
  decoder: {name: perceiver, depth: 1}
sampler: {name: importance, num_queries: 8, start_epoch: 0, window: 1}
losses: {forward: {name: forward}}
trainer: {epochs: 2, batch_size: 6, ema: 0.9, optimizer: adamw, device: cpu, log_every: 1, strategy: fsdp}
validation: {metrics: {relative_l2: relative_l2}}
"""
PROGRAM = """\
import os, signal, sys
from pathlib import Path
from upt_core import Experiment
from upt_core.loss_bundle import LossBundle
from upt_core.operator import evaluate
from upt_core.processes import joined
from upt_core.run.newest import newest_run
from upt_core.training.trainer import Trainer

where, *overrides = sys.argv[1:]
update, forward, once = Trainer.update, LossBundle.forward, Path("happened")
second = os.environ["RANK"] == "1"

def fails():
    raise OSError("the disk of process 1 is gone")

def ends_after(trainer, window, means):
    update(trainer, window, means)
    if second and trainer.state.step == 12 and where == "after":
        fails()
    if second and trainer.state.step == 12 and where == "killed" and not once.exists():
        once.touch()
        os.kill(os.getpid(), signal.SIGKILL)

def fails_in(bundle, batch, progress):
    losses = forward(bundle, batch, progress)
    if second and where == "forward" and progress.step == 12:
        fails()
    return losses

Trainer.update, LossBundle.forward = ends_after, fails_in
if second and where == "validation":
    evaluate._packed = lambda metrics: fails()
experiment = Experiment.from_yaml("tiny.yaml", overrides)
with joined() as processes:
    with processes.agreed():
        run = newest_run(experiment)
    experiment.train(run, resume=run is not None)
"""
"""Begins a run, or goes on with it, as ``upt train tiny.yaml --resume`` does, without a report; something happens to
the second process."""


def torchrun(folder: Path, where: str = "nowhere", *overrides: str, restarts: int = 0) -> tuple[int, str]:
    """Two processes: exit code, and what was said."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*launcher, "--max-restarts", str(restarts), "program.py", where, *overrides],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONFAULTHANDLER": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stderr


def prepared(folder: Path) -> Path:
    folder.mkdir()
    (folder / "tiny.yaml").write_text(TINY)
    (folder / "program.py").write_text(PROGRAM)
    return folder


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    [run] = (folder / "runs").iterdir()
    found: dict[str, torch.Tensor] = sharded_file.read(run / "checkpoints" / "last")["model"]
    assert not list((run / "checkpoints").glob("alone-*")), "what came later takes its place"
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, started: Start) -> dict[str, torch.Tensor]:
    """The weights of a run that nothing happened to; its processes are forked, which is sooner done."""
    folder = prepared(tmp_path_factory.mktemp("whole") / "run")
    started(2, "from_yaml", folder)
    return weights_of(folder)


@pytest.mark.parametrize(
    ("where", "step"),
    [
        ("forward", 12),
        pytest.param("after", 12, marks=pytest.mark.slow),
        pytest.param("validation", 9, marks=pytest.mark.slow),
    ],
)
def test_an_error_in_one_process_costs_no_whole_step_and_no_bit(
    where: str, step: int, whole: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    """An epoch has 9 steps."""
    folder = prepared(tmp_path / "fails")
    code, said = torchrun(folder, where)
    assert code == 1
    assert "OSError: the disk of process 1 is gone" in said
    [run] = (folder / "runs").iterdir()
    found = newest(run / "checkpoints")
    assert found is not None, said
    assert found[1].name.startswith("alone-")
    assert found[0]["state"]["step"] == step
    code, said = torchrun(folder)
    assert code == 0, said[-3000:]
    found_weights = weights_of(folder)
    assert all(torch.equal(value, found_weights[name]) for name, value in whole.items())


def test_a_killed_process_is_started_again_and_costs_no_bit(whole: dict[str, torch.Tensor], tmp_path: Path) -> None:
    """With ``--max-restarts 1``, from a checkpoint of the middle of an epoch."""
    folder = prepared(tmp_path / "killed")
    code, said = torchrun(folder, "killed", "trainer.checkpoint.every_steps=1", restarts=1)
    assert code == 0, said[-3000:]
    assert (folder / "happened").exists()
    found = weights_of(folder)
    assert all(torch.equal(value, found[name]) for name, value in whole.items())
