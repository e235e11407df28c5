"""The formulas of docs/scale.md against the bytes of small runs, and its table against its formulas."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from upt_core import Experiment

Found = list[dict[str, Any]]
Start = Callable[[int, str, Path], Found]
PAGE = Path(__file__).parents[2] / "docs" / "scale.md"
GIB = 2**30
MESSAGE = 8
"""Bytes that the processes exchange to learn whether numbers went bad."""


@pytest.fixture(scope="module", params=[2, 3])
def costs(request: pytest.FixtureRequest, folder: Path, started: Start) -> dict[str, Any]:
    return started(request.param, "costs", folder)[0]


def test_ddp_sends_the_gradient_once(costs: dict[str, Any]) -> None:
    """With one more parameter, which DDP needs, and a flag for each."""
    sent = costs["sent"]["ddp"]
    assert sent["allreduce_"] == 4 * (sent["parameters"] + 1) + 4 * (sent["count"] + 1) + MESSAGE


def test_fsdp_gathers_twice_and_reduces_once_for_a_call_of_each_part(costs: dict[str, Any]) -> None:
    sent = costs["sent"]["fsdp"]
    assert sent["_allgather_base_"] == 2 * 4 * sent["padded"]
    assert sent["_reduce_scatter_base_"] == 4 * sent["padded"]
    assert sent["parameters"] <= sent["padded"]


def test_an_adaptive_sampler_remembers_blocks_of_samples(costs: dict[str, Any]) -> None:
    samples, blocks = costs["scores"].shape
    assert samples == costs["samples"]
    assert blocks <= 8192
    assert costs["scores"].nbytes == 4 * samples * blocks


def test_a_probe_sends_a_number_for_each_point(costs: dict[str, Any]) -> None:
    assert costs["probe"]["points"] == costs["samples"] * 32
    assert costs["probe"]["bytes"] == 4 * costs["probe"]["points"]


def test_bytes_of_a_sample(scenarios: Any) -> None:
    built = Experiment.from_dict({**scenarios.BASE, "trainer": {**scenarios.BASE["trainer"], "batch_size": 1}}).build()
    batch, data = built.train[0], built.prepared.data
    points = batch.points.num_points
    held = batch.input_BNC.nbytes + batch.target_BTNC.nbytes + batch.points.coords_BNX.nbytes
    assert held == 4 * (2 * data.target_channels + batch.points.coords_BNX.shape[-1]) * points


@pytest.mark.parametrize("power", [8, 9, 10])
def test_the_table(power: int) -> None:
    parameters = 10**power
    fields = [f"1·10{'⁰¹²³⁴⁵⁶⁷⁸⁹'[power] if power < 10 else '¹⁰'}", f"{24 * parameters / GIB:.2f}"]
    fields += [f"{20 * parameters / size / GIB:.2f}" for size in (8, 64, 512)]
    assert f"| {' | '.join(fields)} |" in PAGE.read_text(encoding="utf-8")
