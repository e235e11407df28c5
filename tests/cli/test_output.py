"""A run whose output is closed, full, or read by nobody trains to its end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFIG = """\
data: {name: burgers1d, num_trajectories: 12, points: 32, num_times: 6}
model:
  latent: {tokens: 4, dim: 16}
  encoder: {name: grid, patch: 8, depth: 1}
  approximator: {name: transformer, depth: 1}
  decoder: {name: perceiver, depth: 1}
losses: {forward: {name: forward}}
trainer: {epochs: 1, batch_size: 10, optimizer: adamw, device: cpu}
validation: {metrics: {relative_l2: relative_l2}}
"""


def trained(folder: Path, redirected: str) -> subprocess.CompletedProcess[str]:
    """``upt train`` with its output led elsewhere by a shell."""
    (folder / "tiny.yaml").write_text(CONFIG)
    command = f'"{sys.executable}" -m upt_core train tiny.yaml --run-dir run {redirected}'
    return subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("redirected", [">&-", "2>&-", ">&- 2>&-"])
def test_closed_streams(tmp_path: Path, redirected: str) -> None:
    done = trained(tmp_path, redirected)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert (tmp_path / "run" / "results.json").is_file()
    assert (tmp_path / "run" / "index.html").is_file()


def test_a_full_disk(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    done = trained(tmp_path, "> /dev/full")
    assert done.returncode == 0, done.stderr
    told = "remark: standard output cannot be written: the disk is full; free some space; the run continues, and prints"
    assert done.stderr.count(told) == 1
    assert (tmp_path / "run" / "results.json").is_file()


def test_a_pipe_that_nobody_reads(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    (tmp_path / "tiny.yaml").write_text(CONFIG)
    command = [sys.executable, "-m", "upt_core", "train", "tiny.yaml", "--run-dir", "run"]
    done = subprocess.run(command, cwd=tmp_path, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert done.returncode == 0, done.stderr
    told = "remark: standard output cannot be written: its reader has closed; the run continues, and prints nothing"
    assert done.stderr.count(told) == 1
    assert (tmp_path / "run" / "results.json").is_file()
