"""The benchmark of kinds of attention runs as a whole, at a small size."""

from __future__ import annotations

from pathlib import Path

import torch

from upt_bench.setting import Setting
from upt_bench.suites import SUITES


def test_every_kind_at_every_size(tmp_path: Path) -> None:
    results = SUITES["attention"].run(Setting(torch.device("cpu"), quick=True), tmp_path)
    rows = results.curves["attention"]
    assert [(row["tokens"], row["attention"]) for row in rows] == [
        (tokens, kind) for tokens in (16, 64) for kind in ("full", "windowed", "linear")
    ]
    assert all(row["ms"] > 0 for row in rows)
    figures = {figure.key: figure for figure in results.figures}
    assert list(figures) == ["growth_full", "growth_windowed", "growth_linear", "windowed_to_full", "linear_to_full"]
    assert (tmp_path / "results.json").is_file()
