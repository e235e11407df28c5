"""The formulas of docs/scale.md against the bytes of small runs, and its table against its formulas."""

from __future__ import annotations

import re
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


@pytest.fixture(scope="module", params=[2, pytest.param(3, marks=pytest.mark.slow)])
def costs(request: pytest.FixtureRequest, folder: Path, started: Start) -> dict[str, Any]:
    return started(request.param, "costs", folder)[0]


@pytest.fixture(scope="module", params=[2, pytest.param(3, marks=pytest.mark.slow)])
def holdings(request: pytest.FixtureRequest, folder: Path, started: Start) -> Found:
    return started(request.param, "holdings", folder)


def summed(found: Found, key: str, what: str) -> int:
    """Over all processes."""
    return sum(each[key][what] for each in found)


class TestHeld:
    """A parameter with fewer rows than processes lies on some of them only: of what is divided, the sum is compared."""

    @pytest.mark.parametrize("what", ["parameters", "gradients", "average"])
    def test_4_p_and_its_part(self, what: str, holdings: Found) -> None:
        whole = holdings[0]["ddp adamw"]["all"]
        assert all(each["ddp adamw"][what] == whole for each in holdings)
        assert summed(holdings, "fsdp adamw", what) == whole

    def test_buckets_of_ddp(self, holdings: Found) -> None:
        """One number more, of the parameter that nothing uses."""
        assert all(each["ddp adamw"]["buckets"] == each["ddp adamw"]["all"] + 4 for each in holdings)

    def test_whole_gradients_within_a_window(self, holdings: Found) -> None:
        for each in holdings:
            assert each["ddp adamw"]["within a window"] == each["ddp adamw"]["all"]
            assert each["fsdp adamw"]["within a window"] == each["fsdp adamw"]["all"]

    def test_adamw_8_p(self, holdings: Found) -> None:
        whole = 2 * holdings[0]["ddp adamw"]["all"]
        assert all(each["ddp adamw"]["optimizer"] == whole for each in holdings)
        assert summed(holdings, "fsdp adamw", "optimizer") == whole

    def test_muon_4_p_of_the_hidden_weights(self, holdings: Found) -> None:
        """AdamW has the others."""
        found = holdings[0]["ddp muon"]
        whole = found["hidden"] + 2 * (found["all"] - found["hidden"])
        assert 0 < found["hidden"] < found["all"]
        assert all(each["ddp muon"]["optimizer"] == whole for each in holdings)
        assert summed(holdings, "fsdp muon", "optimizer") == whole

    def test_soap_is_not_divided(self, holdings: Found) -> None:
        """Two moments of every weight, two factors and two bases of each matrix; AdamW's part is divided."""
        whole = holdings[0]["ddp soap"]
        assert whole["optimizer"] > 2 * whole["all"]
        for each in holdings:
            assert each["ddp soap"]["optimizer"] == whole["optimizer"]
            assert each["fsdp soap"]["optimizer"] > 0.9 * whole["optimizer"]

    def test_the_whole_model_while_it_validates(self, holdings: Found) -> None:
        for each in holdings:
            assert each["fsdp adamw"]["validating"] == each["fsdp adamw"]["all"]


def test_checkpoints(holdings: Found) -> None:
    """16 P in one file, or divided; the best weights are 8 P."""
    whole = holdings[0]["ddp adamw"]["all"]
    assert holdings[0]["ddp adamw"]["last"] == 4 * whole
    assert summed(holdings, "fsdp adamw", "last") == 4 * whole
    assert holdings[0]["fsdp adamw"]["best"] == 2 * whole


def test_fsdp_gathers_half_the_bytes_in_bf16_and_sums_in_float32(holdings: Found) -> None:
    sent = holdings[0]["half"]
    assert sent["_allgather_base_"] == 2 * 2 * sent["padded"]
    assert sent["_reduce_scatter_base_"] == 4 * sent["padded"]


def test_visits_take_13_bytes_each(holdings: Found) -> None:
    """And three sizes of 8 bytes from each process."""
    sent = holdings[0]["visits"]
    assert sent["bytes"] == 13 * sent["points"] + 24 * len(holdings)


def test_ddp_sends_the_gradient_once(costs: dict[str, Any]) -> None:
    """With one more parameter, which DDP needs, and a flag for each."""
    sent = costs["sent"]["ddp"]
    assert sent["allreduce_"] == 4 * (sent["parameters"] + 1) + 4 * (sent["count"] + 1) + MESSAGE


def test_fsdp_gathers_twice_and_reduces_once_for_a_call_of_each_part(costs: dict[str, Any]) -> None:
    sent = costs["sent"]["fsdp"]
    assert sent["_allgather_base_"] == 2 * 4 * sent["padded"]
    assert sent["_reduce_scatter_base_"] == 4 * sent["padded"]
    assert sent["parameters"] <= sent["padded"]


def test_a_window_of_two_batches_sends_gradients_once(costs: dict[str, Any]) -> None:
    assert costs["sent"]["ddp"]["window"] == costs["sent"]["ddp"]["allreduce_"]
    assert costs["sent"]["fsdp"]["window"] == costs["sent"]["fsdp"]["_reduce_scatter_base_"]


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


def test_the_page_names_the_test_of_each_formula() -> None:
    """All tests of this file but this one, and none that is not here."""
    own = {name for scope in (globals(), vars(TestHeld)) for name in scope if name.startswith("test_")}
    named = set(re.findall(r"`(test_\w+)`", PAGE.read_text(encoding="utf-8")))
    assert named == own - {"test_the_page_names_the_test_of_each_formula"}
