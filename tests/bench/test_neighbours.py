"""The benchmark of neighbourhoods runs as a whole, at a small size."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from upt_core.cli import main


def test_the_whole_at_a_small_size(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["bench", "neighbours", "--quick", "--out", str(tmp_path), "--device", "cpu"])
    assert done.exit_code == 0, done.output
    assert "upt bench neighbours" in done.output
    plain = json.loads((tmp_path / "results.json").read_text())
    figures = {row["key"]: row for row in plain["figures"]}
    assert set(figures) == {f"{case}_{what}" for case in ("grid", "cloud") for what in ("step", "heard", "once")} | {
        "tree"
    }
    assert figures["grid_heard"]["measured"] == figures["cloud_heard"]["measured"] == 100
    assert [row["points"] for row in plain["curves"]["supernode_steps"]] == [256, 1024, 300, 600, 1200, 2400]
    assert len(plain["curves"]["neighbour_searches"]) == 2 * 5
    assert plain["environment"]["quick"] is True
    assert (tmp_path / "neighbours.png").read_bytes().startswith(b"\x89PNG")
