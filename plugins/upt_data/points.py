"""Trajectories at scattered points, as a ragged numpy archive: all points in a row, and where each trajectory ends."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor

from upt_core import DataError, Dataset, DataSpec, FieldSpec, InMemory, Split, Trajectories, Trajectory
from upt_data.checks import Array, at_least, finite, rising
from upt_data.numpy_files import load_arrays, scalars
from upt_data.point_domain import check_domain, domain, periodic_axes
from upt_data.splits import Fraction, check_fractions, split_of
from upt_data.times import strided_times


@dataclass(frozen=True)
class Clouds:
    """What is used of an archive, cut by trajectory: fields (T, N, C) and points (N, X)."""

    fields: dict[str, list[Tensor]]
    coords: list[Tensor]
    time_T: Tensor
    condition: dict[str, npt.NDArray[np.float64]]


class PointClouds(Dataset):
    """Reads an .npz archive of scattered points; each trajectory has its own, and their number may differ.

    Trajectory i has the rows ptr[i] to ptr[i + 1] of the positions (rows, axes) and of the fields, which are
    (rows, times) or (rows, times, channels). An input that is not a target may be (rows,) or (rows, channels): it is
    constant. In a steady problem no field has times.

    Args:
        path: the .npz file.
        inputs: names of the arrays that the model sees.
        targets: names of the arrays that it predicts; by default the inputs.
        positions: name of the array of positions.
        offsets: name of the array of row numbers where trajectories begin and end, one longer than their number.
        time: name of the array of times.
        steady: whether there is no time, but one solution for each input.
        conditions: names of arrays with one number for each trajectory, as viscosity.
        extent: physical length of each axis; by default that of the points' bounding box.
        origin: low corner of the domain; given together with extent.
        periodic: whether the domain wraps around; give extent and origin then.
        num_trajectories: use only the first ones.
        time_stride: keep every n-th time step.
        valid_fraction: share of the trajectories kept for validation.
        test_fraction: share of the trajectories kept for test.
        seed: of the split.
    """

    def __init__(
        self,
        path: Path,
        inputs: Annotated[list[str], Field(min_length=1)] = ["u"],  # noqa: B006 (never changed; shown in the schema)
        targets: list[str] | None = None,
        positions: str = "pos",
        offsets: str = "ptr",
        time: str = "t",
        steady: bool = False,
        conditions: list[str] = [],  # noqa: B006
        extent: list[float] | None = None,
        origin: list[float] | None = None,
        periodic: bool | list[bool] = False,
        num_trajectories: Annotated[int, Field(ge=3)] | None = None,
        time_stride: Annotated[int, Field(ge=1)] = 1,
        valid_fraction: Fraction = 0.1,
        test_fraction: Fraction = 0.1,
        seed: int = 0,
    ) -> None:
        check_fractions(valid_fraction, test_fraction)
        check_domain(extent, origin, periodic)
        at_least(1, time_stride=time_stride, inputs=len(inputs))
        at_least(3, num_trajectories=num_trajectories)
        self.path = Path(path)
        self.inputs = list(inputs)
        self.targets = self.inputs if targets is None else list(targets)
        self.positions = positions
        self.offsets = offsets
        self.time = time
        self.steady = steady
        self.conditions = list(conditions)
        self.extent = extent
        self.origin = origin
        self.periodic = periodic
        self.num_trajectories = num_trajectories
        self.time_stride = time_stride
        self.valid_fraction = valid_fraction
        self.test_fraction = test_fraction
        self.seed = seed

    def spec(self) -> DataSpec:
        """Fields and domain, from the archive."""
        clouds = self._clouds
        fields = {name: FieldSpec(name, values[0].shape[-1]) for name, values in clouds.fields.items()}
        extent, origin = domain(clouds.coords, self.extent, self.origin, f"{self.path}, {self.positions!r}")
        return DataSpec(
            inputs=tuple(fields[name] for name in self.inputs),
            targets=tuple(fields[name] for name in self.targets),
            extent=extent,
            periodic=periodic_axes(self.periodic, len(extent), str(self.path)),
            condition=tuple(self.conditions),
            steady=self.steady,
            origin=origin,
        )

    def trajectories(self, split: Split) -> Trajectories:
        """The trajectories of a split, in memory."""
        clouds = self._clouds
        num = len(clouds.coords)
        chosen = split_of(num, split, self.valid_fraction, self.test_fraction, self.seed, str(self.path))
        return InMemory(
            [
                Trajectory(
                    {name: values[index] for name, values in clouds.fields.items()},
                    clouds.coords[index],
                    clouds.time_T,
                    {name: float(values[index]) for name, values in clouds.condition.items()},
                    point_set=index,
                )
                for index in chosen
            ]
        )

    @cached_property
    def _clouds(self) -> Clouds:
        names = list(dict.fromkeys([*self.inputs, *self.targets]))
        needed = [self.positions, self.offsets, *names, *self.conditions, *([] if self.steady else [self.time])]
        arrays = load_arrays(self.path, needed)
        pos = arrays[self.positions]
        if pos.ndim != 2 or not 1 <= pos.shape[1] <= 3:
            raise DataError(f"{self.path}, {self.positions!r}: shape {pos.shape}; expected (rows, 1 to 3 axes)")
        rows = self._rows(arrays[self.offsets], len(pos))
        times = None if self.steady else rising(arrays[self.time], f"{self.path}, {self.time!r}")
        coords = torch.from_numpy(pos.astype(np.float32))
        fields = {name: self._field(name, arrays[name], len(pos), times) for name in names}
        cut = {
            name: [
                finite(value[:, row].unsqueeze(0), f"{self.path}, {name!r}", number, stride=self.time_stride)[0]
                for number, row in enumerate(rows)
            ]
            for name, value in fields.items()
        }
        all_num = len(arrays[self.offsets]) - 1
        condition = {name: scalars(arrays[name], all_num, f"{self.path}, {name!r}") for name in self.conditions}
        return Clouds(
            cut, [coords[row] for row in rows], strided_times(times, self.time_stride, str(self.path)), condition
        )

    def _rows(self, offsets: npt.NDArray[np.generic], num_rows: int) -> list[slice]:
        ends = rising(offsets, f"{self.path}, {self.offsets!r}").astype(np.int64).tolist()
        if ends[0] != 0 or ends[-1] != num_rows:
            raise DataError(
                f"{self.path}, {self.offsets!r}: goes from {ends[0]} to {ends[-1]}; expected from 0 to the number of "
                f"rows, {num_rows}"
            )
        rows = [slice(start, stop) for start, stop in pairwise(ends)]
        return rows[: self.num_trajectories]

    def _field(self, name: str, array: npt.NDArray[np.generic], num_rows: int, times: Array | None) -> Tensor:
        """A field of all rows, (T, rows, C) float32, not copied more than needed."""
        steps = 0 if times is None else len(times)
        value = torch.from_numpy(array.astype(np.float32))
        moves = times is not None and value.ndim in (2, 3) and value.shape[1] == steps
        if moves and len(value) == num_rows:
            value = value if value.ndim == 3 else value.unsqueeze(-1)
            return value[:, :: self.time_stride].transpose(0, 1)
        if (times is None or name not in self.targets) and value.ndim in (1, 2) and len(value) == num_rows:
            return (value if value.ndim == 2 else value.unsqueeze(-1)).unsqueeze(0)
        expected = f"({num_rows}, channels)" if times is None else f"({num_rows}, {steps}, channels)"
        raise DataError(f"{self.path}, {name!r}: shape {tuple(array.shape)} does not fit; expected {expected}")
