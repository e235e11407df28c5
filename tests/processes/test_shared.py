"""Validation, test, baselines, examples and probes, which the processes share: the figures of one process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from upt_core.processes import ALONE

Found = list[dict[str, Any]]
Start = Callable[[int, str, Path], Found]


@pytest.fixture(scope="module", params=[2, pytest.param(3, marks=pytest.mark.slow)])
def several(request: pytest.FixtureRequest, folder: Path, started: Start) -> Found:
    return started(request.param, "shared", folder)


@pytest.fixture(scope="module")
def alone(folder: Path, shared_scenarios: Any) -> dict[str, Any]:
    """Figures of one process, whose strategy is that of none."""
    return shared_scenarios.figures(ALONE, folder)


def test_figures_of_the_same_batches_are_equal_in_every_bit(several: Found, alone: dict[str, Any]) -> None:
    """Every built-in metric, and one of some time steps; persistence beside the model."""
    for key in (key for key in alone if key.endswith(" 1")):
        for each in several:
            assert each["figures"][key] == alone[key], key


def test_figures_of_other_batches_are_equal_up_to_rounding(several: Found, alone: dict[str, Any]) -> None:
    """The number of samples is no multiple of three; float32 predictions of batches of other sizes."""
    for strategy in ("ddp", "fsdp"):
        key = f"{strategy} 1 None"
        assert several[0]["figures"][key] == several[1]["figures"][key]
        assert several[0]["figures"][key]["valid"] == pytest.approx(alone[key]["valid"], rel=1e-5)
        for row, values in alone[key]["test"].items():
            assert several[0]["figures"][key]["test"][row] == pytest.approx(values, rel=1e-5)


@pytest.mark.parametrize("name", ["early", "early fsdp"])
def test_patience_ends_all_at_the_same_step(name: str, several: Found, tmp_path: Path, shared_scenarios: Any) -> None:
    one = shared_scenarios.ends_early(ALONE, tmp_path)
    assert one["early"]
    for each in several:
        state, expected = dict(each[name]["state"]), dict(one["state"])
        assert each[name]["early"]
        assert state.pop("metrics") == pytest.approx(expected.pop("metrics"), rel=1e-5)
        assert state.pop("best") == pytest.approx(expected.pop("best"), rel=1e-5)
        assert state == expected


@pytest.mark.parametrize("name", ["npz", "points"])
def test_the_mean_field(name: str, several: Found, folder: Path, shared_scenarios: Any) -> None:
    """Sums in float64 in another order, rounded to float32."""
    expected = shared_scenarios.mean_fields(ALONE, folder)[name]
    assert expected.shape == ((1, 12, 1) if name == "npz" else (1, 1, 1))
    for each in several:
        assert torch.allclose(each["mean fields"][name], expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_probes_see_what_one_process_sees_and_each_computes_its_part(
    strategy: str, several: Found, tmp_path: Path, shared_scenarios: Any
) -> None:
    one = shared_scenarios.probes(ALONE, tmp_path)[strategy]
    for rank, each in enumerate(several):
        for name in ("samples", "errors", "slopes", "targets"):
            assert torch.equal(each["probes"][strategy][name], one[name]), name
        own = len(range(rank, one["batches"], len(several)))
        assert each["probes"][strategy]["encoded"] == one["encoded"] // one["batches"] * own


def test_the_gradients_noise_is_that_of_all_rows(several: Found, tmp_path: Path, shared_scenarios: Any) -> None:
    """Float32 gradients of batches that are cut in other ways."""
    one = shared_scenarios.shares_of_noise(ALONE, tmp_path)
    for each in several:
        assert each["noise"] == several[0]["noise"]
        assert each["noise"] == pytest.approx(one, rel=1e-4)


@pytest.mark.parametrize("name", ["examples", "examples fsdp"])
def test_examples_are_those_of_one_process(name: str, several: Found, tmp_path: Path, shared_scenarios: Any) -> None:
    one = shared_scenarios.examples(tmp_path)
    for each in several:
        for key, value in one.items():
            assert torch.allclose(each[name][key].double(), value.double(), rtol=1e-4, atol=1e-5), key


def test_a_metric_without_merge_is_the_firsts_alone(several: Found, tmp_path: Path, shared_scenarios: Any) -> None:
    one = shared_scenarios.without_merge(ALONE, tmp_path)["figures"]
    for each in several:
        assert each["without merge"]["figures"] == pytest.approx(one, rel=1e-5)
    assert [bool(each["without merge"]["said"]) for each in several] == [True, *[False] * (len(several) - 1)]
    assert several[0]["without merge"]["said"] == (
        "remark: validation.metrics: relative_l2 cannot be merged over several processes, so only the first process "
        "validates and the others wait; give the metric a method merge\n"
    )


def test_what_fails_in_one_ends_the_validation_of_all(several: Found) -> None:
    last = len(several) - 1
    assert several[last]["without merge"]["fails"] == ("RuntimeError", "no memory for this one")
    for each in several[:-1]:
        assert each["without merge"]["fails"] == (
            "OtherProcessError",
            f"process {last} of {len(several)} failed; its message gives the cause",
        )


def test_three_divided_go_on_bit_by_bit(several: Found) -> None:
    if len(several) != 3:
        return  # two are in test_fsdp
    for found in several:
        whole, resumed = found["adaptive"]["whole"], found["adaptive"]["resumed"]
        for key, value in whole["model"].items():
            assert torch.equal(value, resumed["model"][key]), key
        assert whole["state"] == resumed["state"]
