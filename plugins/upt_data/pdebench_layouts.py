"""The layouts of PDEBench's HDF5 files, recognised by what a file contains, not by its name.

    tensor    tensor (n, T, *grid), x-coordinate, …, t-coordinate        Burgers, advection, reaction-diffusion
    darcy     nu (n, *grid), tensor (n, 1, *grid), x-coordinate, …       steady
    cfd       density, pressure, Vx, … each (n, T, *grid), coordinates   compressible flow
    groups    '0000', '0001', …: data (T, *grid, C), grid/x, …, grid/t   sorption, diffusion-reaction, shallow water
    ns_incom  velocity, particles (n, T, *grid, C), force (n, *grid, C)  incompressible flow; no coordinates

``t-coordinate`` is often one longer than the time axis; attributes may be missing. Layouts: arXiv:2210.07182.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

from upt_core import DataError
from upt_data.arrays.grid_content import Part
from upt_data.arrays.grid_content import Variable as Field
from upt_data.arrays.placement import Placement
from upt_data.checks import Array, rising
from upt_data.grid import even_axis, unit_axis

CURE = "download or copy the file again, or read a file with another layout with the data set 'hdf5'"
"""What to do where a file looks like a layout, and is none."""
AXIS_NAMES = ("x", "y", "z")


@dataclass(frozen=True)
class Variable:
    """Where a field is in the file: one dataset, or scalar datasets that are stacked as channels.

    Args:
        name: the field's name in upt.
        datasets: names of the datasets.
        channels: number of channels.
        channel_axis: whether the dataset's last axis counts channels.
        time_axis: whether it changes in time.
    """

    name: str
    datasets: tuple[str, ...]
    channels: int = 1
    channel_axis: bool = False
    time_axis: bool = True


@dataclass(frozen=True)
class Layout:
    """What a file holds.

    Args:
        inputs, targets: the variables of each role.
        axes: coordinates of each axis.
        times: times of the steps; None for steady problems.
        num: number of trajectories.
        periodic: what this family of problems usually is.
        groups: the group of each trajectory; None where datasets have a trajectory axis.
    """

    inputs: tuple[Variable, ...]
    targets: tuple[Variable, ...]
    axes: tuple[Array, ...]
    times: Array | None
    num: int
    periodic: bool
    groups: tuple[str, ...] | None = None

    @property
    def variables(self) -> tuple[Variable, ...]:
        """Every variable once."""
        return tuple(dict.fromkeys(self.inputs + self.targets))

    @property
    def fields(self) -> list[Field]:
        """Every variable once, with the places of its axes."""
        return [Field(variable.name, self._parts(variable)) for variable in self.variables]

    def _parts(self, variable: Variable) -> tuple[Part, ...]:
        has_number, num_axes = self.groups is None, len(self.axes)
        first = has_number + variable.time_axis
        placement = Placement(
            0 if has_number else None,
            int(has_number) if variable.time_axis else None,
            tuple(range(first, first + num_axes)),
            (first + num_axes,) if variable.channel_axis else (),
        )
        channels = variable.channels if variable.channel_axis else 1
        return tuple(
            Part(tuple(f"{group}/{name}" for group in self.groups or ()) or (name,), placement, channels)
            for name in variable.datasets
        )


def detect(file: h5py.File, path: Path, field: str) -> Layout:
    """The layout of an open file.

    Args:
        field: name given to the field where the file has none ('tensor', 'data').

    Raises:
        DataError: no known layout; the message lists what was found.
    """
    names = set(file)
    if names and all(name.isdigit() for name in names):
        return _groups(file, path, field)
    for needed, make in _BY_CONTENT:
        if needed <= names:
            return make(file, path, field)
    raise DataError(
        f"{path}: none of the layouts of PDEBench, which have 'tensor', or 'density' and 'Vx', or 'velocity' and "
        f"'particles', or groups '0000', '0001', …; found: {_found(file)}; the data set 'hdf5' reads files with other "
        "layouts, and 'the_well' reads files of The Well"
    )


def _darcy(file: h5py.File, path: Path, field: str) -> Layout:
    nu, tensor = _dataset(file, "nu", path), _dataset(file, "tensor", path)
    if tensor.ndim != nu.ndim + 1 or tensor.shape[1] != 1 or tensor.shape[:1] + tensor.shape[2:] != nu.shape:
        raise DataError(
            f"{path}: 'nu' {nu.shape} and 'tensor' {tensor.shape} do not fit; expected (samples, *grid) and "
            f"(samples, 1, *grid); {CURE}"
        )
    inputs = (Variable("nu", ("nu",), time_axis=False),)
    return Layout(inputs, (Variable(field, ("tensor",)),), _axes(file, path, nu.shape[1:]), None, len(nu), False)


def _tensor(file: h5py.File, path: Path, field: str) -> Layout:
    tensor = _dataset(file, "tensor", path)
    if not 3 <= tensor.ndim <= 5:
        raise DataError(f"{path}: 'tensor' has shape {tensor.shape}; expected (trajectories, times, *grid); {CURE}")
    state = (Variable(field, ("tensor",)),)
    axes, times = (
        _axes(file, path, tensor.shape[2:]),
        _times(_dataset(file, "t-coordinate", path), path, tensor.shape[1]),
    )
    return Layout(state, state, axes, times, len(tensor), periodic=True)


def _cfd(file: h5py.File, path: Path, field: str) -> Layout:
    names = sorted(name for name in file if not name.endswith("-coordinate"))
    shapes = {name: _dataset(file, name, path).shape for name in names}
    if len(set(shapes.values())) > 1 or not 3 <= len(shapes["Vx"]) <= 5:
        found = _found(file)
        raise DataError(f"{path}: its variables should all be (trajectories, times, *grid); found: {found}; {CURE}")
    shape = shapes["Vx"]
    velocity = tuple(f"V{axis}" for axis in AXIS_NAMES[: len(shape) - 2])
    if missing := [name for name in velocity if name not in shapes]:
        named = ", ".join(missing)
        raise DataError(f"{path}: a velocity component is missing: {named}; found: {_found(file)}; {CURE}")
    scalars = tuple(Variable(name, (name,)) for name in names if name not in velocity)
    state = (*scalars, Variable("velocity", velocity, channels=len(velocity)))
    axes, times = _axes(file, path, shape[2:]), _times(_dataset(file, "t-coordinate", path), path, shape[1])
    return Layout(state, state, axes, times, shape[0], periodic="_trans_" not in path.name)


def _ns_incom(file: h5py.File, path: Path, field: str) -> Layout:
    velocity, particles = _dataset(file, "velocity", path), _dataset(file, "particles", path)
    if velocity.ndim not in (5, 6) or velocity.shape[:-1] != particles.shape[:-1]:
        raise DataError(f"{path}: 'velocity' {velocity.shape} and 'particles' {particles.shape} do not fit; {CURE}")
    state = tuple(
        Variable(name, (name,), file[name].shape[-1], channel_axis=True) for name in ("velocity", "particles")
    )
    inputs = state
    if "force" in file:
        inputs = (*state, Variable("force", ("force",), file["force"].shape[-1], channel_axis=True, time_axis=False))
    num_times = velocity.shape[1]
    # a simulation that broke off leaves zeros after the frame that this attribute names
    num_times = min(num_times, int(file.attrs.get("latestIndex", num_times - 1)) + 1)
    axes = tuple(unit_axis(points, float(points)) + 0.5 for points in velocity.shape[2:-1])
    times = rising(_dataset(file, "t", path)[0][:num_times], f"{path}, 't'")
    return Layout(inputs, state, axes, times, len(velocity), periodic=False)


def _groups(file: h5py.File, path: Path, field: str) -> Layout:
    groups = tuple(sorted(file, key=int))
    first = file[groups[0]]
    if not isinstance(first, h5py.Group) or "data" not in first or "grid" not in first:
        raise DataError(f"{path}: group {groups[0]!r} should hold 'data' and 'grid'; found: {_found(file)}; {CURE}")
    shape = _dataset(first, "data", path).shape
    if not 3 <= len(shape) <= 5:
        raise DataError(
            f"{path}, group {groups[0]!r}: 'data' has shape {shape}; expected (times, *grid, channels); {CURE}"
        )
    state = (Variable(field, ("data",), shape[-1], channel_axis=True),)
    grid = first["grid"]
    axes = _axes(grid, path, shape[1:-1], suffix="")
    return Layout(state, state, axes, _times(_dataset(grid, "t", path), path, shape[0]), len(groups), False, groups)


Maker = Callable[[h5py.File, Path, str], Layout]
_BY_CONTENT: Sequence[tuple[set[str], Maker]] = (
    ({"nu", "tensor"}, _darcy),
    ({"tensor", "t-coordinate"}, _tensor),
    ({"density", "Vx", "t-coordinate"}, _cfd),
    ({"velocity", "particles", "t"}, _ns_incom),
)


def _dataset(group: Any, name: str, path: Path) -> h5py.Dataset:
    found = group.get(name)
    if not isinstance(found, h5py.Dataset):
        raise DataError(f"{path}: there is no dataset {name!r}; found: {_found(group)}; {CURE}")
    return found


def _axes(group: Any, path: Path, shape: tuple[int, ...], suffix: str = "-coordinate") -> tuple[Array, ...]:
    axes = []
    for letter, points in zip(AXIS_NAMES, shape, strict=False):
        name = f"{letter}{suffix}"
        axis = even_axis(_dataset(group, name, path)[()], f"{path}, {name!r}")
        if len(axis) != points:
            raise DataError(
                f"{path}: {name!r} has {len(axis)} points, the fields have {points} along this axis; {CURE}"
            )
        axes.append(axis)
    return tuple(axes)


def _times(dataset: h5py.Dataset, path: Path, num_times: int) -> Array:
    if dataset.ndim != 1:
        raise DataError(f"{path}: {dataset.name!r} has the shape {dataset.shape}; expected a row of times")
    if len(dataset) < num_times:
        raise DataError(f"{path}: {dataset.name!r} has {len(dataset)} times, the fields have {num_times}; {CURE}")
    return rising(dataset[:num_times], f"{path}, {dataset.name!r}")  # there is often one more than there are frames


def _found(group: Any) -> str:
    names = [
        f"{name} {value.shape}" if isinstance(value, h5py.Dataset) else f"{name}/" for name, value in group.items()
    ]
    return (", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")) or "nothing"
