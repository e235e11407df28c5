"""Understands one file of named arrays: which array is which field, axis, time and parameter."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from upt_core import DataError
from upt_data.arrays.coordinates import at_rest, read_grid, read_times
from upt_data.arrays.extent import beside_extent, beside_time_step, made_coords
from upt_data.arrays.grid_content import GridContent, Part, Variable
from upt_data.arrays.named import NamedArrays
from upt_data.arrays.parameters import lengths, parameters
from upt_data.arrays.placement import Lengths, Placement, placed_by_length, placed_by_name
from upt_data.arrays.settings import GridSettings
from upt_data.arrays.source import ArraySource
from upt_data.checks import Array
from upt_data.files.content import Values
from upt_data.files.handle import Handle
from upt_data.files.paths import Place
from upt_data.grid import Grid, unit_axis

COORDINATES = "coordinates"
"""Field of a mapped grid's coordinates."""


class FileReading:
    """One file (or group) as it is being understood.

    Args:
        place: the file.
        source: its arrays, open.
        settings: what the user says of them.
    """

    def __init__(self, place: Place, source: ArraySource, settings: GridSettings) -> None:
        self.place = place
        self.where = place.name
        self.settings = settings
        self.arrays = NamedArrays(place, source, settings)
        self._notes: list[str] = []

    def content(self, handle: Handle[ArraySource]) -> GridContent:
        """The file's trajectories.

        Raises:
            DataError: an array is missing, of another shape or type, or contradicts another.
        """
        names = self.arrays.axis_names()
        self.arrays.require(names)
        coords = [self._coords(name, len(names)) for name in names] if self.settings.extent is None else []
        grid = self._grid_of(names, coords) if coords else None
        times = self._times()
        sizes = self._lengths_of(names, coords, times)
        placed = self._placements(names, sizes)
        num = self._num(placed)
        extras = {name: self._extra(name, num, names, sizes) for name in self.settings.extras}
        if grid is None:
            grid = self._grid_of(names, made_coords(self.arrays, placed))
            self._notes += beside_extent(self.arrays, names, placed, grid.file_shape)
        variables = [self._variable(name, placed) for name in self.settings.fields]
        cells = grid
        if self.settings.mapped and not grid.regular:
            variables.append(self._coordinates(names, coords))
            grid = _by_index(grid)
        times = self._all_times(times, placed, num)
        self._note(names, grid)
        said = parameters(self.arrays, num, 0 if times is None else times.shape[-1])
        return GridContent(
            self.place, handle, num, variables, grid, times, said, (), lengths(self.arrays, num, times),
            self.settings.targets, self._notes, extras, names, cells,
        )  # fmt: skip

    def _times(self) -> Array | None:
        if self.settings.steady or self.settings.time_step is not None:
            return None
        values = self.arrays.whole(self.settings.time)
        times = read_times(values, f"{self.where}, {self.settings.time!r}")
        if values.dtype.kind == "M":
            self._notes.append(f"{self.where}: times are dates and become seconds since {values.reshape(-1)[0]}")
        return times

    def _lengths_of(self, names: Sequence[str], coords: Sequence[Values], times: Array | None) -> Lengths:
        if not coords:
            grid: tuple[int | None, ...] = (None,) * len(names)
        elif coords[0].ndim == len(names) > 1 and min(coords[0].shape) > 1:
            grid = coords[0].shape
        else:
            grid = tuple(values.size for values in coords)
        return Lengths(None if times is None else times.shape[-1], grid, not self.settings.steady)

    def _placements(self, axes: Sequence[str], lengths: Lengths) -> dict[str, Placement]:
        placed = {}
        for field in self.settings.fields:
            for array in self.arrays.of_field(field):
                self._check_type(field, array)
                placed[array] = self._placement(field, array, axes, lengths)
        return placed

    def _placement(self, field: str, array: str, axes: Sequence[str], lengths: Lengths) -> Placement:
        shape, constant = self.arrays.shape(array), field not in self.settings.targets
        dims = self.arrays.dims(array)
        found = None
        for names in _shorter(dims, len(shape), self.settings) if dims is not None else []:
            found = found or self._by_name(names, shape, axes, lengths, constant)
        if found is None and self.settings.dims is None:
            found = placed_by_length(shape, lengths, constant)
        if found is None:
            raise DataError(
                f"{self.where}, {array!r}: shape {shape} does not fit the times and axes, which need "
                f"{_expected(shape, lengths, self.settings)}; correct 'axes' (one name for each axis of the grid, for "
                "example [x, x] if two are alike), 'time' or 'dims'"
            )
        return found

    def _extra(self, name: str, num: int, axes: Sequence[str], lengths: Lengths) -> Part:
        """An array that is no field: (*grid), with an axis of trajectories, of times, or of both."""
        shape = self.arrays.shape(name)
        found = self._placement(name, name, axes, lengths)
        if found.trajectory is not None and shape[found.trajectory] != num:
            over_time = found.time is None and shape[found.trajectory] == lengths.times
            if not over_time:
                raise DataError(
                    f"{self.where}, {name!r}: shape {shape}, for {num} trajectories; expected (*grid), or an axis of "
                    "trajectories, of times, or both, before the grid"
                )
            found = Placement(None, found.trajectory, found.grid, found.channels)
        return Part((self.arrays.full(name),), found, found.num_channels(shape))

    def _by_name(
        self, names: Sequence[str], shape: Sequence[int], axes: Sequence[str], lengths: Lengths, constant: bool
    ) -> Placement | None:
        found = placed_by_name(names, self.settings.trajectory, self.settings.time, axes)
        if found is None or (found.time is None and lengths.has_time and not constant):
            return None
        pairs = [(found.time, lengths.times), *zip(found.grid, lengths.grid, strict=True)]
        fits = all(at is None or size is None or shape[at] == size for at, size in pairs)
        return found if fits and (found.time is None or lengths.has_time) else None

    def _check_type(self, field: str, array: str) -> None:
        kind = self.arrays.dtype(array).kind
        place = f"{self.where}, {array!r}"
        if kind == "c" and not self.settings.complex_channels:
            raise DataError(
                f"{place} is complex; set complex: channels, which makes the real and imaginary parts two channels, "
                "or store only one part"
            )
        if kind == "b" and field in self.settings.targets:
            raise DataError(f"{place} is Boolean and cannot be predicted as a field; store it as 0.0 and 1.0")
        if kind == "b":
            self._notes.append(f"{place} is Boolean and becomes 0 and 1")
        if kind not in "fiubc":
            dtype = self.arrays.dtype(array)
            raise DataError(f"{place} holds {dtype}, which are not numbers; name an array of numbers")

    def _num(self, placed: dict[str, Placement]) -> int:
        sizes = {
            name: self.arrays.shape(name)[place.trajectory]
            for name, place in placed.items()
            if place.trajectory is not None
        }
        if len(set(sizes.values())) > 1 or 0 in sizes.values():
            raise DataError(f"{self.where}: the fields need one number of trajectories (first axis), found {sizes}")
        return next(iter(sizes.values()), 1)

    def _coords(self, name: str, num_axes: int) -> Values:
        """The coordinates of an axis; as a field (uneven: index) they are read as they are stored."""
        value = self.arrays.whole(name)
        return value if self.settings.mapped else at_rest(value, name, num_axes, self.where)

    def _grid_of(self, names: Sequence[str], coords: Sequence[Values]) -> Grid:
        wraps = self.settings.wraps(len(names), self.where)
        return read_grid(coords, names, wraps, self.settings.space_stride, self.where)

    def _variable(self, field: str, placed: dict[str, Placement]) -> Variable:
        parts = []
        for array in self.arrays.of_field(field):
            is_complex = self.arrays.dtype(array).kind == "c"
            channels = placed[array].num_channels(self.arrays.shape(array)) * (2 if is_complex else 1)
            parts.append(Part((self.arrays.full(array),), placed[array], channels, is_complex))
        return Variable(field, tuple(parts))

    def _coordinates(self, names: Sequence[str], coords: Sequence[Values]) -> Variable:
        """The coordinates of a mapped grid as a field."""
        num, parts = len(names), []
        for axis, (name, values) in enumerate(zip(names, coords, strict=True)):
            grid = tuple(range(num)) if values.ndim > 1 else tuple(0 if at == axis else None for at in range(num))
            parts.append(Part((self.arrays.full(name),), Placement(None, None, grid), 1))
        return Variable(COORDINATES, tuple(parts))

    def _all_times(self, times: Array | None, placed: dict[str, Placement], num: int) -> Array | None:
        if times is not None and times.ndim == 2 and len(times) != num:
            raise DataError(
                f"{self.where}, {self.settings.time!r}: has {len(times)} rows of times for {num} trajectories; give "
                "one row for each trajectory, or one for all"
            )
        if self.settings.time_step is None or self.settings.steady:
            return times
        sizes = {name: self.arrays.shape(name)[place.time] for name, place in placed.items() if place.time is not None}
        if len(set(sizes.values())) != 1:
            raise DataError(
                f"{self.where}: all fields need the same number of time steps, found {sizes}; correct 'dims'"
            )
        num_times = next(iter(sizes.values()))
        self._notes += beside_time_step(self.arrays, num_times)
        return np.arange(num_times) * self.settings.time_step

    def _note(self, names: Sequence[str], grid: Grid) -> None:
        turned = [name for name, flipped in zip(names, grid.flipped, strict=False) if flipped]
        if turned:
            self._notes.append(
                f"{self.where}: {' and '.join(map(repr, turned))} descends, so the fields are flipped along it"
            )
        if not grid.regular:
            self._notes.append(
                f"{self.where}: the grid of {' × '.join(map(str, grid.shape))} is curvilinear or unevenly spaced; its "
                "points become scattered points (with uneven: index, it stays a grid of its indices)"
            )


def _by_index(grid: Grid) -> Grid:
    """A grid of the indices of another, of extent 1 along each axis."""
    axes = tuple(unit_axis(size) for size in grid.shape)
    return Grid(axes, grid.file_shape, grid.stride, grid.flipped)


def _shorter(dims: Sequence[str], num_axes: int, settings: GridSettings) -> list[list[str]]:
    """The names of an array's axes, where it may lack channels, times or trajectories, or have channels unnamed."""
    names = list(dims)
    if num_axes == len(names):
        return [names]
    if num_axes == len(names) + 1 and "channel" not in names:
        return [[*names, "channel"]]
    found = []
    for left_out in (["channel"], [settings.time], [settings.trajectory], ["channel", settings.time]):
        rest = [name for name in names if name not in left_out]
        found += [rest] if len(rest) == num_axes else []
    return found


def _expected(shape: Sequence[int], lengths: Lengths, settings: GridSettings) -> str:
    if settings.dims is not None:
        return f"({', '.join(settings.dims)})"
    sizes = [*([lengths.times] if lengths.has_time else []), *lengths.grid]
    known = ", ".join("any" if size is None else str(size) for size in [shape[0] if shape else None, *sizes])
    return f"({known}) or ({known}, 'channels')"
