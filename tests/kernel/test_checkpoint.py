"""Checkpoints: whole or not at all, plain data, and errors that say what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from upt_core import CheckpointError
from upt_core.training import checkpoint


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.pt"
    checkpoint.save({"x": torch.arange(3)}, path)
    assert checkpoint.load(path)["x"].tolist() == [0, 1, 2]
    assert [p.name for p in path.parent.iterdir()] == ["a.pt"]


def test_a_missing_file_lists_those_there_are(tmp_path: Path) -> None:
    checkpoint.save({}, tmp_path / "last.pt")
    with pytest.raises(CheckpointError, match=r"best.pt: there is no such checkpoint; there are: last.pt"):
        checkpoint.load(tmp_path / "best.pt")


@pytest.mark.parametrize("kept", [0, 10, 400])
def test_a_truncated_file(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "a.pt"
    checkpoint.save({"x": torch.zeros(1000)}, path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match="cannot be read as a checkpoint"):
        checkpoint.load(path)


def test_another_file(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    torch.save([1, 2], path)
    with pytest.raises(CheckpointError, match="this is not a checkpoint written by upt"):
        checkpoint.load(path)


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    torch.save({"format": 2, "x": Path("/")}, path)
    with pytest.raises(CheckpointError, match="cannot be read as a checkpoint"):
        checkpoint.load(path)


def test_a_newer_format(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    torch.save({"format": 99}, path)
    with pytest.raises(CheckpointError, match=r"written by a newer upt \(format 99\); install that version"):
        checkpoint.load(path)


def test_another_architecture_names_what_differs(tmp_path: Path) -> None:
    small, large = torch.nn.Linear(2, 2), torch.nn.Linear(2, 3)
    with pytest.raises(CheckpointError, match=r"weight has shape \(2, 2\), the model \(3, 2\)"):
        checkpoint.load_model(large, small.state_dict(), tmp_path / "a.pt")
