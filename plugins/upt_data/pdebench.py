"""PDEBench's HDF5 files: the layout is recognised, time steps are read when they are needed."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from upt_core import DataError, Dataset, DataSpec, Split, Trajectories, Trajectory
from upt_data.checks import at_least, finite
from upt_data.grid import axis_length, grid_points, stride_axis
from upt_data.hdf5 import Reader, open_hdf5
from upt_data.pdebench_layouts import AXIS_NAMES, Layout, Variable, detect
from upt_data.splits import Fraction, check_fractions, split_of
from upt_data.times import strided_times


class PdeBench(Dataset):
    """Reads one HDF5 file of PDEBench (arXiv:2210.07182), whichever of its layouts it has.

    The layouts are those of 1-D Burgers, advection and reaction-diffusion (``tensor``), of compressible flow (one
    dataset for each variable; Vx, Vy, Vz become the field ``velocity``), of diffusion-sorption, diffusion-reaction and
    shallow water (a group for each trajectory), of Darcy flow (steady: ``nu`` to the solution), and of incompressible
    flow. Coordinates are the file's; an axis is as long as its points times their spacing.

    Args:
        path: the .hdf5 or .h5 file.
        field: name given to the field where the file has none of its own.
        num_trajectories: use only the first ones.
        time_stride: keep every n-th time step; PDEBench's baselines use 5 of its released files.
        space_stride: keep every n-th point of each axis; PDEBench's baselines use 4 in one dimension.
        periodic: whether the domain wraps around. By default the layouts tensor and compressible flow do (unless the
            file's name has ``_trans_``), the others do not.
        valid_fraction: share of the trajectories kept for validation.
        test_fraction: share of the trajectories kept for test.
        seed: of the split.
    """

    def __init__(
        self,
        path: Path,
        field: str = "u",
        num_trajectories: Annotated[int, Field(ge=3)] | None = None,
        time_stride: Annotated[int, Field(ge=1)] = 1,
        space_stride: Annotated[int, Field(ge=1)] = 1,
        periodic: bool | None = None,
        valid_fraction: Fraction = 0.1,
        test_fraction: Fraction = 0.1,
        seed: int = 0,
    ) -> None:
        check_fractions(valid_fraction, test_fraction)
        at_least(1, time_stride=time_stride, space_stride=space_stride)
        at_least(3, num_trajectories=num_trajectories)
        self.path = Path(path)
        self.field = field
        self.num_trajectories = num_trajectories
        self.time_stride = time_stride
        self.space_stride = space_stride
        self.periodic = periodic
        self.valid_fraction = valid_fraction
        self.test_fraction = test_fraction
        self.seed = seed

    def spec(self) -> DataSpec:
        """Fields and grid, from the file's headers."""
        layout = self._layout
        axes = self._axes
        return DataSpec(
            inputs=tuple(variable.spec for variable in layout.inputs),
            targets=tuple(variable.spec for variable in layout.targets),
            extent=tuple(axis_length(axis) for axis in axes),
            periodic=(self._wraps,) * len(axes),
            grid_shape=tuple(map(len, axes)),
            steady=layout.times is None,
        )

    def trajectories(self, split: Split) -> Trajectories:
        """The trajectories of a split; nothing is read yet."""
        layout = self._layout
        num = layout.num if self.num_trajectories is None else min(layout.num, self.num_trajectories)
        chosen = split_of(num, split, self.valid_fraction, self.test_fraction, self.seed, str(self.path))
        coords_NX = grid_points(self._axes)
        return Hdf5Trajectories(self.path, layout, chosen, coords_NX, self._time_T, self.time_stride, self.space_stride)

    @cached_property
    def _layout(self) -> Layout:
        with open_hdf5(self.path) as file:
            return detect(file, self.path, self.field)

    @property
    def _wraps(self) -> bool:
        return self._layout.periodic if self.periodic is None else self.periodic

    @property
    def _axes(self) -> list[np.typing.NDArray[np.floating]]:
        return [
            stride_axis(axis, self.space_stride, self._wraps, f"{self.path}, axis {letter}")
            for letter, axis in zip(AXIS_NAMES, self._layout.axes, strict=False)
        ]

    @property
    def _time_T(self) -> Tensor:
        return strided_times(self._layout.times, self.time_stride, str(self.path))


class Hdf5Trajectories:
    """Trajectories of one split, read from the file when asked for.

    Args:
        path: the file.
        layout: what it holds.
        chosen: numbers of the trajectories in the file.
        coords_NX: the points that are kept.
        time_T: the times that are kept.
        time_stride: time steps of the file for each that is kept.
        space_stride: points of the file along each axis for each that is kept.
    """

    def __init__(
        self,
        path: Path,
        layout: Layout,
        chosen: list[int],
        coords_NX: Tensor,
        time_T: Tensor,
        time_stride: int,
        space_stride: int,
    ) -> None:
        self._reader = Reader(path)
        self._layout = layout
        self._chosen = chosen
        self._coords_NX = coords_NX
        self._time_T = time_T
        self._time_stride = time_stride
        self._space_stride = space_stride

    def __len__(self) -> int:
        return len(self._chosen)

    def num_times(self, index: int) -> int:
        """Number of time steps that are kept; the same for all trajectories."""
        return len(self._time_T)

    def read(self, index: int, start: int, stop: int) -> Trajectory:
        """Time steps start ≤ t < stop, of those that are kept.

        Raises:
            DataError: the values are not finite, or this trajectory has another shape than the first.
        """
        fields = {
            variable.name: self._read(self._chosen[index], variable, start, stop) for variable in self._layout.variables
        }
        return Trajectory(fields, self._coords_NX, self._time_T[start:stop], {})

    def _read(self, number: int, variable: Variable, start: int, stop: int) -> Tensor:
        first, stride = start * self._time_stride, self._time_stride
        where = f"{self._reader.path}, {' and '.join(map(repr, variable.datasets))}"
        try:
            value = self._layout.read(
                self._reader.file(), number, variable, slice(first, (stop - 1) * stride + 1, stride)
            )
        except (OSError, KeyError) as error:
            raise DataError(f"{where}, trajectory {number}: cannot be read ({error}); fetch the file again") from error
        expected = (*map(len, self._layout.axes), variable.channels)
        if value.shape[1:] != expected or (variable.time_axis and len(value) != stop - start):
            raise DataError(
                f"{where}, trajectory {number}: found {value.shape} (times, grid, channels), expected "
                f"{(stop - start, *expected)} as in the first trajectory"
            )
        stride_space = (slice(None), *(slice(None, None, self._space_stride),) * len(self._layout.axes))
        kept = torch.from_numpy(np.ascontiguousarray(value[stride_space], dtype=np.float32))
        return finite(kept.flatten(1, -2).unsqueeze(0), where, number, first, stride)[0]
