"""The benchmark of the optimizers' part of a step, at a small size."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from upt_bench.setting import Setting
from upt_bench.suites import SUITES


def test_a_part_is_the_optimizers_time_over_that_of_the_whole_step(tmp_path: Path) -> None:
    results = SUITES["optimizers"].run(Setting(torch.device("cpu"), quick=True), tmp_path)
    seconds = {row["what"]: row["seconds"] for row in results.curves["optimizers"]}
    for figure in results.figures:
        own = seconds[figure.key.removeprefix("part_of_")]
        # the figure is the median of ratios, this the ratio of medians
        assert figure.measured == pytest.approx(own / (own + seconds["forward and backward"]), rel=0.5)
    assert [figure.key for figure in results.figures] == ["part_of_adamw", "part_of_muon", "part_of_soap"]
