"""The trajectories of a file of named arrays on a grid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from upt_core import DataError, grid_measure
from upt_data.arrays.placement import Placement
from upt_data.arrays.source import ArraySource, MemorySource
from upt_data.checks import Array
from upt_data.files.cells import sphere_bands
from upt_data.files.content import Content, Values, end_of, of_trajectory
from upt_data.files.handle import Handle
from upt_data.files.paths import Place
from upt_data.grid import Grid

STEADY_TIMES = np.zeros(1)
LATITUDES = ("latitude", "lat")


@dataclass(frozen=True)
class Part:
    """One array of a field.

    Args:
        arrays: the array's name; or one for each trajectory, where each has a group of its own.
        placement: of its axes.
        channels: of the field that come from it.
        is_complex: whether real and imaginary part are channels.
        picked: of the array's channels, those that are the field's; None: all.
    """

    arrays: tuple[str, ...]
    placement: Placement
    channels: int
    is_complex: bool = False
    picked: slice | None = None

    def name(self, number: int) -> str:
        """The array of a trajectory."""
        return self.arrays[number] if len(self.arrays) > 1 else self.arrays[0]

    def of_field(self, value: Values) -> Values:
        """The channels (..., C) that are the field's, of those that the array has."""
        value = value if self.picked is None else value[..., self.picked]
        return np.concatenate([value.real, value.imag], axis=-1) if self.is_complex else value


@dataclass(frozen=True)
class Variable:
    """A field: one array, or several that are stacked as channels."""

    name: str
    parts: tuple[Part, ...]

    @property
    def channels(self) -> int:
        """Channels of all parts."""
        return sum(part.channels for part in self.parts)

    @property
    def moves(self) -> bool:
        """Whether it changes in time."""
        return any(part.placement.time is not None for part in self.parts)


