"""Files of scattered points in one row: which rows are a trajectory's, and its fields at them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from upt_core import DataError
from upt_data.arrays.coordinates import read_times
from upt_data.arrays.grid_content import STEADY_TIMES
from upt_data.arrays.hdf5 import open_hdf5_arrays
from upt_data.arrays.npz import open_npz
from upt_data.arrays.parameters import numbers
from upt_data.arrays.source import ArraySource
from upt_data.arrays.zarr import open_zarr
from upt_data.checks import Array, rising
from upt_data.files.categories import Categories
from upt_data.files.content import Content, Values, end_of, of_trajectory
from upt_data.files.handle import Handle
from upt_data.files.paths import Place
from upt_data.places import places

DISPLACEMENT = "displacement"
"""Field of points that move: the way from their first position."""


@dataclass(frozen=True)
class RaggedSettings:
    """Names of the arrays; ``time`` is None in a steady problem. See ``PointClouds`` for each."""

    inputs: tuple[str, ...]
    targets: tuple[str, ...]
    positions: str
    offsets: str
    time: str | None
    conditions: tuple[str, ...]
    displacement: bool
    extras: tuple[str, ...] = ()
    categories: Categories = Categories()  # noqa: RUF009  it is never changed

    @property
    def fields(self) -> tuple[str, ...]:
        """Inputs and targets, each once."""
        return tuple(dict.fromkeys(self.inputs + self.targets))


def open_any(path: Path) -> ArraySource:
    """The arrays of a file, in the format that its name says."""
    by_suffix: dict[str, Callable[[Path], ArraySource]] = {
        ".h5": open_hdf5_arrays,
        ".hdf5": open_hdf5_arrays,
        ".zarr": open_zarr,
    }
    return by_suffix.get(path.suffix.lower(), open_npz)(path)


def read_ragged(place: Place, opener: Callable[[Path], ArraySource], settings: RaggedSettings) -> RaggedContent:
    """The trajectories of a file.

    Raises:
        DataError: an array is missing, of another shape or type, or the rows of trajectories do not follow each other.
    """
    handle: Handle[ArraySource] = Handle(place.path, opener)
    source = handle.get()
    try:
        _check_names(source, place, settings)
        times = None if settings.time is None else _times(source, place, settings.time)
        shape = source.shape(settings.positions)
        rows = _rows(source.whole(settings.offsets), shape[0] if shape else 0, f"{place.path}, {settings.offsets!r}")
        moves = _check_positions(shape, times, f"{place.path}, {settings.positions!r}", settings)
        channels = {name: _channels(source, place, name, shape[0], times, settings) for name in settings.fields}
        attributes = source.attributes()
        values = {
            name: source.whole(name) if name in source.names() else np.asarray(attributes[name])
            for name in settings.conditions
            if name in source.names() or name in attributes
        }
        values |= {
            name: settings.categories.numbers(name, value, f"{place.path}, {name!r}")
            for name, value in values.items()
            if name in settings.categories
        }
        parameters = {
            name: numbers(value, len(rows), f"{place.path}, {name!r}", 0 if times is None else len(times))
            for name, value in values.items()
        }
    finally:
        handle.close()
    if moves:
        channels[DISPLACEMENT] = shape[-1]
    return RaggedContent(place, handle, settings, rows, channels, times, parameters)


class RaggedContent(Content):
    """Trajectories at scattered points: consecutive rows of the arrays of one file.

    Args:
        place, handle: the file.
        settings: names of its arrays.
        rows: the rows of each trajectory.
        channels: of each field.
        times: (T,); None: steady.
        parameters: one number for each trajectory, or one for all.
    """

    def __init__(
        self,
        place: Place,
        handle: Handle[ArraySource],
        settings: RaggedSettings,
        rows: list[slice],
        channels: dict[str, int],
        times: Array | None,
        parameters: Mapping[str, Array],
    ) -> None:
        super().__init__(place, len(rows), channels, times is None)
        self._handle = handle
        self._settings = settings
        self._rows = rows
        self._times = times
        self._parameters = dict(parameters)
        self._ends: dict[int, int] = {}

    def times(self, number: int) -> Array:
        """Times of a trajectory's steps, up to its last."""
        if self._times is None:
            return STEADY_TIMES
        if number not in self._ends:
            self._ends[number] = end_of(self, self._settings.targets, number, len(self._times))
        return self._times[: self._ends[number]]

    def points(self, number: int) -> Tensor:
        """Positions of a trajectory's points, the first ones where they move."""
        value = self._positions(number, slice(0, 1))
        return places(torch.from_numpy(np.array(value[0], dtype=np.float64)))

    def num_points(self, number: int) -> int:
        """How many rows a trajectory has."""
        rows = self._rows[number]
        return int(rows.stop - rows.start)

    def point_set(self, number: int) -> int:
        """Every trajectory has its own points."""
        return number

    @property
    def num_point_sets(self) -> int:
        """As many as trajectories."""
        return self.num

    def parameter(self, number: int, name: str) -> float | Array | None:
        """A number that the file says of a trajectory, or numbers over its times."""
        return of_trajectory(self._parameters.get(name), number)

    def read(self, field: str, number: int, steps: slice) -> Values:
        """Steps of a field of a trajectory, (T, N, C)."""
        if field == DISPLACEMENT and self._settings.displacement:
            first, now = (self._positions(number, part).astype(np.float64) for part in (slice(0, 1), steps))
            return now - first
        source = self._handle.get()
        shape = source.shape(field)
        moves = self._times is not None and len(shape) > 1 and shape[1] == len(self._times)
        index = (self._rows[number], steps) if moves else (self._rows[number],)
        value = source.read(field, (*index, *(slice(None),) * (len(shape) - len(index))))
        value = value if moves else value[:, None]
        return (value if value.ndim == 3 else value[..., None]).transpose(1, 0, 2)

    def extra(self, name: str, number: int) -> Values:
        """An array of one value for each row, or for each row and time, at a trajectory's points, (T, N)."""
        source = self._handle.get()
        shape = source.shape(name) if name in source.names() else ()
        if len(shape) not in (1, 2) or shape[0] != self._rows[-1].stop or name not in self._settings.extras:
            found = f"shape {shape}" if shape else f"no such array; found: {source.described()}"
            raise DataError(f"{self.place.path}, {name!r}: {found}; expected ({self._rows[-1].stop},) or (rows, times)")
        value = source.read(name, (self._rows[number], *(slice(None),) * (len(shape) - 1)))
        return value[None] if len(shape) == 1 else value.T

    def _positions(self, number: int, steps: slice) -> Values:
        """(T, N, X); T = 1 where the points do not move."""
        source, name = self._handle.get(), self._settings.positions
        if len(source.shape(name)) == 2:
            return source.read(name, (self._rows[number], slice(None)))[None]
        return source.read(name, (self._rows[number], steps, slice(None))).transpose(1, 0, 2)


