"""A model that is divided among processes trains as one that each process holds whole, and as in one process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from upt_core.operator import sharded_file

Found = list[dict[str, Any]]
Start = Callable[[int, str, Path], Found]


@pytest.fixture(scope="module")
def fsdp(folder: Path, started: Start) -> Found:
    return started(2, "fsdp", folder)


@pytest.fixture(scope="module")
def plain(folder: Path, started: Start) -> Found:
    return started(2, "plain", folder)


def last_of(folder: Path) -> dict[str, Any]:
    """The last checkpoint of the only run in a folder."""
    [run] = folder.iterdir()
    last = run / "checkpoints" / "last"
    return sharded_file.read(last if last.is_dir() else last.with_suffix(".pt"))


def assert_close(one: dict[str, Any], other: dict[str, Any], atol: float) -> None:
    """Weights and their moving average."""
    for key, value in one["model"].items():
        assert torch.allclose(value, other["model"][key], atol=atol), key
        assert torch.allclose(one["ema"]["average"][key], other["ema"]["average"][key], atol=atol), key
    assert one["state"]["updates"] == other["state"]["updates"]


class TestAsOneProcess:
    """All points, accumulation over 2 or 3 batches, clipping, moving average, terms with ``every``, a last batch in
    which one process has no row: as the tests of DDP, with their tolerance. 1e-7 was found."""

    @pytest.mark.parametrize("name", ["dense", "tasks", "rare"])
    def test_weights_logs_and_results(
        self, name: str, fsdp: Found, folder: Path, tmp_path: Path, scenarios: Any
    ) -> None:
        alone = scenarios.train(scenarios.AS_ONE[name], tmp_path)
        assert_close(last_of(tmp_path), last_of(folder / f"fsdp-{name}"), 2e-6)
        first, second = (found[name] for found in fsdp)
        assert first["results"] == second["results"]
        assert first["results"]["model"] == pytest.approx(alone["results"]["model"], rel=1e-4)
        for one, several in zip(alone["steps"], first["steps"], strict=True):
            assert several == pytest.approx(one, rel=1e-3)
        for one, several in zip(alone["epochs"], first["epochs"], strict=True):
            assert several.keys() == one.keys()


class TestAsWholeModels:
    """Against DDP on the same rows of as many processes."""

    @pytest.mark.parametrize(("name", "atol"), [("adamw", 2e-4), ("chunked", 2e-6), ("stages", 2e-6)])
    def test_weights(self, name: str, atol: float, fsdp: Found, plain: Found, folder: Path) -> None:
        assert_close(last_of(folder / f"ddp-{name}"), last_of(folder / f"fsdp-{name}"), atol)

    def test_measures_of_an_epoch(self, fsdp: Found, plain: Found) -> None:
        """Gradient shares and sampling shares look at the whole model, on the first process."""
        for one, other in zip(plain[0]["adamw"]["epochs"], fsdp[0]["adamw"]["epochs"], strict=True):
            shares = {key: value for key, value in one.items() if "share" in key}
            assert shares
            assert {key: other[key] for key in shares} == pytest.approx(shares, rel=1e-2)


@pytest.mark.parametrize("name", ["adamw", "muon", "soap"])
def test_steps_along_the_same_gradients(name: str, fsdp: Found) -> None:
    """Muon and SOAP work on whole matrices, gathered for the step; a state that was saved whole is divided again.

    On the CPU Muon moves a whole matrix by one operation, which rounds once, and a divided one by three: at most 1.5
    units in the last place, 6e-8 for weights below 1, in each of 12 steps.
    """
    assert fsdp[0]["optimizers"][name] <= (12 * 1.5 * 6e-8 if name == "muon" else 1e-7)
    assert fsdp[0]["optimizers"][name] == fsdp[1]["optimizers"][name]


def test_each_process_holds_its_part(fsdp: Found) -> None:
    """A cut along the first axis of 1 number leaves the second process without it: parts are equal up to 5 %."""
    first, second = (found["held"] for found in fsdp)
    assert first["parameters"] + second["parameters"] == first["all"]
    assert first["optimizer"] + second["optimizer"] == 2 * first["all"]
    assert first["parameters"] == pytest.approx(first["all"] / 2, rel=0.05)


def test_a_resumed_run_goes_on_bit_by_bit(fsdp: Found) -> None:
    for found in fsdp:
        whole, resumed = found["adaptive"]["whole"], found["adaptive"]["resumed"]
        for key, value in whole["model"].items():
            assert torch.equal(value, resumed["model"][key]), key
        assert whole["state"] == resumed["state"]
        assert found["adaptive"]["stopped"][0] == "Interrupted"


def test_what_cannot_be_divided_is_refused(fsdp: Found) -> None:
    compiled, stages = fsdp[0]["refused"]
    assert "trainer.compile: is true, but fsdp does not compile; use strategy: ddp, or compile: false" in compiled[1]
    assert "trainer.strategy: stages have auto, fsdp, but fsdp divides one model for all" in stages[1]
    assert compiled[0] == stages[0] == "ConfigError"
    assert {kind for kind, _ in fsdp[1]["refused"]} == {"OtherProcessError"}


def assert_losses_agree(found: dict[str, list[float]], formats: dict[str, float]) -> None:
    """Losses of both strategies, by format with the largest relative difference."""
    for precision, rel in formats.items():
        assert len(found[f"{precision} fsdp"]) == 2
        assert found[f"{precision} fsdp"] == pytest.approx(found[f"{precision} ddp"], rel=rel)


def test_bf16_trains_as_with_ddp(folder: Path, started: Start) -> None:
    """FSDP gathers norms and tokens in bf16, too, which autocast leaves in float32: 3 digits of a loss are equal."""
    assert_losses_agree(started(2, "half", folder)[0], {"bf16": 1e-2})


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
def test_nccl_trains_as_with_ddp(folder: Path, started: Start) -> None:
    assert_losses_agree(started(2, "half_on_cuda", folder)[0], {"fp32": 1e-4, "bf16": 1e-2, "fp16": 1e-2})
