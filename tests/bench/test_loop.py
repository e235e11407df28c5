"""``upt bench loop`` at a small size: it runs, and its figures are what they say."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from upt_bench.setting import Setting
from upt_bench.suites import SUITES


@pytest.mark.slow
def test_a_quick_run(tmp_path: Path) -> None:
    results = SUITES["loop"].run(Setting(torch.device("cpu"), quick=True), tmp_path)
    figures = {figure.key: figure for figure in results.figures}
    assert figures.keys() == {"trainer_over_bare_loop", "checkpoint_stall", "warm_up"}
    assert 0.2 < figures["trainer_over_bare_loop"].measured < 20
    assert figures["checkpoint_stall"].measured > 0
    assert 0.5 < figures["warm_up"].measured < 2
    assert (tmp_path / "results.json").is_file()
