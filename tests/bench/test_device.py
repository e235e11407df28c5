"""What the device makes of training: the whole suite at a small size, here on the CPU; on CUDA where there is one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from upt_bench import compiled_steps, cuda_graphs, gathers, precisions, roofline
from upt_bench.results import Results
from upt_bench.roofline import Work
from upt_bench.setting import Setting
from upt_bench.suites import SUITES

CPU = Setting(torch.device("cpu"), quick=True)


def test_a_little_work_for_many_bytes_is_bound_by_bytes_and_much_by_operations() -> None:
    assert Work(flops=10, moved=100).attainable(peak=1000, bandwidth=50) == 5
    assert Work(flops=1e6, moved=100).attainable(peak=1000, bandwidth=50) == 1000


def test_the_roofline_has_both_decoders_and_both_passes() -> None:
    results = Results()
    roofline.measure(CPU, results)
    rows = {(row["decoder"], row["pass"]): row for row in results.curves["roofline"]}
    assert set(rows) == {
        (name, what) for name in ("perceiver", "basis") for what in ("forward", "forward and backward")
    }
    assert all(row["gflops"] > 0 and row["flops_per_byte"] > 0 for row in rows.values())
    assert len(results.figures) == 4


def test_gathers_are_compared_with_each_of_torchs_ways() -> None:
    results = Results()
    gathers.measure(CPU, results)
    assert [row["way"] for row in results.curves["gathers"]] == ["gather_points", "torch.gather", "indexing"]
    assert [figure.key for figure in results.figures] == ["gather_over_torch_gather", "gather_over_indexing"]


def test_half_precision_keeps_less_for_backward() -> None:
    results = Results()
    precisions.measure(CPU, results)
    time, memory = results.figures
    assert (time.key, memory.key) == ("time_bf16", "memory_bf16")
    assert 0.4 < memory.measured < 0.9


def test_graphs_are_counted_and_none_is_made_again() -> None:
    results = Results()
    compiled_steps.measure(CPU, results)
    rows = {row["way"]: row for row in results.curves["compiled"]}
    assert 3 <= rows["parts compiled"]["graphs"] < rows["bundle compiled"]["graphs"]
    assert rows["parts compiled"]["graphs_later"] == 0


def test_without_cuda_its_graphs_are_left_out_and_that_is_said() -> None:
    said: list[str] = []
    results = Results()
    cuda_graphs.measure(Setting(torch.device("cpu"), quick=True, say=said.append), results)
    assert said == ["CUDA graphs are left out: they need a CUDA device"]
    assert results.environment["left_out"] == said[0]
    assert not results.figures


@pytest.mark.gpu
def test_the_whole_on_cuda(cuda: torch.device, tmp_path: Path) -> None:
    results = SUITES["device"].run(Setting(cuda, quick=True), tmp_path)
    keys = {figure.key for figure in results.figures}
    assert {"time_fp16", "graph_approximator", "graph_decoder", "roofline_basis_forward"} <= keys
