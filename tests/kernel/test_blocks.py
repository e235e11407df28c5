"""Trajectories that are larger than memory are measured block by block, with the same result."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from upt_core import DataError, DataSpec, FieldSpec, InMemory, TargetPoints, Trajectory
from upt_core.data.blocks import Blocks
from upt_core.data.checks import check_split
from upt_core.data.prepared import Survey
from upt_core.data.training_data import TrainingData

SPEC = DataSpec(
    (FieldSpec("u"), FieldSpec("k")), (FieldSpec("u"),), extent=(1.0,), periodic=(False,), grid_shape=(5,),
    condition=("c",),
)  # fmt: skip


def one(num_times: int) -> Trajectory:
    rng = torch.Generator().manual_seed(num_times)
    return Trajectory(
        {"u": torch.randn(num_times, 5, 1, generator=rng) + 3, "k": torch.randn(1, 5, 1, generator=rng)},
        torch.arange(5).double().unsqueeze(1) / 5,
        torch.rand(num_times, generator=rng).cumsum(0),
        {"c": torch.rand(num_times, generator=rng)},
    )


@pytest.mark.parametrize("num_times", [2, 3, 4, 5, 12, 13])
def test_every_step_is_in_one_block(num_times: int) -> None:
    found = list(Blocks(InMemory([one(num_times)]), most=30).of(0))  # 10 values at each time
    assert all(len(block.time_T) <= 6 for _, block in found)
    steps = torch.cat([block.time_T.diff() for _, block in found])
    assert torch.equal(steps, one(num_times).time_T.diff())
    assert [start for start, _ in found] == list(range(0, num_times - 1, 2))


def test_a_steady_problem_comes_in_one_block() -> None:
    assert [len(block.time_T) for _, block in Blocks(InMemory([one(1)]), most=2).of(0)] == [1]


def test_targets_at_points_of_their_own_count() -> None:
    """A few sensors in and the whole field out: the field is what fills the memory."""
    whole = one(12)
    field = TargetPoints({"u": torch.zeros(12, 90, 1)}, torch.arange(90).double().unsqueeze(1) / 90)
    sizes = [len(b.time_T) for _, b in Blocks(InMemory([replace(whole, targets=field)]), most=300).of(0)]
    assert max(sizes) == 3  # 100 values at each time


def test_a_trajectory_without_time_steps_is_refused() -> None:
    class Empty:
        def __len__(self) -> int:
            return 1

        def num_times(self, index: int) -> int:
            return 0

        def read(self, index: int, start: int, stop: int) -> Trajectory:
            fields = {"u": torch.zeros(0, 5, 1), "k": torch.zeros(0, 5, 1)}
            return Trajectory(fields, torch.arange(5).double().unsqueeze(1) / 5, torch.zeros(0), {"c": 1.0})

    with pytest.raises(DataError, match="trajectory 0 of the training split has 0 time steps; expected at least 2"):
        Survey.of(Empty(), SPEC)


def test_the_survey_is_the_same_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    trajectories = InMemory([one(12), one(13)])
    whole = Survey.of(trajectories, SPEC)
    monkeypatch.setattr(Blocks.__init__, "__defaults__", (30,))
    pieces = Survey.of(trajectories, SPEC)
    assert pieces.data() == whole.data()
    assert (pieces.shortest, pieces.longest) == (whole.shortest, whole.longest)
    for name in ("mean_C", "std_C", "condition_mean_P", "condition_std_P"):
        torch.testing.assert_close(getattr(pieces.normalization(), name), getattr(whole.normalization(), name))
    assert {name: m.count for name, m in pieces.fields.items()} == {"u": 25 * 5, "k": 10}


def test_the_ranges_are_the_same_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    trajectories = InMemory([one(12), one(13)])
    data = Survey.of(trajectories, SPEC).data()
    whole = TrainingData.of({"train": trajectories}, data)
    monkeypatch.setattr(Blocks.__init__, "__defaults__", (30,))
    pieces = TrainingData.of({"train": trajectories}, data)
    for name in ("low_C", "high_C", "mean_C", "std_C"):  # the frame at which a block begins was counted twice
        torch.testing.assert_close(getattr(pieces, name), getattr(whole, name))
    assert (pieces.time_step, pieces.condition) == (whole.time_step, whole.condition)
    assert pieces.differences(whole) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda late: late.fields["u"][9].add_(1e-3),
        lambda late: late.time_T[9:].add_(1e-3),
        lambda late: late.condition["c"][9:].add_(1e-3),
        lambda late: late.coords_NX[3].add_(1e-3),
        lambda late: late.measure_N[3].add_(1e-3),
    ],
    ids=["field", "times", "condition", "points", "measure"],
)
def test_what_changes_late_in_a_trajectory_is_noticed(monkeypatch: pytest.MonkeyPatch, change: Any) -> None:
    found = []
    for size in (30, 10**6):
        monkeypatch.setattr(Blocks.__init__, "__defaults__", (size,))
        plain, late = (replace(one(12), measure_N=torch.ones(5, dtype=torch.float64)) for _ in range(2))
        data = Survey.of(InMemory([plain]), SPEC).data()
        before = TrainingData.of({"train": InMemory([plain])}, data)
        change(late)
        after = TrainingData.of({"train": InMemory([late])}, data)
        assert before.differences(after) == [
            "the trajectories begin like those of the run, but continue differently: other values, times or points"
        ]
        found.append(after)
    assert found[0].content == found[1].content


def test_a_bad_value_is_found_at_its_time_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Blocks.__init__, "__defaults__", (30,))
    trajectory = one(12)
    trajectory.fields["u"][7, 2] = torch.nan
    with pytest.raises(DataError, match=r"of the test split: field 'u' has NaN or infinite values, first at time step"):
        check_split(InMemory([trajectory]), SPEC, "test")
    with pytest.raises(DataError, match=r"first at time step 7; remove"):
        Survey.of(InMemory([trajectory]), SPEC)
