"""Coordinates and times from arrays: rising, in physical units; descending axes are turned, dates become seconds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from upt_core import DataError
from upt_data.checks import Array, rising
from upt_data.files.content import Values
from upt_data.grid import Grid, is_even, rising_axis, stride_axis


def as_seconds(values: Values, where: str) -> Values:
    """Dates as seconds since the first of them, durations as seconds; numbers as they are.

    Raises:
        DataError: the values are neither.
    """
    if values.dtype.kind == "M":
        if not values.size:
            return np.zeros(values.shape)
        return np.asarray((values - values.reshape(-1)[0]) / np.timedelta64(1, "s"))
    if values.dtype.kind == "m":
        return values.astype("timedelta64[ns]").astype(np.float64) * 1e-9
    if values.dtype.kind == "O" and values.size and hasattr(values.reshape(-1)[0], "calendar"):
        seconds = [(value - values.reshape(-1)[0]).total_seconds() for value in values.reshape(-1)]
        return np.array(seconds, dtype=np.float64).reshape(values.shape)
    if values.dtype.kind not in "fiu":
        raise DataError(f"{where}: expected times as numbers or dates, found {values.dtype}; store times as numbers")
    return values


def read_times(values: Values, where: str) -> Array:
    """Times of the steps, (T,), or (trajectories, T), as float64; a column or a row of a matrix counts as (T,).

    Raises:
        DataError: they are not numbers or dates, or do not rise.
    """
    times = as_seconds(values, where)
    if times.ndim == 2 and 1 in times.shape:
        times = times.reshape(-1)
    if times.ndim != 2 or len(times) == 0:
        return rising(times, where)
    return np.stack([rising(row, f"{where}, trajectory {number}") for number, row in enumerate(times)])


def read_grid(arrays: Sequence[Values], names: Sequence[str], wraps: Sequence[bool], stride: int, where: str) -> Grid:
    """The grid of one-dimensional axes, of any spacing, or of curvilinear coordinates.

    Args:
        arrays: coordinates of each axis; all (points,), or all of the grid's shape.
        names: of the arrays.
        wraps: for each axis, whether it wraps around.
        stride: every n-th point is kept.
        where: the file, for messages.

    Raises:
        DataError: the coordinates are not of these shapes, not finite, or neither rise nor descend.
    """
    if any(array.ndim > 1 and min(array.shape) > 1 for array in arrays):
        return _curvilinear(arrays, names, stride, where)
    axes, flipped = [], []
    for name, array in zip(names, arrays, strict=True):
        row = array.reshape(-1) if array.ndim == 2 else array
        turned = _descends(row)
        axes.append(rising_axis(row[::-1] if turned else row, f"{where}, {name!r}"))
        flipped.append(turned)
    kept = [
        stride_axis(axis, stride, wrap, f"{where}, axis {number}")
        for number, (axis, wrap) in enumerate(zip(axes, wraps, strict=True))
    ]
    regular = all(is_even(axis) for axis in axes)
    return Grid(tuple(kept), tuple(map(len, axes)), stride, tuple(flipped), regular)


def at_rest(array: Values, name: str, num_axes: int, where: str) -> Values:
    """Coordinates that are stored for each time step or trajectory, though they stay: those of the first.

    Raises:
        DataError: they do not stay.
    """
    if array.ndim <= num_axes or min(array.shape) < 2:
        return array
    extra = array.ndim - num_axes
    rows = array.reshape(-1, *array.shape[extra:])
    apart = np.flatnonzero((rows != rows[:1]).reshape(len(rows), -1).any(axis=1))
    if len(apart):
        index = tuple(int(place) for place in np.unravel_index(apart[0], array.shape[:extra]))
        raise DataError(
            f"{where}, {name!r}: shape {array.shape} for {num_axes} axes: the coordinates move, first at index "
            f"{index}, but a grid must not move. Interpolate to one grid, or store points, which may differ between "
            "trajectories (data set points; moving: displacement makes the displacement from the first positions a "
            "field)"
        )
    return np.asarray(rows[0])


def _descends(values: Values) -> bool:
    usual = values.ndim == 1 and values.dtype.kind in "fiu" and len(values) > 1
    return usual and bool((np.diff(values.astype(np.float64)) < 0).all())


def _curvilinear(arrays: Sequence[Values], names: Sequence[str], stride: int, where: str) -> Grid:
    shapes = {name: array.shape for name, array in zip(names, arrays, strict=True)}
    if len(set(shapes.values())) > 1 or arrays[0].ndim != len(arrays):
        raise DataError(
            f"{where}: coordinates of a curvilinear grid need one shape, with as many axes as there are coordinates; "
            f"found {shapes}"
        )
    for name, array in zip(names, arrays, strict=True):
        if array.dtype.kind not in "fiu" or not np.isfinite(array.astype(np.float64)).all():
            raise DataError(
                f"{where}, {name!r}: coordinates must be finite numbers; remove the points without coordinates"
            )
    strides = (slice(None, None, stride),) * len(arrays)
    kept = tuple(np.ascontiguousarray(array[strides], dtype=np.float64) for array in arrays)
    return Grid(kept, arrays[0].shape, stride, (False,) * len(arrays), regular=False)
