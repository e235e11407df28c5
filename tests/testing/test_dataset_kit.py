"""``check_dataset`` refuses wrong data sets, and says what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from upt_core import (
    Dataset,
    DataSpec,
    FieldSpec,
    InMemory,
    Split,
    StackedWindows,
    TargetPoints,
    Trajectories,
    Trajectory,
)
from upt_core.testing import ConformanceError, check_dataset

HERE = Path(__file__)
U = (FieldSpec("u"),)
SPEC = DataSpec(U, U, extent=(2.0,), periodic=(True,), grid_shape=(8,), condition=("viscosity",), origin=(0.0,))
Change = Callable[[Trajectory], Trajectory]


def trajectory(number: int) -> Trajectory:
    rng = torch.Generator().manual_seed(number)
    x_N1 = 2 * torch.arange(8).unsqueeze(1) / 8
    return Trajectory({"u": torch.rand(5, 8, 1, generator=rng)}, x_N1, torch.arange(5) * 0.1, {"viscosity": 0.1})


class Numbers(Dataset):
    """Trajectories by number, with a change for the worse."""

    def __init__(self, change: Change = lambda whole: whole, spec: DataSpec = SPEC, **starts: int) -> None:
        self.change, self.own_spec = change, spec
        self.starts = {"train": 0, "valid": 10, "test": 20} | starts

    def spec(self) -> DataSpec:
        return self.own_spec

    def trajectories(self, split: Split) -> Trajectories:
        return InMemory([self.change(trajectory(self.starts[split] + i)) for i in range(3)])


class Shifted(InMemory):
    def read(self, index: int, start: int, stop: int) -> Trajectory:
        return (
            super().read(index, max(0, start - 1), max(1, stop - 1)) if stop - start < 5 else super().read(index, 0, 5)
        )


class Unseeded(Numbers):
    def trajectories(self, split: Split) -> Trajectories:
        return InMemory([replace(trajectory(0), fields={"u": torch.rand(5, 8, 1)})])


class OffByOne(Numbers):
    def trajectories(self, split: Split) -> Trajectories:
        return Shifted([trajectory(self.starts[split])])


class Empty(Numbers):
    def trajectories(self, split: Split) -> Trajectories:
        return InMemory([] if split == "test" else [trajectory(self.starts[split])])


class OfFile(Numbers):
    def __init__(self, path: Path, named: Sequence[Path] = ()) -> None:
        super().__init__()
        self.path, self.named = path, named

    def files(self) -> Sequence[Path]:
        return self.named


class AtOnce(InMemory):
    """Reads windows at once, with a change for the worse."""

    def __init__(self, wholes: Sequence[Trajectory], change: Callable[[StackedWindows], StackedWindows]) -> None:
        super().__init__(wholes)
        self.change = change

    def read_many(self, windows: Sequence[tuple[int, int, int]]) -> StackedWindows | None:
        found = super().read_many(windows)
        assert found is not None
        return self.change(found)


class Stacked(Numbers):
    def __init__(self, at_once: Callable[[StackedWindows], StackedWindows]) -> None:
        super().__init__()
        self.at_once = at_once

    def trajectories(self, split: Split) -> Trajectories:
        return AtOnce([trajectory(self.starts[split] + i) for i in range(3)], self.at_once)


def turned(found: StackedWindows) -> StackedWindows:
    return replace(found, fields={"u": found.fields["u"].flip(0)})


def fails(found: StackedWindows) -> StackedWindows:
    raise KeyError("u")


AT_ONCE: dict[str, tuple[Callable[[StackedWindows], StackedWindows], str]] = {
    "rows in another order": (turned, r"read_many: field 'u' of window \(0, 0, 2\), row 0 of read_many"),
    "another type": (
        lambda found: replace(found, fields={"u": found.fields["u"].double()}),
        "field 'u' of window .* differs from the result of read",
    ),
    "later times": (lambda found: replace(found, time_BT=found.time_BT + 1), "time_BT of"),
    "another condition": (
        lambda found: replace(found, condition={"viscosity": found.condition["viscosity"] + 1}),
        "condition 'viscosity'",
    ),
    "no condition": (lambda found: replace(found, condition={}), r"conditions \[\] of window"),
    "no field": (lambda found: replace(found, fields={}), r"fields \[\] of window"),
    "other points": (lambda found: replace(found, coords_NX=found.coords_NX + 1), "coords_NX of"),
    "another point set": (lambda found: replace(found, point_set=7), "point_set or grid_shape of"),
    "a measure": (lambda found: replace(found, measure_N=torch.ones(8)), "measure_N of"),
    "an error": (fails, r"KeyError \('u'\) in read_many\(\[\(0, 0, 2\)"),
}


@pytest.mark.parametrize("name", AT_ONCE)
def test_windows_that_are_read_at_once_are_those_that_are_read_alone(name: str) -> None:
    change, message = AT_ONCE[name]
    check_dataset(Stacked(lambda found: found))
    with pytest.raises(ConformanceError, match=message) as caught:
        check_dataset(Stacked(change))
    assert caught.value.check == "read_many"


class Wrapped(Numbers):
    def __init__(self, base: Dataset) -> None:
        super().__init__()
        self.base = base


def with_fields(**fields: Any) -> Change:
    return lambda whole: replace(whole, fields=fields)


def own_points(whole: Trajectory) -> Trajectory:
    return replace(whole, coords_NX=whole.coords_NX * whole.fields["u"].mean())


WRONG: dict[str, tuple[Dataset, str]] = {
    "shared": (Numbers(valid=2), r"splits: trajectory 0 of 'valid' begins as trajectory 2 of 'train'"),
    "empty": (Empty(), r"splits: the split 'test' is empty"),
    "channels first": (
        Numbers(lambda whole: replace(whole, fields={"u": whole.fields["u"].transpose(1, 2)})),
        r"fields: 'u' of shape \(5, 1, 8\) .*\n    expected: a float tensor \(T, N, C\) = \(5, 8, 1\)",
    ),
    "another name": (Numbers(with_fields(v=torch.ones(5, 8, 1))), r"fields: trajectory 0 of 'train' has the fields v"),
    "integers": (Numbers(with_fields(u=torch.ones(5, 8, 1, dtype=torch.int64))), r"fields: 'u' .* type torch.int64"),
    "NaN": (Numbers(with_fields(u=torch.full((5, 8, 1), torch.nan))), r"finite: 40 values of 'u' are NaN or infinite"),
    "backwards": (
        Numbers(lambda whole: replace(whole, time_T=whole.time_T.flip(0))),
        r"times: time_T of shape \(5,\), from 0 to 0\.4, num_times 5",
    ),
    "no condition": (
        Numbers(lambda whole: replace(whole, condition={})),
        r"conditions: conditions \{\} in .*\n    expected: finite values of viscosity",
    ),
    "a condition of too few times": (
        Numbers(lambda whole: replace(whole, condition={"viscosity": torch.ones(3)})),
        r"conditions: conditions .*\n    expected: finite values of viscosity: a number, or \(5,\) that change in time",
    ),
    "targets elsewhere, unsaid": (
        Numbers(lambda whole: replace(whole, targets=TargetPoints(whole.fields, whole.coords_NX))),
        r"targets: targets at other points than the inputs in trajectory 0 of 'train', but targets_apart False in "
        r"spec\(\)",
    ),
    "too few targets": (
        Numbers(
            lambda whole: replace(whole, targets=TargetPoints(whole.fields, whole.coords_NX)),
            replace(SPEC, targets_apart=True, target_grid=(9,)),
        ),
        r"points: target coordinates of shape \(8, 1\) .*\n    expected: \(9, 1\), as spec\(\) says",
    ),
    "outside": (
        Numbers(lambda whole: replace(whole, coords_NX=whole.coords_NX + 1)),
        r"coordinates: coordinates from \[1\.0\] to \[2\.75\].*\n.*origin \(0\.0,\), extent \(2\.0,\)",
    ),
    "a point too many": (
        Numbers(lambda whole: replace(whole, coords_NX=torch.zeros(9, 1))),
        r"points: coordinates of shape \(9, 1\) .*\n    expected: \(8, 1\)",
    ),
    "one point set": (Numbers(own_points), r"point_set: trajectory 1 of 'train' has the point_set 0 of another"),
    "windows": (OffByOne(), r"windows: read\(0, 1, 3\) is not that part of read\(0, 0, 5\)"),
    "unseeded": (
        Unseeded(),
        r"repeatable: trajectory 0 of 'train' is different when trajectories\(\) is called again",
    ),
    "spec": (Numbers(spec=replace(SPEC, extent=(1.0, 1.0))), r"spec: extent \(1\.0, 1\.0\), periodic \(True,\)"),
    "a path, and no files": (OfFile(HERE), r"files: files\(\) is \[\], though the data set takes the path 'path'"),
    "files of nowhere": (
        OfFile(HERE, [Path("nowhere.npz")]),
        r"files: files\(\) names nowhere.npz, which does not "
        r"exist",
    ),
    "files of another": (Wrapped(OfFile(HERE, [HERE])), r"files: .* reads .*test_dataset_kit.py through another one"),
    "no fields": (Numbers(spec=replace(SPEC, inputs=())), r"spec: inputs \(\), targets"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_data_sets_are_refused(name: str) -> None:
    dataset, message = WRONG[name]
    with pytest.raises(ConformanceError, match=message) as caught:
        check_dataset(dataset)
    assert "\n    cure: " in str(caught.value)


def test_a_read_that_fails_is_named() -> None:
    class Failing(InMemory):
        def read(self, index: int, start: int, stop: int) -> Trajectory:
            raise IndexError("no such file")

    class Files(Numbers):
        def trajectories(self, split: Split) -> Trajectories:
            return Failing([trajectory(0)])

    with pytest.raises(ConformanceError, match=r"read: IndexError \(no such file\) in read\(0, 0, 5\)"):
        check_dataset(Files())


def test_a_right_data_set_passes() -> None:
    check_dataset(Numbers())
    check_dataset(Numbers(lambda whole: replace(whole, condition={"viscosity": whole.time_T + 1})))
    check_dataset(OfFile(HERE, [HERE]))
