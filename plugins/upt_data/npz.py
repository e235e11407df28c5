"""Numpy archives of trajectories, or of input and solution pairs, on a regular grid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor

from upt_core import DataError, Dataset, DataSpec, FieldSpec, Split, Trajectories
from upt_data.checks import Array, at_least, finite, rising
from upt_data.grid import axis_length, even_axis, grid_points, stride_axis
from upt_data.memory import on_shared_points
from upt_data.numpy_files import Arrays, load_arrays, scalars
from upt_data.splits import Fraction, check_fractions, split_of
from upt_data.times import strided_times

USUAL_AXES = ("x", "y", "z")


@dataclass(frozen=True)
class Content:
    """What is used of an archive: fields (B, T, N, C) by name, axes, times and conditions."""

    fields: dict[str, Tensor]
    axes: list[Array]
    time_T: Tensor
    condition: dict[str, Tensor]


class Npz(Dataset):
    """Reads an .npz archive: fields (trajectories, times, *grid) or (trajectories, times, *grid, channels).

    The axes of a field are told apart by the lengths of the coordinate and time arrays. An input that is not a target
    may lack the times: it is constant. In a steady problem no field has times.

    Args:
        path: the .npz file.
        inputs: names of the arrays that the model sees.
        targets: names of the arrays that it predicts; by default the inputs.
        axes: names of the coordinate arrays, in the order of the grid's axes; by default x, y, z as far as present.
        time: name of the array of times.
        steady: whether there is no time, but one solution for each input.
        conditions: names of arrays with one number for each trajectory, as viscosity.
        periodic: whether the domain wraps around; one value, or one for each axis.
        num_trajectories: use only the first ones.
        time_stride: keep every n-th time step.
        space_stride: keep every n-th point of each axis.
        valid_fraction: share of the trajectories kept for validation.
        test_fraction: share of the trajectories kept for test.
        seed: of the split.
    """

    def __init__(
        self,
        path: Path,
        inputs: Annotated[list[str], Field(min_length=1)] = ["u"],  # noqa: B006 (never changed; shown in the schema)
        targets: list[str] | None = None,
        axes: list[str] | None = None,
        time: str = "t",
        steady: bool = False,
        conditions: list[str] = [],  # noqa: B006
        periodic: bool | list[bool] = False,
        num_trajectories: Annotated[int, Field(ge=3)] | None = None,
        time_stride: Annotated[int, Field(ge=1)] = 1,
        space_stride: Annotated[int, Field(ge=1)] = 1,
        valid_fraction: Fraction = 0.1,
        test_fraction: Fraction = 0.1,
        seed: int = 0,
    ) -> None:
        check_fractions(valid_fraction, test_fraction)
        at_least(1, time_stride=time_stride, space_stride=space_stride, inputs=len(inputs))
        at_least(3, num_trajectories=num_trajectories)
        self.path = Path(path)
        self.inputs = list(inputs)
        self.targets = self.inputs if targets is None else list(targets)
        self.axes = axes
        self.time = time
        self.steady = steady
        self.conditions = list(conditions)
        self.periodic = periodic
        self.num_trajectories = num_trajectories
        self.time_stride = time_stride
        self.space_stride = space_stride
        self.valid_fraction = valid_fraction
        self.test_fraction = test_fraction
        self.seed = seed

    def spec(self) -> DataSpec:
        """Fields and grid, from the archive."""
        content = self._content
        fields = {name: FieldSpec(name, value.shape[-1]) for name, value in content.fields.items()}
        return DataSpec(
            inputs=tuple(fields[name] for name in self.inputs),
            targets=tuple(fields[name] for name in self.targets),
            extent=tuple(axis_length(axis) for axis in content.axes),
            periodic=self._wraps(len(content.axes)),
            grid_shape=tuple(map(len, content.axes)),
            condition=tuple(self.conditions),
            steady=self.steady,
        )

    def trajectories(self, split: Split) -> Trajectories:
        """The trajectories of a split, in memory."""
        content = self._content
        num = len(content.fields[self.inputs[0]])
        chosen = split_of(num, split, self.valid_fraction, self.test_fraction, self.seed, str(self.path))
        return on_shared_points(content.fields, grid_points(content.axes), content.time_T, chosen, content.condition)

    @cached_property
    def _content(self) -> Content:
        names = list(dict.fromkeys([*self.inputs, *self.targets]))
        needed = [*names, *self.conditions, *(self.axes or []), *([] if self.steady else [self.time])]
        arrays = load_arrays(self.path, needed, optional=() if self.axes else USUAL_AXES)
        axes = self._axes(arrays)
        times = None if self.steady else rising(arrays[self.time], f"{self.path}, {self.time!r}")
        num = self._num(arrays, names)
        fields = {name: self._field(name, arrays[name][:num], axes, times) for name in names}
        condition = {
            name: torch.from_numpy(scalars(arrays[name][:num], num, f"{self.path}, {name!r}"))
            for name in self.conditions
        }
        wraps = self._wraps(len(axes))
        kept = [
            stride_axis(axis, self.space_stride, wrap, f"{self.path}, axis {number}")
            for number, (axis, wrap) in enumerate(zip(axes, wraps, strict=True))
        ]
        return Content(fields, kept, strided_times(times, self.time_stride, str(self.path)), condition)

    def _axes(self, arrays: Arrays) -> list[Array]:
        names = self.axes or [name for name in USUAL_AXES if name in arrays]
        if not names:
            raise DataError(f"{self.path}: there is no coordinate array x, y or z; name them in 'axes'")
        return [even_axis(arrays[name], f"{self.path}, {name!r}") for name in names]

    def _wraps(self, num_axes: int) -> tuple[bool, ...]:
        if isinstance(self.periodic, bool):
            return (self.periodic,) * num_axes
        if len(self.periodic) != num_axes:
            raise DataError(f"{self.path}: periodic has {len(self.periodic)} values, the grid has {num_axes} axes")
        return tuple(self.periodic)

    def _num(self, arrays: Arrays, names: list[str]) -> int:
        sizes = {name: len(arrays[name]) if arrays[name].ndim else 0 for name in names}
        if len(set(sizes.values())) > 1 or min(sizes.values()) == 0:
            raise DataError(f"{self.path}: the fields need one number of trajectories (first axis), found {sizes}")
        num = sizes[names[0]]
        return num if self.num_trajectories is None else min(num, self.num_trajectories)

    def _field(self, name: str, array: npt.NDArray[np.generic], axes: list[Array], times: Array | None) -> Tensor:
        """A field as (B, T, N, C) float32, strided and checked."""
        grid, found = tuple(map(len, axes)), array.shape[1:]
        with_time = () if times is None else (len(times),)
        constant = times is None or name not in self.targets
        stride = (slice(None, None, self.space_stride),) * len(grid)
        if found[: 1 + len(grid)] == (*with_time, *grid) and times is not None and len(found) <= 2 + len(grid):
            kept = array[(slice(None), slice(None, None, self.time_stride), *stride)]
        elif constant and found[: len(grid)] == grid and len(found) <= 1 + len(grid):
            kept = array[(slice(None), *stride)][:, None]
        else:
            expected = (len(array), *with_time, *grid)
            raise DataError(
                f"{self.path}, {name!r}: shape {array.shape} does not fit the times and axes, which ask for {expected} "
                f"or {(*expected, 'channels')}"
            )
        value = torch.from_numpy(np.ascontiguousarray(kept, dtype=np.float32))
        value = value if value.ndim == 3 + len(grid) else value.unsqueeze(-1)
        return finite(value.flatten(2, -2), f"{self.path}, {name!r}", stride=self.time_stride)
