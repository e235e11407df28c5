"""Processes that train together hold the same scores, those of one process that saw everything."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from upt_core import Queries
from upt_samplers.importance import Importance

WORKER = Path(__file__).with_name("ranks_worker.py")


@pytest.fixture
def worker() -> Any:
    spec = importlib.util.spec_from_file_location("ranks_worker", WORKER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def of_both_ranks(tmp_path: Path) -> list[list[torch.Tensor]]:
    """(after visits, after a refresh) of rank 0 and of rank 1."""
    files = [tmp_path / f"state_{rank}.pt" for rank in (0, 1)]
    started = [
        subprocess.Popen([sys.executable, str(WORKER), str(rank), str(tmp_path / "meeting"), str(files[rank])])
        for rank in (0, 1)
    ]
    assert [process.wait(timeout=120) for process in started] == [0, 0]
    return [torch.load(file, weights_only=True) for file in files]


def test_ranks_hold_the_scores_of_one_process_that_saw_everything(tmp_path: Path, worker: Any) -> None:
    first, second = of_both_ranks(tmp_path)
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one, other)

    alone = Importance(block=4)
    alone.refresh(worker.Errors(0), worker.START)
    refreshed = alone.state_dict()["value_SK"]
    for step in range(4):
        rows = [worker.seen(rank, step) for rank in (0, 1)]
        samples = [sample for own, _, _ in rows for sample in own]
        index_BQ = torch.cat([torch.nn.functional.pad(index, (0, 16 - index.shape[1])) for _, index, _ in rows])
        error_BQ = torch.cat([torch.nn.functional.pad(error, (0, 16 - error.shape[1])) for _, _, error in rows])
        weight_BQ = torch.cat(
            [(torch.arange(16) < index.shape[1]).float().expand(len(index), -1) for _, index, _ in rows]
        )
        alone.observe(worker.points_of(samples), Queries(index_BQ, weight_BQ), error_BQ)
    assert torch.allclose(first[0], alone.state_dict()["value_SK"], rtol=1e-6)
    assert not torch.equal(first[0], refreshed)
    assert torch.equal(first[1], refreshed)
