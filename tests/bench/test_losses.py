"""The benchmark of losses runs as a whole, at a small size; memory is counted right."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from upt_bench.saved import saved_bytes
from upt_core.cli import main


def test_the_whole_at_a_small_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPT_CACHE", str(tmp_path / "cache"))
    done = CliRunner().invoke(main, ["bench", "losses", "--quick", "--out", str(tmp_path), "--device", "cpu"])
    assert done.exit_code == 0, done.output
    assert "upt bench losses" in done.output
    plain = json.loads((tmp_path / "results.json").read_text())
    assert {row["key"] for row in plain["figures"]} == {
        "decoder_half",
        "decoder_half_bf16",
        "step_half",
        "inverse_half",
        "inverse_half_memory",
        "inverse_cost",
        "inverse_cost_half",
    }
    rows = plain["curves"]["loss_costs"]
    assert len(rows) == 5 * 4
    mib = {(row["losses"], row["ratio"]): row["mib_fp32"] for row in rows}
    assert mib["inverse_encoding", 0.25] < 0.7 * mib["inverse_encoding", 1.0]
    assert mib["inverse_decoding", 0.25] == mib["inverse_decoding", 1.0]  # a grid encoder reads the whole grid
    assert (tmp_path / "costs.png").read_bytes().startswith(b"\x89PNG")


def test_saved_bytes_counts_each_memory_once_and_parameters_not() -> None:
    weight = torch.rand(100, 50, requires_grad=True)
    x = torch.rand(10, 100)

    def compute() -> torch.Tensor:
        hidden = (x @ weight).sigmoid()  # keeps x, weight and its own value
        return (hidden * hidden.detach().view(-1).view(10, 50)).sum()  # keeps a view of the same value

    assert saved_bytes(compute, [weight]) == 4 * (10 * 100 + 10 * 50)
    assert saved_bytes(compute, [weight, x]) == 4 * 10 * 50
