"""The benchmark of inverse_decoding runs as a whole, at a small size."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from upt_core.cli import main


def test_the_whole_at_a_small_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("UPT_TEST_DATA", raising=False)
    done = CliRunner().invoke(main, ["bench", "inverse", "--quick", "--out", str(tmp_path), "--device", "cpu"])
    assert done.exit_code == 0, done.output
    plain = json.loads((tmp_path / "results.json").read_text())
    trained = {(row["data"], row["reads"]): row["relative_l2"] for row in plain["curves"]["inverse_training"]}
    assert len(trained) == 3 * 4
    assert {f"error_{reads}" for reads in ("none", "decoded", "mixed", "coarse")} <= {
        row["key"] for row in plain["figures"]
    }
