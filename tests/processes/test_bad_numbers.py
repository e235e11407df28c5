"""Numbers that go bad in one process: all stop, leave the step out or go back together, with and without sharding."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from upt_core.training.saver import newest

Found = list[dict[str, Any]]
Start = Callable[[int, str, Path], Found]


@pytest.fixture(scope="module", params=[2, pytest.param(3, marks=pytest.mark.slow)])
def several(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, started: Start) -> Any:
    folder = tmp_path_factory.mktemp("bad")
    return started(request.param, "bad_numbers", folder), folder


@pytest.fixture(params=["ddp", "fsdp"])
def strategy(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


def assert_equal_and_finite(found: list[dict[str, Any]]) -> None:
    for each in found:
        assert each["finite"]
        assert all(torch.equal(value, each["weights"][name]) for name, value in found[0]["weights"].items())


def test_stop_names_term_and_process_and_keeps_the_rows_of_that_process(several: Any, strategy: str) -> None:
    found, folder = [each[f"stop {strategy}"] for each in several[0]], several[1]
    last = len(found) - 1
    for each in found:
        assert each["error"].startswith("BadNumbersError: losses.odd: the term became nan at step 5 (epoch 1); lower")
        assert each["error"].endswith(f"(process {last})")
    file = folder / f"stop-{strategy}" / "bad-batch-5.pt"
    rows = found[last]["rows"].tolist()
    assert found[0]["notes"] == [f"the batch: training samples {rows}", f"its inputs are in {file}"]
    assert torch.load(file, weights_only=True)["sample_B"].tolist() == rows
    assert all(each["notes"] == [] for each in found[1:])
    assert_equal_and_finite(found)
    kept = newest(folder / f"stop-{strategy}" / "checkpoints")
    assert kept is not None
    assert 2 <= kept[0]["state"]["step"] <= 5


def test_skip_leaves_the_step_out_in_all(several: Any, strategy: str) -> None:
    found = [each[f"skip {strategy}"] for each in several[0]]
    assert_equal_and_finite(found)
    for each in found:
        assert each["error"] == ""
        assert each["state"] == {"step": each["all"], "updates": each["all"], "skipped": 2}
    assert "remark: step 3 is skipped: losses.odd: the term became nan at step 3 (epoch 1)" in found[0]["said"]
    assert "skipped" not in found[1]["said"]


def test_a_spike_in_one_is_left_out_in_all(several: Any, strategy: str) -> None:
    found = [each[f"spike {strategy}"] for each in several[0]]
    assert_equal_and_finite(found)
    assert [each["state"]["skipped"] for each in found] == [1] * len(found)
    assert "over 10 times its running mean" in found[0]["said"]


def test_rewind_goes_back_together(several: Any, strategy: str) -> None:
    found = [each[f"rewind {strategy}"] for each in several[0]]
    assert_equal_and_finite(found)
    for each in found:
        assert each["error"] == ""
        assert each["state"]["step"] == each["all"]
        assert each["lr"] == 0.5
    assert "continuing from step 0 with 0.5 times the learning rate" in found[0]["said"]


def test_rewinding_for_ever_ends_all(several: Any, strategy: str) -> None:
    for each in (each[f"for ever {strategy}"] for each in several[0]):
        assert each["error"].startswith(
            "UserError: training was rewound 5 times, and values became NaN or infinite again: losses.odd: the"
        )
