"""The benchmark of a step runs as a whole, at a small size."""

from __future__ import annotations

from pathlib import Path

import torch

from upt_bench.results import Results
from upt_bench.setting import Setting
from upt_bench.suites import SUITES


def test_the_whole_at_a_small_size(tmp_path: Path) -> None:
    SUITES["step"].run(Setting(torch.device("cpu"), quick=True), tmp_path)
    results = Results.load(tmp_path / "results.json")
    rows = {row["way"]: row for row in results.curves["step_costs"]}
    memory = {way: row["memory"] for way, row in rows.items()}
    assert memory["plain"] == 1 > memory["decoded"] > memory["mixed"] > memory["mixed, chunks"]
    assert rows["plain"]["time"] == 1
    figures = {figure.key: figure for figure in results.figures}
    assert figures["memory_mixed_chunks"].measured == memory["mixed, chunks"]
    assert figures["time_mixed"].measured == rows["mixed"]["time"]
    assert figures["time_mixed"].noise is not None
    assert all(figure.goal is None for figure in results.figures)  # of a quick run
