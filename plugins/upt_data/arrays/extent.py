"""Points and times that the user gives by lengths: where the file says something else of them, that is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from upt_core import DataError
from upt_data.arrays.coordinates import as_seconds
from upt_data.arrays.named import NamedArrays
from upt_data.arrays.placement import Placement
from upt_data.checks import Array
from upt_data.files.content import Values
from upt_data.grid import axis_length, is_even, unit_axis

SLACK = 0.01
"""Lengths that differ by less than this fraction are one."""


def made_coords(arrays: NamedArrays, placed: Mapping[str, Placement]) -> list[Values]:
    """Coordinates of evenly spaced axes of the given extent.

    Raises:
        DataError: the fields are on different grids.
    """
    assert arrays.settings.extent is not None
    sizes = {
        name: tuple(arrays.shape(name)[at] for at in place.grid if at is not None) for name, place in placed.items()
    }
    if len(set(sizes.values())) > 1:
        raise DataError(f"{arrays.where}: the fields are on different grids: {sizes}; name fields of one grid")
    shape = next(iter(sizes.values()))
    return [unit_axis(size, length) for size, length in zip(shape, arrays.settings.extent, strict=True)]


def beside_extent(
    arrays: NamedArrays, axes: Sequence[str], placed: Mapping[str, Placement], shape: tuple[int, ...]
) -> list[str]:
    """What the file's own coordinates say otherwise than ``extent``, by which points are evenly spaced from 0.

    Coordinates are the arrays that ``axes`` names, and those with the names that the file gives to the fields' axes. A
    row, a column (as MATLAB has them), rows for each trajectory that are alike, or a mesh in either order of axes are
    all read as the axis along which they change.

    Args:
        axes: names of the coordinate arrays.
        placed: where each array of a field has its axes.
        shape: points along each axis of the grid.

    Raises:
        DataError: the file's coordinates are unevenly spaced, curvilinear, or descend.
    """
    assert arrays.settings.extent is not None
    found = []
    for axis, extent in enumerate(arrays.settings.extent):
        for name in _coordinates_of(axis, arrays, axes, placed):
            found += _contradictions(arrays, name, shape, axis, extent)
    return found


def beside_time_step(arrays: NamedArrays, num_times: int) -> list[str]:
    """What the file's own times say otherwise than ``time_step``."""
    name, step = arrays.settings.time, arrays.settings.time_step
    if step is None or name not in arrays or name in arrays.of_fields():
        return []
    where, use = f"{arrays.where}: {name!r}", "which is used; leave it out to use the file's times"
    values = arrays.whole(name)
    try:
        times = np.asarray(as_seconds(values, where), dtype=np.float64)
    except DataError:
        return [f"{where} holds {values.dtype} and not times; time steps follow from time_step"]
    times = times.reshape(-1) if max(times.shape, default=1) == times.size else times
    if times.ndim not in (1, 2) or times.shape[-1] != num_times:
        return [f"{where} has the shape {times.shape}, for {num_times} time steps; time steps follow from time_step"]
    steps = np.diff(times, axis=-1)
    if steps.size and (np.abs(steps - step) > SLACK * step).any():
        return [f"{where} has steps from {steps.min():g} to {steps.max():g}, but time_step says {step:g}, {use}"]
    return []


def _coordinates_of(
    axis: int, arrays: NamedArrays, axes: Sequence[str], placed: Mapping[str, Placement]
) -> Iterator[str]:
    """The names of the arrays that may hold the coordinates of an axis of the grid, each once."""
    names = [axes[axis]]
    for array, place in placed.items():
        dims, at = arrays.own_dims(array), place.grid[axis]
        if dims is not None and at is not None and len(dims) == len(arrays.shape(array)):
            names.append(dims[at])
    fields = arrays.of_fields()
    yield from (name for name in dict.fromkeys(names) if name in arrays and name not in fields)


def _contradictions(arrays: NamedArrays, name: str, shape: tuple[int, ...], axis: int, extent: float) -> list[str]:
    where, size = f"{arrays.where}: {name!r}", shape[axis]
    is_said = name in (arrays.settings.axes or ())
    stored = arrays.whole(name)
    try:
        values = np.squeeze(stored.astype(np.float64)) if stored.dtype.kind in "fiuUSO" else None
    except (TypeError, ValueError):
        values = None
    if values is None:
        return [f"{where} holds {stored.dtype} and not coordinates; points follow from extent"]
    row = _along_one_axis(values)
    if row is None and sorted(values.shape) != sorted(shape):
        return [_of_no_size(where, stored, size)] if is_said else []  # an array that only has this name
    if row is None or not (np.diff(row) > 0).all() or (len(row) > 1 and not is_even(row)):
        raise DataError(
            f"{arrays.where}, {name!r}: extent assumes evenly spaced, rising points, but these coordinates, from "
            f"{float(values.min()):g} to {float(values.max()):g}, are not evenly spaced or not rising; leave extent "
            "out to use them unchanged"
        )
    if len(row) not in (size, size + 1):
        return [_of_no_size(where, stored, size)]
    first, last = float(row[0]), float(row[-1])
    longest = axis_length(row) if len(row) == size and size > 1 else last - first  # one more: edges of the cells
    if size > 1 and not (1 - SLACK) * (last - first) <= extent <= (1 + SLACK) * longest:
        return [
            f"{where} goes from {first:g} to {last:g}, but extent gives a length of {extent:g}, which is used; leave "
            "extent out to use the file's coordinates"
        ]
    return []


def _of_no_size(where: str, values: Values, size: int) -> str:
    return f"{where} has the shape {values.shape}, for {size} points; points follow from extent"


def _along_one_axis(values: Array) -> Array | None:
    """The values along the one axis along which they change; None where they change along several."""
    if values.ndim < 2:
        return values.reshape(-1)
    changing = [axis for axis in range(values.ndim) if (np.diff(values, axis=axis) != 0).any()]
    if len(changing) != 1:
        return None
    index = tuple(slice(None) if axis == changing[0] else 0 for axis in range(values.ndim))
    return np.asarray(values[index])