def _check_names(source: ArraySource, place: Place, settings: RaggedSettings) -> None:
    time = [] if settings.time is None else [settings.time]
    needed = [settings.positions, settings.offsets, *settings.fields, *time]
    missing = sorted(set(needed) - set(source.names()))
    if missing:
        raise DataError(
            f"{place.path}: there is no array called {' or '.join(map(repr, missing))}; found: "
            f"{', '.join(sorted(source.names())) or 'none'}; name the right ones in the data set's settings"
        )


def _times(source: ArraySource, place: Place, name: str) -> Array:
    times = read_times(source.whole(name), f"{place.path}, {name!r}")
    if times.ndim != 1:
        raise DataError(f"{place.path}, {name!r}: expected one row of times for all trajectories, found {times.shape}")
    return times


def _check_positions(shape: tuple[int, ...], times: Array | None, where: str, settings: RaggedSettings) -> bool:
    """Whether the points move."""
    if len(shape) == 2 and 1 <= shape[1] <= 3:
        return False
    moves = times is not None and len(shape) == 3 and shape[1] == len(times) and 1 <= shape[2] <= 3
    if not moves:
        raise DataError(f"{where}: shape {shape}; expected (rows, 1 to 3 axes)")
    if not settings.displacement:
        raise DataError(
            f"{where}: shape {shape}: the points move, which upt can use only as a field; set moving: displacement, "
            "which adds each point's displacement from its first position as an input and target, or interpolate to "
            "points that do not move"
        )
    return True


def _rows(offsets: Values, num_rows: int, where: str) -> list[slice]:
    ends = rising(offsets, where).astype(np.int64).tolist()
    if ends[0] != 0 or ends[-1] != num_rows:
        raise DataError(
            f"{where}: goes from {ends[0]} to {ends[-1]}; expected from 0 to the number of rows, {num_rows}; "
            f"correct it, or store all rows of the points"
        )
    return [slice(start, stop) for start, stop in pairwise(ends)]


def _channels(
    source: ArraySource, place: Place, name: str, num_rows: int, times: Array | None, settings: RaggedSettings
) -> int:
    """Channels of a field, if its shape and type are right."""
    shape, dtype, where = source.shape(name), source.dtype(name), f"{place.path}, {name!r}"
    if dtype.kind not in "fiub" or (dtype.kind == "b" and name in settings.targets):
        cure = "real and imaginary part as two channels" if dtype.kind == "c" else "numbers"
        raise DataError(f"{where} holds {dtype}, which is not a field of real numbers; store {cure}")
    if times is not None and len(shape) in (2, 3) and shape[:2] == (num_rows, len(times)):
        return shape[2] if len(shape) == 3 else 1
    if (times is None or name not in settings.targets) and len(shape) in (1, 2) and shape[0] == num_rows:
        return shape[1] if len(shape) == 2 else 1
    expected = f"({num_rows}, channels)" if times is None else f"({num_rows}, {len(times)}, channels)"
    raise DataError(f"{where}: shape {shape} does not fit; expected {expected}")
