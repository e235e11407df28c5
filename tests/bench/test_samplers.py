"""The benchmark of samplers runs as a whole, at a small size; its parts say what they should."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result

from upt_bench.clock import medians
from upt_bench.field_variance import uniform_variance
from upt_bench.results import Figure, Results
from upt_bench.rivals import block_loop
from upt_core.cli import main

KEYS = {
    "uniform_growth",
    "uniform_speedup",
    "uniform_small",
    "importance_draw",
    "stratified_speedup",
    "stratified_rows",
    "gather",
    "waits",
    "sobol_worst",
    "stratified_rough",
    "importance_gradient_32",
    "coordinated",
    "sobol_gradient",
    "sampling_share",
    "share_of_step",
    "flow_training",
    "accuracy_burgers1d",
    "accuracy_burgers2d",
}


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    out = tmp_path_factory.mktemp("bench")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UPT_CACHE", str(out / "cache"))
        patch.delenv("UPT_TEST_DATA", raising=False)
        return CliRunner().invoke(main, ["bench", "samplers", "--quick", "--out", str(out), "--device", "cpu"]), out


def test_the_whole_at_a_small_size(quick: tuple[Result, Path]) -> None:
    done, out = quick
    assert done.exit_code == 0, done.output
    plain: dict[str, Any] = json.loads((out / "results.json").read_text())
    assert {figure["key"] for figure in plain["figures"]} == KEYS
    assert all(figure["reached"] is None for figure in plain["figures"])  # small sizes reach no goal
    assert {figure["measured"] for figure in plain["figures"] if figure["key"] == "waits"} == {0}
    assert plain["environment"]["quick"] is True
    assert {"torch", "processor", "load", "device", "seconds"} <= set(plain["environment"])
    for figure in plain["figures"]:
        assert figure["measured"] >= 0
    for picture in ("speed.png", "variance.png"):
        assert (out / picture).read_bytes().startswith(b"\x89PNG")


def test_the_table_tells_figures_and_goals(quick: tuple[Result, Path]) -> None:
    assert "upt bench samplers" in quick[0].output
    assert "host synchronisations in a draw" in quick[0].output
    assert "results.json" in quick[0].output


def test_results_through_a_file(quick: tuple[Result, Path], tmp_path: Path) -> None:
    results = Results.load(quick[1] / "results.json")
    results.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_text() == (quick[1] / "results.json").read_text()


def test_data_that_are_not_there(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["bench", "samplers", "--data", str(tmp_path / "absent")])
    assert done.exit_code == 2
    assert "absent: no such folder; name a folder of real data sets, or leave it out" in done.output


@pytest.mark.parametrize(
    ("measured", "better", "reached"),
    [(1.0, "at most", True), (1.1, "at most", False), (1.0, "at least", True), (0.9, "at least", False)],
)
def test_goals(measured: float, better: Any, reached: bool) -> None:
    assert Figure("key", "text", measured, 1.0, better).reached is reached
    assert Figure("key", "text", measured, None, better).reached is None


def test_actions_are_measured_in_turn() -> None:
    seen: list[str] = []
    found = medians({"a": lambda: seen.append("a"), "b": lambda: seen.append("b")}, torch.device("cpu"), rounds=2)
    assert set(found) == {"a", "b"}
    first = seen[4:]  # after a first and a second call of each
    assert first[: first.index("b")].count("a") == first[first.index("b") :].count("b") / 2


def test_variance_of_uniform_points_is_exact() -> None:
    """Against all 6 choices of 2 of 4 points."""
    value = torch.tensor([1.0, 2.0, 4.0, 8.0], dtype=torch.float64)
    means = torch.combinations(value, 2).mean(1)
    assert float(uniform_variance(value.unsqueeze(-1), 2)) == pytest.approx(float(means.var(unbiased=False)))


def test_the_block_loop_is_biased_as_it_was() -> None:
    """Q = 2048 of 64 × 64: 45 × 45 blocks, all but the last of one point, so 44 × 44 points come every time."""
    rng = torch.Generator().manual_seed(0)
    times = torch.zeros(64 * 64)
    for _ in range(6):
        index = block_loop(64, 64, 2048, rng)
        assert len(index) == 2048
        times[index.unique()] += 1
    plane = times.view(64, 64)
    assert bool((plane[:44, :44] == 6).all())
    assert float(plane[44:, 44:].mean()) < 0.5
