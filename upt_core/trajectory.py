"""What a data set gives: trajectories in physical units, and what most data sets need to give them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol, get_args, runtime_checkable

import torch
from torch import Tensor

from upt_core.errors import UserError
from upt_core.stacked import StackedWindows, Window, read_many
from upt_core.whole_file import in_words

Split = Literal["train", "valid", "test"]


@dataclass(frozen=True)
class TargetPoints:
    """Target fields at points of their own: sensors in and the whole field out, centres of cells in and nodes out.

    Args:
        fields: name → (T, M, C) floats, of every target field. One that does not change in time has T = 1.
        coords_NX: physical coordinates of the M points, row-major for a grid.
        point_set: which point set this is, counted apart from those of the inputs.
        measure_N: area or volume of the cell around each point; None: each point counts the same.
    """

    fields: dict[str, Tensor]
    coords_NX: Tensor
    point_set: int = 0
    measure_N: Tensor | None = None


@dataclass(frozen=True)
class Trajectory:
    """One simulation, or a window of it, in physical units.

    Args:
        fields: name → (T, N, C) floats. A field that does not change in time has T = 1.
        coords_NX: physical coordinates of the points, row-major for a grid.
        time_T: physical times of the steps.
        condition: conditioning values by name, as in ``DataSpec.condition``: a number, or numbers (T,) that change in
            time (what holds from step t to t + 1 is the value at t). The time step is added by upt.
        point_set: which point set this is; trajectories with equal numbers share their coordinates and their measure.
        measure_N: area or volume of the cell around each point, ≥ 0, in any unit; None: each point counts the same.
            ``grid_measure`` and ``node_measure`` find it for grids and meshes.
        grid_shape: points along each axis, where trajectories are on several grids; None: as ``DataSpec`` says.
        targets: the target fields and their points, where ``DataSpec.targets_apart`` says that these are other ones;
            ``fields`` are the input fields alone then, at all time steps.
    """

    fields: dict[str, Tensor]
    coords_NX: Tensor
    time_T: Tensor
    condition: Mapping[str, float | Tensor]
    point_set: int = 0
    measure_N: Tensor | None = None
    grid_shape: tuple[int, ...] | None = None
    targets: TargetPoints | None = None

    @property
    def target_fields(self) -> dict[str, Tensor]:
        """The fields that hold the targets: at points of their own, or with the inputs."""
        return self.fields if self.targets is None else self.targets.fields

    def all_values(self, name: str) -> list[Tensor]:
        """The values of a field: at the input points, at those of the targets, or at both."""
        apart = {} if self.targets is None else self.targets.fields
        return [fields[name] for fields in (self.fields, apart) if name in fields]


class Trajectories(Protocol):
    """The trajectories of one split. ``read`` may be lazy: it is asked only for the time steps that are needed.

    An attribute ``held`` that is true says that all values are in memory, so that a file may change under a run. A
    method ``grid_shape(index)`` says the grid of a trajectory, read from headers, where there are several grids. A
    method ``read_many(windows)`` reads several windows at once, as ``StackedWindows``; without it they are read one by
    one.
    """

    def __len__(self) -> int: ...

    def num_times(self, index: int) -> int:
        """Number of time steps of a trajectory."""
        ...

    def read(self, index: int, start: int, stop: int) -> Trajectory:
        """Time steps start ≤ t < stop of one trajectory; fields that are constant in time come with T = 1."""
        ...


@runtime_checkable
class Held(Protocol):
    """Trajectories that know whether they read files again; those that do not say it are taken to."""

    @property
    def held(self) -> bool:
        """Whether all values are in memory, so that a file may change and training goes on with what it held."""
        ...


def are_held(trajectories: Trajectories) -> bool:
    """Whether all values of trajectories are in memory."""
    return isinstance(trajectories, Held) and trajectories.held


def place_of(trajectories: object, index: int) -> str:
    """Where a trajectory is from, for messages: what its list says in ``place(index)``, or its number."""
    place = getattr(trajectories, "place", None)
    return str(place(index)) if callable(place) else f"trajectory {index}"


@runtime_checkable
class OnGrids(Protocol):
    """Trajectories that may be on several grids."""

    def grid_shape(self, index: int) -> tuple[int, ...] | None:
        """Points along each axis of the grid of a trajectory; None: as ``DataSpec`` says, or scattered points."""
        ...


def grid_of(trajectories: Trajectories, index: int) -> tuple[int, ...] | None:
    """The grid of a trajectory, where it may be another than that of its data set."""
    return trajectories.grid_shape(index) if isinstance(trajectories, OnGrids) else None


class Chain:
    """Several lists of trajectories as one."""

    def __init__(self, parts: Sequence[Trajectories]) -> None:
        self._places = [(part, index) for part in parts for index in range(len(part))]

    def __len__(self) -> int:
        return len(self._places)

    @property
    def held(self) -> bool:
        """Whether those of every part are in memory."""
        return all(are_held(part) for part, _ in self._places)

    def grid_shape(self, index: int) -> tuple[int, ...] | None:
        """The grid of a trajectory."""
        return grid_of(*self._places[index])

    def num_times(self, index: int) -> int:
        """Number of time steps of a trajectory."""
        part, own = self._places[index]
        return part.num_times(own)

    def read(self, index: int, start: int, stop: int) -> Trajectory:
        """Time steps start ≤ t < stop of one trajectory."""
        part, own = self._places[index]
        return part.read(own, start, stop)

    def read_many(self, windows: Sequence[Window]) -> StackedWindows | None:
        """Several windows of one part at once; None where they are of several."""
        part = self._places[windows[0][0]][0]
        if any(self._places[index][0] is not part for index, _, _ in windows):
            return None
        return read_many(part, [(self._places[index][1], start, stop) for index, start, stop in windows])

    def place(self, index: int) -> str:
        """Where a trajectory is from."""
        part, own = self._places[index]
        return place_of(part, own) if hasattr(part, "place") else f"trajectory {index}"


class InMemory:
    """Trajectories that are held in memory; a view of a window costs nothing."""

    def __init__(self, trajectories: Sequence[Trajectory]) -> None:
        self._trajectories = tuple(trajectories)

    def __len__(self) -> int:
        return len(self._trajectories)

    @property
    def held(self) -> bool:
        """They are."""
        return True

    def num_times(self, index: int) -> int:
        """Number of time steps of a trajectory."""
        return len(self._trajectories[index].time_T)

    def read(self, index: int, start: int, stop: int) -> Trajectory:
        """Time steps start ≤ t < stop; fields that are constant in time come as they are."""
        whole = self._trajectories[index]
        fields, targets = _part(whole.fields, start, stop), whole.targets
        if targets is not None:
            targets = replace(targets, fields=_part(targets.fields, start, stop))
        condition = _conditions(whole.condition, start, stop)
        time_T = whole.time_T[start:stop]
        return replace(whole, fields=fields, time_T=time_T, condition=condition, targets=targets)

    def read_many(self, windows: Sequence[Window]) -> StackedWindows | None:
        """Several windows at once; None where they are not on the same points, or their targets are apart."""
        wholes = [self._trajectories[index] for index, _, _ in windows]
        first = wholes[0]
        for whole in wholes:
            if whole.point_set != first.point_set or whole.grid_shape != first.grid_shape or whole.targets is not None:
                return None
        ends = [(whole, start, stop) for whole, (_, start, stop) in zip(wholes, windows, strict=True)]
        fields = StackedWindows.rows([_part(whole.fields, start, stop) for whole, start, stop in ends])
        condition = StackedWindows.conditions(
            [_conditions(whole.condition, start, stop) for whole, start, stop in ends]
        )
        if fields is None or condition is None:
            return None
        time_BT = torch.stack([whole.time_T[start:stop] for whole, start, stop in ends])
        return StackedWindows(
            fields, first.coords_NX, time_BT, condition, first.point_set, first.measure_N, first.grid_shape
        )

    def grid_shape(self, index: int) -> tuple[int, ...] | None:
        """The grid of a trajectory, as it says itself."""
        return self._trajectories[index].grid_shape


def _part(fields: Mapping[str, Tensor], start: int, stop: int) -> dict[str, Tensor]:
    return {name: value if value.shape[0] == 1 else value[start:stop] for name, value in fields.items()}


def _conditions(values: Mapping[str, float | Tensor], start: int, stop: int) -> dict[str, float | Tensor]:
    return {name: value if isinstance(value, int | float) else value[start:stop] for name, value in values.items()}


def split_indices(num: int, split: Split, valid_fraction: float, test_fraction: float, seed: int = 0) -> list[int]:
    """Which of ``num`` trajectories belong to a split: a fixed shuffle, the same for the same seed.

    Raises:
        ValueError: a split would be empty, or there is no split of this name.
    """
    if split not in get_args(Split):
        raise ValueError(f"split is {split!r}; expected one of: {', '.join(get_args(Split))}")
    num_valid, num_test = max(1, round(num * valid_fraction)), max(1, round(num * test_fraction))
    num_train = num - num_valid - num_test
    if num_train < 1:
        raise ValueError(
            f"{num} trajectories cannot be split into {num_valid} for validation, {num_test} for test and at least "
            f"one for training; use more data or smaller fractions"
        )
    order = torch.randperm(num, generator=torch.Generator().manual_seed(seed)).tolist()
    start, stop = {
        "train": (0, num_train),
        "valid": (num_train, num_train + num_valid),
        "test": (num_train + num_valid, num),
    }[split]
    return sorted(order[start:stop])


def cache_dir(name: str) -> Path:
    """A folder for files that can be made again: ``$UPT_CACHE``, else the user's cache folder, then ``name``.

    Raises:
        UserError: it cannot be made.
    """
    base = os.environ.get("UPT_CACHE") or os.path.join(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "upt")
    path = Path(base).expanduser() / name
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{path}: the cache folder cannot be made: {in_words(error, path.parent)}; or set UPT_CACHE to another "
            "folder"
        ) from error
    return path
