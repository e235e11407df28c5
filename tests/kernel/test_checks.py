"""Trajectories of every split are checked before the first step, at bounded cost, and each refusal says where."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from upt_core import (
    DataError,
    Dataset,
    DataSpec,
    Experiment,
    FieldSpec,
    InMemory,
    Split,
    Trajectories,
    Trajectory,
    UserError,
    split_indices,
)
from upt_core.data.checks import check_split, check_trajectory, said
from upt_core.data.prepared import PreparedData

Tiny = Callable[..., Experiment]
U = FieldSpec("u")
SPEC = DataSpec((U,), (U,), (1.0,), (False,), None, ("c",))


def sound(**changes: Any) -> Trajectory:
    parts: dict[str, Any] = {
        "fields": {"u": torch.rand(4, 5, 1)},
        "coords_NX": torch.rand(5, 1),
        "time_T": torch.arange(4.0),
        "condition": {"c": 1.0},
    }
    return Trajectory(**{**parts, **changes})


def spoilt(value: float, time: int = 2) -> Tensor:
    u_TNC = torch.rand(4, 5, 1)
    u_TNC[time, 1] = value
    return u_TNC


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fields": {}}, r"here: field 'u' is missing; found: none; correct the data set"),
        (
            {"fields": {"u": torch.rand(4, 5, 1) * 1j}},
            r"'u' holds complex numbers; .*; give its real and imaginary part",
        ),
        ({"fields": {"u": torch.ones(4, 5, 1) > 0}}, r"field 'u' holds bool; expected real .*; convert it to floats"),
        (
            {"fields": {"u": torch.rand(4, 6, 1)}},
            r"'u' has shape \(4, 6, 1\), expected \(4, 5, 1\) \(times, points, ch",
        ),
        ({"fields": {"u": spoilt(float("nan"))}}, r"'u' has NaN or infinite values, first at time step 2; remove or"),
        ({"fields": {"u": spoilt(float("inf"), 0)}}, r"'u' has NaN or infinite values, first at time step 0"),
        ({"coords_NX": torch.full((5, 1), torch.nan)}, r"here: a coordinate is NaN or infinite; remove or repair it"),
        ({"time_T": torch.tensor([0.0, 2, 1, 3])}, r"here: physical time must increase .*; the smallest step is -1"),
        ({"time_T": torch.tensor([0.0, 1, torch.nan, 3])}, r"here: physical time must increase from step to step"),
        ({"condition": {}}, r"here: condition 'c' is missing; found: none; correct the data set"),
        ({"condition": {"c": float("nan")}}, r"here: condition 'c' is NaN or infinite; remove or repair it"),
        ({"condition": {"c": torch.rand(3)}}, r"condition 'c' has 3 values; expected one, or one for each of the 4"),
    ],
)
def test_what_cannot_be_used_is_refused(changes: dict[str, Any], message: str) -> None:
    check_trajectory(sound(), SPEC, "here")
    with pytest.raises(DataError, match=message):
        check_trajectory(sound(**changes), SPEC, "here")


class Given(Dataset):
    """Sound trajectories, but for one split."""

    def __init__(self, split: Split, bad: Trajectory) -> None:
        self.split, self.bad = split, bad

    def spec(self) -> DataSpec:
        return SPEC

    def trajectories(self, split: Split) -> Trajectories:
        return InMemory([sound(), self.bad if split == self.split else sound()])


@pytest.mark.parametrize(("split", "named"), [("valid", "validation"), ("test", "test")])
def test_other_splits_than_training_are_checked(split: Split, named: str) -> None:
    prepared = PreparedData(Given(split, sound(fields={"u": spoilt(float("nan"))})))
    with pytest.raises(DataError, match=rf"trajectory 1 of the {named} split: field 'u' has NaN or infinite values"):
        prepared.check_splits()


def test_of_a_large_split_a_part_is_read() -> None:
    class Counting(InMemory):
        reads: ClassVar[list[int]] = []

        def read(self, index: int, start: int, stop: int) -> Trajectory:
            self.reads.append(index)
            return super().read(index, start, stop)

    trajectories = Counting([sound() for _ in range(100)])
    check_split(trajectories, SPEC, "test", most_values=5 * 20)
    assert Counting.reads == [0, 0, 25, 50, 74, 99]  # the first tells the size


def test_slow_reading_says_how_far_it_came(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(said([7, 8, 9], "measuring the training split", every=0.0)) == [7, 8, 9]
    assert "remark: measuring the training split: 2 of 3 trajectories read" in capsys.readouterr().err
    list(said(range(3), "quick"))
    assert capsys.readouterr().err == ""


def waves(num: int = 12) -> npt.NDArray[np.float64]:
    """Moving waves (trajectories, times, points)."""
    phase = np.random.default_rng(0).random((num, 1, 1))
    return np.sin(2 * np.pi * (np.arange(32) / 32 - phase - np.linspace(0, 0.5, 4)[:, None]))


def saved(folder: Path, u: npt.NDArray[np.float64]) -> dict[str, Any]:
    """Settings of a data set of this file."""
    np.savez(folder / "u.npz", u=u, x=np.arange(32) / 32, t=np.linspace(0, 0.5, 4))
    return {"name": "npz", "path": str(folder / "u.npz")}


def test_a_metric_that_is_never_finite_ends_clearly(tiny: Tiny, run_dir: Path, tmp_path: Path) -> None:
    u = waves()
    u[split_indices(12, "valid", 0.1, 0.1)] *= 1e200  # finite in the file, infinite in float32
    experiment = tiny(data=saved(tmp_path, u))
    message = (
        r"relative_l2, which decides which state is the best, was NaN or infinite in every validation, so there "
        r"is no best"
    )
    with pytest.raises(UserError, match=message):
        experiment.train(run_dir)
    assert (run_dir / "checkpoints" / "last.pt").is_file()


def test_a_sample_at_rest_is_remarked_on(
    tiny: Tiny, run_dir: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    u = waves()
    u[split_indices(12, "test", 0.1, 0.3)[0]] = 0
    experiment = tiny(data=saved(tmp_path, u) | {"test_fraction": 0.3}, losses={"rel": {"name": "relative_lp"}})
    assert experiment.train(run_dir)["model"]["relative_l2"] < 3
    assert "remark: relative_l2: 3 of 12 targets are at rest (below 1% of the" in capsys.readouterr().err
