"""``torchrun`` and an unexpected error in one process of a divided model: no whole step is lost, to the last bit."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from upt_core.operator import sharded_file
from upt_core.training.saver import newest

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
FAILS = """\
import sys
from upt_core.cli import main
from upt_core.loss_bundle import LossBundle
from upt_core.operator import evaluate
from upt_core.training.trainer import Trainer

where = sys.argv.pop(1)
update, forward = Trainer.update, LossBundle.forward
step = -1

def fails_after(trainer, window, means):
    global step
    update(trainer, window, means)
    step = trainer.state.step
    if where == "after" and trainer.processes.rank == 1 and step == 12:
        raise OSError("the disk of process 1 is gone")

def fails_in(bundle, batch, progress):
    losses = forward(bundle, batch, progress)
    if where == "forward" and progress.rank == 1 and progress.step == 12:
        raise OSError("the disk of process 1 is gone")
    return losses

def fails_while_validating(packed):
    raise OSError("the disk of process 1 is gone")

Trainer.update, LossBundle.forward = fails_after, fails_in
if where == "validation":
    import os
    if os.environ["RANK"] == "1":
        evaluate._packed = fails_while_validating
main(sys.argv[1:])
"""


def torchrun(folder: Path, *program: str, size: int = 2) -> subprocess.CompletedProcess[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(size)]
    return subprocess.run(
        [*launcher, *program, "train", "tiny.yaml", "--resume"],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def prepared(folder: Path) -> Path:
    folder.mkdir()
    (folder / "tiny.yaml").write_text(TINY)
    (folder / "fails.py").write_text(FAILS)
    return folder


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    [run] = (folder / "runs").iterdir()
    found: dict[str, torch.Tensor] = sharded_file.read(run / "checkpoints" / "last")["model"]
    assert not list((run / "checkpoints").glob("alone-*")), "what came later takes its place"
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    """The weights of a run that nothing happened to."""
    folder = prepared(tmp_path_factory.mktemp("whole") / "run")
    done = torchrun(folder, "-m", "upt_core")
    assert done.returncode == 0, done.stderr[-3000:]
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
    failed = torchrun(folder, "fails.py", where)
    assert failed.returncode == 1
    assert "OSError: the disk of process 1 is gone" in failed.stderr
    [run] = (folder / "runs").iterdir()
    found = newest(run / "checkpoints")
    assert found is not None, failed.stderr
    assert found[1].name.startswith("alone-")
    assert found[0]["state"]["step"] == step
    again = torchrun(folder, "-m", "upt_core")
    assert again.returncode == 0, again.stderr[-3000:]
    found_weights = weights_of(folder)
    assert all(torch.equal(value, found_weights[name]) for name, value in whole.items())
