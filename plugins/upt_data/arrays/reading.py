"""Understands one file of named arrays: which array is which field, axis, time and parameter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from upt_core import DataError
from upt_data.arrays.coordinates import at_rest, read_grid, read_times
from upt_data.arrays.grid_content import GridContent, Part, Variable
from upt_data.arrays.placement import Lengths, Placement, placed_by_length, placed_by_name
from upt_data.arrays.source import ArraySource
from upt_data.checks import Array
from upt_data.files.categories import Categories
from upt_data.files.content import Values
from upt_data.files.handle import Handle
from upt_data.files.paths import Place
from upt_data.grid import Grid, axis_length, is_even, unit_axis
from upt_data.point_domain import periodic_axes

USUAL_AXES = ("x", "y", "z")
COORDINATES = "coordinates"
"""Field of a mapped grid's coordinates."""


@dataclass(frozen=True)
class GridSettings:
    """What the user says of the arrays; see ``GridArrays`` for each."""

    inputs: tuple[str, ...]
    targets: tuple[str, ...]
    axes: tuple[str, ...] | None
    time: str
    steady: bool
    conditions: tuple[str, ...]
    periodic: bool | list[bool]
    space_stride: int
    vectors: dict[str, list[str]]
    dims: tuple[str, ...] | None
    trajectory: str
    lengths: str | None
    extent: tuple[float, ...] | None
    time_step: float | None
    complex_channels: bool
    mapped: bool
    mask: str | None = None
    categories: Categories = Categories()  # noqa: RUF009  it is never changed

    @property
    def fields(self) -> tuple[str, ...]:
        """Inputs and targets, each once."""
        return tuple(dict.fromkeys(self.inputs + self.targets))

    def wraps(self, num_axes: int, where: str) -> tuple[bool, ...]:
        """For each axis, whether it wraps around."""
        if not isinstance(self.periodic, bool) and len(self.periodic) != num_axes:
            raise DataError(f"{where}: periodic has {len(self.periodic)} values, the grid has {num_axes} axes")
        return periodic_axes(self.periodic, num_axes, where)


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
        self.source = source
        self.settings = settings
        self._known = set(source.names())
        self._notes: list[str] = []

    def content(self, handle: Handle[ArraySource]) -> GridContent:
        """The file's trajectories.

        Raises:
            DataError: an array is missing, of another shape or type, or contradicts another.
        """
        names = self._axis_names()
        self._check_names(names)
        coords = [self._coords(name, len(names)) for name in names] if self.settings.extent is None else []
        grid = self._grid_of(names, coords) if coords else None
        times = self._times()
        sizes = self._lengths_of(names, coords, times)
        placed = self._placements(names, sizes)
        num = self._num(placed)
        masks = self._masks(num, names, sizes)
        if grid is None:
            grid = self._grid_of(names, self._made_coords(placed))
            self._check_against_extent(names, grid.file_shape)
        variables = [self._variable(name, placed) for name in self.settings.fields]
        if self.settings.mapped and not grid.regular:
            variables.append(self._coordinates(names, coords))
            grid = _by_index(grid)
        times = self._all_times(times, placed, num)
        self._note(names, grid)
        parameters = self._parameters(num, 0 if times is None else times.shape[-1])
        lengths = self._lengths(num, times)
        return GridContent(
            self.place, handle, num, variables, grid, times, parameters, (), lengths, self.settings.targets,
            self._notes, masks,
        )  # fmt: skip

    def _found(self, name: str) -> str:
        """The full name of an array: in the group, or else at the root; the name itself where there is none."""
        inside = f"{self.place.group}/{name}" if self.place.group else name
        return inside if inside in self._known else name

    def _arrays(self, field: str) -> list[str]:
        """The arrays of a field: its own, or its components."""
        return list(self.settings.vectors.get(field, [field]))

    def _check_names(self, axes: Sequence[str]) -> None:
        chosen = self.settings
        needed = [array for field in chosen.fields for array in self._arrays(field)]
        needed += [] if chosen.extent is not None else list(axes)
        needed += [] if chosen.steady or chosen.time_step is not None else [chosen.time]
        needed += [] if chosen.lengths is None else [chosen.lengths]
        needed += [] if chosen.mask is None else [chosen.mask]
        missing = sorted({name for name in needed if self._found(name) not in self._known})
        if missing:
            names = ", ".join(sorted(self._known)[:40]) or "none"
            raise DataError(
                f"{self.where}: there is no array called {' or '.join(map(repr, missing))}; found: {names}; name the "
                f"right ones in the data set's settings"
            )

    def _axis_names(self) -> tuple[str, ...]:
        chosen = self.settings
        if chosen.axes is not None:
            names = chosen.axes
        elif chosen.extent is not None:
            names = USUAL_AXES[: len(chosen.extent)]
        else:
            names = tuple(name for name in USUAL_AXES if self._found(name) in self._known)
        if not names:
            raise DataError(
                f"{self.where}: there is no coordinate array x, y or z; name them in 'axes', or give 'extent' where "
                f"the file has none; found: {self.source.described(self.place.group)}"
            )
        if chosen.extent is not None and len(chosen.extent) != len(names):
            raise DataError(f"{self.where}: extent has {len(chosen.extent)} values, axes has {len(names)} names")
        return names

    def _times(self) -> Array | None:
        if self.settings.steady or self.settings.time_step is not None:
            return None
        values = self.source.whole(self._found(self.settings.time))
        if values.dtype.kind == "M":
            self._notes.append(f"{self.where}: times are dates; they become seconds since {values.reshape(-1)[0]}")
        return read_times(values, f"{self.where}, {self.settings.time!r}")

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
            for array in self._arrays(field):
                self._check_type(field, array)
                placed[array] = self._placement(field, array, axes, lengths)
        return placed

    def _placement(self, field: str, array: str, axes: Sequence[str], lengths: Lengths) -> Placement:
        shape, constant = self.source.shape(self._found(array)), field not in self.settings.targets
        dims = self.source.dims(self._found(array)) if self.settings.dims is None else self.settings.dims
        found = None
        for names in _shorter(dims, len(shape), self.settings) if dims is not None else []:
            found = found or self._by_name(names, shape, axes, lengths, constant)
        if found is None and self.settings.dims is None:
            found = placed_by_length(shape, lengths, constant)
        if found is None:
            raise DataError(
                f"{self.where}, {array!r}: shape {shape} does not fit the times and axes, which ask for "
                f"{_expected(shape, lengths, self.settings)}; correct 'axes' (one name for each axis of the grid, "
                f"as [x, x] where two are alike), 'time' or 'dims'"
            )
        return found

    def _masks(self, num: int, axes: Sequence[str], lengths: Lengths) -> dict[str, Part]:
        """The array that says where holes are: (*grid), with an axis of trajectories, of times, or of both."""
        name = self.settings.mask
        if name is None:
            return {}
        shape = self.source.shape(self._found(name))
        found = self._placement(name, name, axes, lengths)
        if found.trajectory is not None and shape[found.trajectory] != num:
            over_time = found.time is None and shape[found.trajectory] == lengths.times
            if not over_time:
                raise DataError(
                    f"{self.where}, {name!r}: shape {shape} of a mask, for {num} trajectories; expected (*grid), or "
                    f"with an axis of trajectories, of times, or of both before"
                )
            found = Placement(None, found.trajectory, found.grid, found.channels)
        return {name: Part((self._found(name),), found, found.num_channels(shape))}

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
        kind = self.source.dtype(self._found(array)).kind
        place = f"{self.where}, {array!r}"
        if kind == "c" and not self.settings.complex_channels:
            raise DataError(
                f"{place} is complex; set complex: channels, which makes real and imaginary part two channels, or "
                f"store the part that you mean"
            )
        if kind == "b" and field in self.settings.targets:
            raise DataError(f"{place} is true or false, which cannot be predicted as a field; store it as 0.0 and 1.0")
        if kind == "b":
            self._notes.append(f"{place} is true or false; it becomes 1 and 0")
        if kind not in "fiubc":
            dtype = self.source.dtype(self._found(array))
            raise DataError(f"{place} holds {dtype}, which is no number; name an array of numbers")

    def _num(self, placed: dict[str, Placement]) -> int:
        sizes = {
            name: self.source.shape(self._found(name))[place.trajectory]
            for name, place in placed.items()
            if place.trajectory is not None
        }
        if len(set(sizes.values())) > 1 or 0 in sizes.values():
            raise DataError(f"{self.where}: the fields need one number of trajectories (first axis), found {sizes}")
        return next(iter(sizes.values()), 1)

    def _coords(self, name: str, num_axes: int) -> Values:
        """The coordinates of an axis; as a field (uneven: index) they are read as they are stored."""
        value = self.source.whole(self._found(name))
        return value if self.settings.mapped else at_rest(value, name, num_axes, self.where)

    def _grid_of(self, names: Sequence[str], coords: Sequence[Values]) -> Grid:
        wraps = self.settings.wraps(len(names), self.where)
        return read_grid(coords, names, wraps, self.settings.space_stride, self.where)

    def _made_coords(self, placed: dict[str, Placement]) -> list[Values]:
        """Coordinates of evenly spaced axes of the given extent, where the file has none."""
        assert self.settings.extent is not None
        sizes = {
            name: tuple(self.source.shape(self._found(name))[at] for at in place.grid if at is not None)
            for name, place in placed.items()
        }
        if len(set(sizes.values())) > 1:
            raise DataError(f"{self.where}: the fields are on different grids: {sizes}; name fields of one grid")
        shape = next(iter(sizes.values()))
        return [unit_axis(size, length) for size, length in zip(shape, self.settings.extent, strict=True)]

    def _check_against_extent(self, names: Sequence[str], shape: tuple[int, ...]) -> None:
        """With ``extent`` points are evenly spaced from 0: what the file says of them itself must not contradict.

        Raises:
            DataError: the file's coordinates are unevenly spaced, curvilinear, or descend.
        """
        assert self.settings.extent is not None
        fields = {array for field in self.settings.fields for array in self._arrays(field)}
        for name, size, extent in zip(names, shape, self.settings.extent, strict=True):
            found = self._found(name)
            if name in fields or found not in self._known or self.source.shape(found) not in ((size,), shape):
                continue
            values = np.asarray(self.source.whole(found), dtype=np.float64)
            if values.ndim > 1 or not (np.diff(values) > 0).all() or not is_even(values):
                raise DataError(
                    f"{self.where}, {name!r}: extent takes the points as evenly spaced and rising, but these "
                    f"coordinates are not; leave extent out, and they are used as they are"
                )
            if not 0.99 * (values[-1] - values[0]) <= extent <= 1.01 * axis_length(values):
                self._notes.append(
                    f"{self.where}: {name!r} goes from {values[0]:g} to {values[-1]:g}, but extent says a length of "
                    f"{extent:g}, which is used; leave it out to use the file's coordinates"
                )

    def _variable(self, field: str, placed: dict[str, Placement]) -> Variable:
        parts = []
        for array in self._arrays(field):
            name = self._found(array)
            is_complex = self.source.dtype(name).kind == "c"
            channels = placed[array].num_channels(self.source.shape(name)) * (2 if is_complex else 1)
            parts.append(Part((name,), placed[array], channels, is_complex))
        return Variable(field, tuple(parts))

    def _coordinates(self, names: Sequence[str], coords: Sequence[Values]) -> Variable:
        """The coordinates of a mapped grid as a field."""
        num, parts = len(names), []
        for axis, (name, values) in enumerate(zip(names, coords, strict=True)):
            grid = tuple(range(num)) if values.ndim > 1 else tuple(0 if at == axis else None for at in range(num))
            parts.append(Part((self._found(name),), Placement(None, None, grid), 1))
        return Variable(COORDINATES, tuple(parts))

    def _all_times(self, times: Array | None, placed: dict[str, Placement], num: int) -> Array | None:
        if times is not None and times.ndim == 2 and len(times) != num:
            raise DataError(
                f"{self.where}, {self.settings.time!r}: has {len(times)} rows of times for {num} trajectories; give "
                f"one row for each, or one for all"
            )
        if self.settings.time_step is None or self.settings.steady:
            return times
        sizes = {
            name: self.source.shape(self._found(name))[place.time]
            for name, place in placed.items()
            if place.time is not None
        }
        if len(set(sizes.values())) != 1:
            raise DataError(f"{self.where}: the fields need one number of time steps, found {sizes}; correct 'dims'")
        return np.arange(next(iter(sizes.values()))) * self.settings.time_step

    def _parameters(self, num: int, num_times: int) -> dict[str, Array]:
        attributes = {**self.source.attributes(), **self.source.attributes(self.place.group)}
        found = {}
        for name in self.settings.conditions:
            if self._found(name) in self._known:
                values = self.source.whole(self._found(name))
            elif name in attributes:
                values = np.asarray(attributes[name])
            else:
                continue  # it may stand in the file's name or in the table
            if name in self.settings.categories:
                values = self.settings.categories.numbers(name, values, f"{self.where}, {name!r}")
            found[name] = numbers(values, num, f"{self.where}, {name!r}", num_times)
        return found

    def _lengths(self, num: int, times: Array | None) -> Values | None:
        name = self.settings.lengths
        if name is None or times is None:
            return None
        where, most = f"{self.where}, {name!r}", times.shape[-1]
        values = numbers(self.source.whole(self._found(name)), num, where)
        if len(values) != num or bool(((values < 1) | (values > most) | (values != values.round())).any()):
            raise DataError(f"{where}: expected a whole number from 1 to {most} for each of {num} trajectories")
        return values

    def _note(self, names: Sequence[str], grid: Grid) -> None:
        turned = [name for name, flipped in zip(names, grid.flipped, strict=False) if flipped]
        if turned:
            self._notes.append(
                f"{self.where}: {' and '.join(map(repr, turned))} descends; the fields are turned along it"
            )
        if not grid.regular:
            self._notes.append(
                f"{self.where}: the grid of {' × '.join(map(str, grid.shape))} is curvilinear or unevenly spaced; its "
                f"points are taken as scattered points (uneven: index takes it as a grid of its indices)"
            )


def numbers(values: Values, num: int, where: str, num_times: int = 0) -> Array:
    """One finite number for each trajectory, (num,), or one for all, (1,); or one for each time, (num or 1, T).

    Raises:
        DataError: the array has another shape or type, or holds NaN.
    """
    over_time = num_times > 1 and (values.shape == (num, num_times) or (num == 1 and values.shape == (num_times,)))
    a_row = values.size in (1, num) and max(values.shape, default=1) == values.size
    if values.dtype.kind not in "fiub" or not (over_time or a_row):
        raise DataError(
            f"{where} has shape {values.shape} of {values.dtype}; a condition needs one number for each trajectory, "
            f"({num},), or one for all" + (f", or one for each time, ({num}, {num_times})" if num_times > 1 else "")
        )
    found = values.astype(np.float64).reshape((num, num_times) if over_time else -1)
    bad = ~np.isfinite(found).reshape(len(found), -1).all(axis=1)
    if bad.any():
        raise DataError(f"{where}, trajectory {int(np.argmax(bad))}: the value is NaN or infinite")
    return found


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
