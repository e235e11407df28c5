"""``torchrun -m upt_core train``: one run, one voice; signals and errors end all processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from upt_core.training import checkpoint

TINY = """\
data: {name: burgers1d, num_trajectories: 12, points: 32, num_times: 6}
model:
  latent: {tokens: 4, dim: 16}
  encoder: {name: grid, patch: 8, depth: 1}
  approximator: {name: transformer, depth: 1}
  decoder: {name: perceiver, depth: 1}
sampler: {name: stratified, num_queries: 8}
losses: {forward: {name: forward}}
trainer: {epochs: 1000, batch_size: 2, optimizer: adamw, device: cpu, log_every: 25, workers: 1}
validation: {metrics: {relative_l2: relative_l2}}
"""
FAILS_IN_ONE = """\
import sys
from upt_core import Experiment
from upt_core.training.trainer import Trainer

update = Trainer.update

def fails(trainer, window, means):
    update(trainer, window, means)
    if trainer.processes.rank == 1 and trainer.state.step == 3:
        raise OSError("the disk of process 1 is gone")

Trainer.update = fails
Experiment.from_yaml("tiny.yaml").train()
"""


def torchrun(folder: Path, *words: str) -> subprocess.Popen[str]:
    (folder / "tiny.yaml").write_text(TINY)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONFAULTHANDLER": "1"}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=folder, env=environment, text=True, **streams)  # type: ignore[call-overload]


def test_a_signal_to_all_ends_one_run_with_one_checkpoint(tmp_path: Path) -> None:
    """As SLURM and torchrun send it, to process groups; those that read data ahead must not end before."""
    running = torchrun(tmp_path, "-m", "upt_core", "train", "tiny.yaml")
    try:
        until_lines_are_logged(running, tmp_path)
        running.send_signal(signal.SIGTERM)
        out, errors = running.communicate(timeout=120)
    finally:
        running.kill()
    [run] = (tmp_path / "runs").iterdir()
    step = checkpoint.load(run / "checkpoints" / "last.pt")["state"]["step"]
    assert errors.count(f", step {step}; continue with: torchrun … -m upt_core train --resume runs/{run.name}") == 1, (
        errors
    )
    assert "Traceback" not in errors.partition("continue with")[0]
    assert out.count("2 processes on cpu; run folder") == 1
    assert out.count("epoch    1/1000") == 1


def until_lines_are_logged(running: subprocess.Popen[str], folder: Path) -> None:
    for _ in range(1200):
        assert running.poll() is None, running.communicate()
        if any(log.stat().st_size > 1000 for log in folder.glob("runs/*/metrics.jsonl")):
            return
        time.sleep(0.1)
    raise AssertionError("nothing was logged in two minutes")


def test_an_error_in_one_process_ends_all(tmp_path: Path) -> None:
    (tmp_path / "fails.py").write_text(FAILS_IN_ONE)
    running = torchrun(tmp_path, "fails.py")
    try:
        _, errors = running.communicate(timeout=300)
    finally:
        running.kill()
    assert running.returncode == 1
    assert "OSError: the disk of process 1 is gone" in errors
    assert "the state after step 3 is saved only by the first process" in errors
    [run] = (tmp_path / "runs").iterdir()
    assert checkpoint.load(run / "checkpoints" / "last.pt")["state"]["step"] == 3
    going_on = torchrun(tmp_path, "-m", "upt_core", "train", "--resume", str(run), "trainer.max_time=1s")
    try:
        _, errors = going_on.communicate(timeout=300)
    finally:
        going_on.kill()
    assert going_on.returncode == 0, errors
    assert (run / "results.json").is_file()