class GridContent(Content):
    """Trajectories on one grid, in named arrays.

    Args:
        place: the file.
        handle: opens it.
        num: number of trajectories.
        variables: the fields.
        grid: their points.
        times: times of the steps, (T,), or (trajectories, T) where each has its own; None: steady.
        parameters: name → numbers, (trajectories,) or (trajectories, T), or with 1 for all trajectories.
        marked: the parameters that become conditions where the user names none.
        lengths: how many steps of each trajectory there are; None: as many as times, less the steps at the end that
            hold nothing but NaN.
        targets: fields whose NaN at the end mean that the trajectory ended.
        notes: remarks on this file.
        extras: arrays that are no fields, by name: masks, areas of cells.
        axes: names of the grid's axes; empty: not known.
        cells: the grid in space, where ``grid`` is that of its indices.
    """

    def __init__(
        self,
        place: Place,
        handle: Handle[ArraySource],
        num: int,
        variables: Sequence[Variable],
        grid: Grid,
        times: Array | None,
        parameters: Mapping[str, Array] | None = None,
        marked: tuple[str, ...] = (),
        lengths: Values | None = None,
        targets: Sequence[str] = (),
        notes: Sequence[str] = (),
        extras: Mapping[str, Part] | None = None,
        axes: Sequence[str] = (),
        cells: Grid | None = None,
    ) -> None:
        super().__init__(place, num, {variable.name: variable.channels for variable in variables}, times is None)
        self.grid = grid
        self._handle = handle
        self._variables = {variable.name: variable for variable in variables}
        self._times = times
        self._parameters = dict(parameters or {})
        self._marked = marked
        self._lengths: dict[int, int] = {} if lengths is None else {n: int(v) for n, v in enumerate(lengths)}
        self._targets = tuple(targets)
        self._notes = list(notes)
        self._extras = dict(extras or {})
        self._axes = tuple(axes)
        self._cells = cells or grid

    def times(self, number: int) -> Array:
        """Times of a trajectory's steps, up to its last."""
        if self._times is None:
            return STEADY_TIMES
        times = self._times if self._times.ndim == 1 else self._times[number]
        return times[: self._length(number, len(times))]

    def points(self, number: int) -> Tensor:
        """The points of the grid."""
        return self.grid.points()

    def measure(self, number: int) -> Tensor | None:
        """Areas of the cells of an unevenly spaced or curvilinear grid, also of one that is taken by its indices."""
        return None if self._cells.regular else grid_measure(self._cells.points(), self._cells.shape)

    def is_shared(self, name: str) -> bool:
        """Whether an array has no axis of trajectories."""
        return name in self._extras and self._extras[name].placement.trajectory is None

    @property
    def axis_names(self) -> tuple[str, ...]:
        """Names of the grid's axes; empty: not known."""
        return self._axes

    def components(self, field: str) -> tuple[str, ...]:
        """Names of the arrays of a field, where each is a component."""
        parts = self._variables[field].parts
        return tuple(_last(part.arrays[0]) for part in parts) if all(part.channels == 1 for part in parts) else ()

    @property
    def latitude(self) -> str | None:
        """The axis called latitude or lat, with one coordinate for each of its points."""
        pairs = zip(self._axes, self._cells.coords, strict=False)
        return next((name for name, values in pairs if is_latitude(name) and values.ndim == 1), None)

    def on_sphere(self, number: int) -> Tensor:
        """Areas of the cells of a grid over a sphere, by the axis called latitude or lat."""
        where = f"{self.place.name}, measure: latitude"
        if self.latitude is None:
            raise DataError(
                f"{where}: latitude needs an axis called {' or '.join(LATITUDES)} with one coordinate for each of its "
                "points; "
                f"the axes are {', '.join(self._axes) or 'not known'}; name an array with the area of each cell instead"
            )
        at = self._axes.index(self.latitude)
        band_J = sphere_bands(self._cells.coords[at], where)
        shape = [len(band_J) if axis == at else 1 for axis in range(len(self._axes))]
        return band_J.reshape(shape).expand(self._cells.shape).flatten()

    def num_points(self, number: int) -> int:
        """Points of the grid."""
        return self.grid.num_points

    @property
    def grid_shape(self) -> tuple[int, ...] | None:
        """Points along each axis where the grid is regular."""
        return self.grid.shape if self.grid.regular else None

    @property
    def num_point_sets(self) -> int:
        """None of its own where the grid is regular: all files of the data set have the same one."""
        return 0 if self._cells.regular else 1

    def read(self, field: str, number: int, steps: slice) -> Values:
        """Steps of a field at the points of the grid."""
        source = self._handle.get()
        return _joined(
            part.of_field(part.placement.read(source, part.name(number), number, steps, self.grid))
            for part in self._variables[field].parts
        )

    def read_many(self, field: str, windows: Sequence[tuple[int, slice]]) -> Values:
        """Steps of a field of several trajectories."""
        if any(len(part.arrays) > 1 for part in self._variables[field].parts):  # of each trajectory an array of its own
            return super().read_many(field, windows)
        source = self._handle.get()
        return _joined(
            part.of_field(part.placement.read_many(source, part.arrays[0], windows, self.grid))
            for part in self._variables[field].parts
        )

    def extra(self, name: str, number: int) -> Values:
        """An array of the file at the points of the grid, (T, N)."""
        if name not in self._extras:
            return super().extra(name, number)
        part = self._extras[name]
        value_TNC = part.placement.read(self._handle.get(), part.name(number), number, slice(None), self.grid)
        return value_TNC[..., 0]

    def placed(self, values: Values, where: str, number: int) -> Values:
        """Values on the grid of the file, at the points that are kept."""
        if values.shape != self.grid.file_shape:
            raise DataError(f"{where}: shape {values.shape}; expected that of the file's grid, {self.grid.file_shape}")
        whole = Placement(None, None, tuple(range(values.ndim)))
        return whole.read(MemorySource({where: values}), where, 0, slice(None), self.grid)[..., 0]

    def parameter(self, number: int, name: str) -> float | Array | None:
        """A number that the file says of a trajectory, or numbers over its times."""
        return of_trajectory(self._parameters.get(name), number)

    @property
    def parameters(self) -> tuple[str, ...]:
        """Those that the format marks as parameters."""
        return self._marked

    def parts(self, field: str) -> str:
        """The arrays that a field is read from."""
        return " and ".join(repr(_last(part.arrays[0])) for part in self._variables[field].parts)

    def remarks(self) -> list[str]:
        """Notes on this file, and how many trajectories end early."""
        if self._times is None:
            return self._notes
        steps = self._times.shape[-1]
        ends = {number: length for number, length in self._lengths.items() if length < steps}
        if not ends:
            return self._notes
        text = f"{self.place.name}: {len(ends)} of {self.num} trajectories end before the last of {steps} time steps, "
        first = min(ends, key=ends.__getitem__)
        return [*self._notes, f"{text}the earliest, trajectory {first}, after {ends[first]}"]

    def _length(self, number: int, most: int) -> int:
        """How many steps a trajectory has: those at its end that are NaN at every point are none."""
        if number not in self._lengths:
            moving = [name for name in self._targets if self._variables[name].moves]
            self._lengths[number] = end_of(self, moving, number, most)
        return self._lengths[number]


def is_latitude(name: str) -> bool:
    """Whether an axis is called like latitudes, in whatever group and case."""
    return name.rpartition("/")[2].lower() in LATITUDES


def _joined(parts: Iterable[Values]) -> Values:
    """The channels of all parts; a part that is constant in time, of (..., T, N, C) with T = 1, is repeated."""
    values = list(parts)
    if len(values) == 1:
        return values[0]
    longest = max(value.shape[-3] for value in values)
    whole = [np.broadcast_to(value, (*value.shape[:-3], longest, *value.shape[-2:])) for value in values]
    return np.concatenate(whole, axis=-1)


def _last(name: str) -> str:
    return name.rpartition("/")[2]
