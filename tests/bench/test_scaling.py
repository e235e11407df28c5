"""The benchmark of growth runs as a whole, at a small size."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from upt_bench import scaling
from upt_bench.ranks import Stopwatch
from upt_bench.results import Results
from upt_bench.scaling_pictures import draw_pictures
from upt_bench.setting import Setting
from upt_bench.suites import SUITES

CPU = Setting(torch.device("cpu"), quick=True)


def test_growth_is_the_slope_between_the_smallest_and_the_largest(tmp_path: Path) -> None:
    results = Results()
    scaling.measure(CPU, results)
    rows = {axis: [row for row in results.curves["scaling"] if row["axis"] == axis] for axis in ("N", "Q", "L")}
    assert [row["N"] for row in rows["N"]] == [256, 1024]
    assert [row["Q"] for row in rows["Q"]] == [64, 256]
    assert [row["L"] for row in rows["L"]] == [16, 64]
    for axis, (first, last) in rows.items():
        figure = next(figure for figure in results.figures if figure.key == f"growth_{axis}")
        growth = math.log(last["seconds"] / first["seconds"]) / math.log(last[axis] / first[axis])
        assert figure.measured == pytest.approx(growth)
    draw_pictures(results, tmp_path)
    assert (tmp_path / "scaling.png").read_bytes().startswith(b"\x89PNG")


def test_the_first_epoch_does_not_count() -> None:
    stopwatch = Stopwatch()
    stopwatch.noted = [(10, 100.0), (20, 101.0), (30, 103.0), (40, 104.0)]
    assert stopwatch.seconds_of_step() == 0.1


@pytest.mark.slow
def test_the_whole_with_two_processes(tmp_path: Path) -> None:
    results = SUITES["scaling"].run(CPU, tmp_path)
    assert [row["ranks"] for row in results.curves["ranks"]] == [1, 2]
    figure = next(figure for figure in results.figures if figure.key == "ranks")
    assert 0.2 < figure.measured < 5  # quick sizes: messages are most of a step
