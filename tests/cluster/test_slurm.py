"""A real SLURM: a job that is warned, queued again by the scheduler and finished has the weights of one that was not.

``tests/cluster/one-node-slurm start FOLDER`` sets one up on Debian; source its ``environment`` before pytest.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from torch import Tensor

from .conftest import TINY, same_weights
from .test_submit import upt, wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("sbatch") is None or subprocess.run(["sinfo"], capture_output=True).returncode != 0,
        reason="no SLURM answers here; tests/cluster/one-node-slurm starts one",
    ),
]


def said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def state(job: str) -> dict[str, str]:
    """What SLURM knows of a job."""
    return dict(part.split("=", 1) for part in said("scontrol", "show", "job", job).split() if "=" in part)


def wait_until(condition: Callable[[], bool], seconds: float = 900) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, said("squeue", "--all")
        time.sleep(1)


def submitted(*options: str) -> str:
    result = upt("submit", "tiny.yaml", "--gpus", "0", "--cpus", "1", *options)
    assert result.exit_code == 0, result.stderr
    return next(line.split()[1] for line in result.output.splitlines() if line.startswith("job"))


def test_a_job_that_slurm_queues_again(uninterrupted: dict[str, Tensor]) -> None:
    job = submitted("--time", "30m")
    metrics = wait_for(Path("runs/*/metrics.jsonl"), 10)
    said("scancel", "--signal=USR2", job)  # as SLURM does by itself, --warning seconds before the time is up
    wait_until(lambda: state(job)["Restarts"] == "1")
    said("scontrol", "update", f"JobId={job}", "StartTime=now")  # SLURM waits two minutes before it starts one again
    wait_until(lambda: state(job)["JobState"] in ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT"))
    assert state(job)["JobState"] == "COMPLETED"
    assert same_weights(metrics.parent, uninterrupted)


def test_a_job_whose_time_is_up_is_queued_again() -> None:
    Path("tiny.yaml").write_text(TINY.replace("epochs: 30", "epochs: 100000"))
    job = submitted("--time", "1m", "--warning", "30")
    wait_until(lambda: state(job)["Restarts"] == "1")
    said("scancel", job)
    assert list(Path("runs").glob("*/checkpoints/last.pt"))
    log = Path(f"runs/jobs/{job}_0_log.err").read_text()
    assert "continue with: upt train --resume runs/" in log


def test_a_job_that_slurm_refuses() -> None:
    result = upt("submit", "tiny.yaml", "--gpus", "0", "--partition", "moon")
    assert result.exit_code == 2
    assert "SLURM refused the job: " in result.stderr
    assert "invalid partition specified: moon" in result.stderr
