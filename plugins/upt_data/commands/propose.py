"""A first guess at which arrays are fields, axes, times and parameters; the user sees it as YAML and corrects it."""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import Any

import numpy as np

from upt_core import DataError
from upt_data.arrays.grid_content import is_latitude
from upt_data.arrays.placement import Lengths, placed_by_length
from upt_data.arrays.source import ArraySource
from upt_data.commands.guess import categories
from upt_data.commands.layout import Layout, layout_of, varying_numbers
from upt_data.files.content import Values

AXES = (
    "x", "y", "z", "r", "theta", "phi", "level", "lev", "plev", "pressure_level", "depth", "height", "altitude",
    "latitude", "lat", "nav_lat", "xlat", "longitude", "lon", "nav_lon", "xlong",
)  # fmt: skip
LEVELS = ("level", "lev", "plev", "pressure_level", "depth", "height", "altitude")
LONGITUDES = ("longitude", "lon")
TIMES = ("t", "time", "times")
MEMBERS = ("trajectory", "run", "member", "ensemble", "sample", "realization", "number", "simulation", "batch")
AREAS = ("area", "areas", "cell_area", "areacella", "areacello", "volume", "volumes", "cell_volume")


def propose_grid(source: ArraySource, name: str, only_file: bool = True) -> dict[str, Any]:
    """Settings that may read the arrays of a file on a grid; the only one of its data set, or one of several."""
    layout = layout_of(source)
    full, settings = layout.full, dict(layout.settings)
    time = _time(source, full)
    axes = _axes(source, full, _named(full, AXES))
    fields = [one for one in full if one not in (*axes, time) and len(source.shape(full[one])) > 1]
    fields = [one for one in fields if source.dtype(full[one]).kind not in "USO"]
    settings |= _dims(source, full, fields) if name in ("netcdf", "zarr") else {}
    steady = time is None
    if axes:
        axes, fields = _fitting(source, full, fields, axes, time)
    else:
        steady = steady and len(fields) > 1  # a field alone can only be predicted from itself, at earlier times
        before = (1 if steady else 2) - layout.per_trajectory  # such a group is one trajectory
        axes, fields, num_axes = _without_axes(source, full, fields, before, time)
        settings["extent"] = [1.0] * num_axes
        settings |= {"time_step": 1.0} if time is None and not steady else {}
    if steady and not fields:
        raise DataError(
            "no array looks like a field on a grid: (trajectories, times, *grid), or steady (trajectories, *grid); "
            f"the file has {source.described()}; set data.inputs, and data.time_step and data.extent if needed"
        )
    if not fields:
        _refuse_scattered(source, full)
    settings |= _roles(fields, steady)
    if axes and axes != [one for one in ("x", "y", "z") if one in full]:
        settings["axes"] = axes
    settings |= _space(source, full, axes)
    if time is not None and axes:
        maps = _maps(source, full, axes, {*fields, *axes, time, settings.get("measure")})
        settings |= {"inputs": [*fields, *maps], "targets": fields} if maps and fields else {}
    if time not in (None, "t"):
        settings["time"] = time
    if any(source.dtype(full[one]).kind == "c" for one in fields):
        settings["complex"] = "channels"
    settings |= _conditions(source, full, fields, {*axes, time}, layout)
    return settings | (_one_trajectory(source, full, fields, len(axes)) if only_file else {})


def _refuse_scattered(source: ArraySource, full: dict[str, str]) -> None:
    """Positions (points, axes) beside values of as many points: no grid, so no data set of grids fits."""
    shapes = {one: source.shape(array) for one, array in full.items()}
    for name, shape in shapes.items():
        if len(shape) != 2 or not 1 < shape[1] <= 3 < shape[0]:
            continue
        values = [one for one, other in shapes.items() if one != name and shape[0] in other]
        if values:
            raise DataError(
                f"{name!r} {shape} looks like positions of scattered points, with values in "
                f"{', '.join(map(repr, values))}; the data set 'points' reads these from one file for all trajectories"
                ": pos (rows, axes), ptr (trajectories + 1), fields (rows, times), t; docs/data.md shows how to join "
                "files: 'Scattered points in a file for each trajectory'"
            )


def _named(full: dict[str, str], names: tuple[str, ...]) -> list[str]:
    """Arrays of these names, in whatever group and case, in the order of the names."""
    place = {name: number for number, name in enumerate(names)}
    return sorted((one for one in full if _base(one) in place), key=lambda one: place[_base(one)])


def _base(name: str) -> str:
    return name.rpartition("/")[2].lower()


def _time(source: ArraySource, full: dict[str, str]) -> str | None:
    """The array of times: by its name, as dates, or by a name that begins with time."""
    usual = _named(full, TIMES)
    single = [one for one in full if len(source.shape(full[one])) == 1]
    dates = [one for one in single if source.dtype(full[one]).kind == "M"]
    return next(iter([*usual, *dates, *(one for one in single if _base(one).startswith("time"))]), None)


def _axes(source: ArraySource, full: dict[str, str], named: list[str]) -> list[str]:
    """Arrays called like an axis that are coordinates: of one axis, or of a curvilinear grid, several alike.

    The others are fields, as the geopotential ``z``. Uneven levels beside other axes are left to be channels, where the
    file names the axes of its fields.
    """
    shapes = {one: source.shape(full[one]) for one in named}
    curved = [shape for shape in shapes.values() if 1 < len(shape) <= 3]
    found = [one for one, shape in shapes.items() if len(shape) == 1 or curved.count(shape) > 1]
    says_dims = any(source.dims(array) for array in full.values())
    levels = [one for one in found if _base(one) in LEVELS and not _even(source.whole(full[one]))]
    return [one for one in found if one not in levels] if says_dims and len(found) - len(levels) >= 2 else found


def _even(values: Values) -> bool:
    steps = np.diff(values.reshape(-1).astype(np.float64))
    return len(steps) > 0 and bool(np.allclose(steps, steps[0], rtol=1e-2))


def propose_points(source: ArraySource) -> dict[str, Any]:
    """Settings that may read a ragged file of scattered points."""
    rows = source.shape("pos")[0]
    time = next((one for one in TIMES if one in source.names()), None)
    fields = [one for one in source.names() if one not in ("pos", "ptr", time) and source.shape(one)[:1] == (rows,)]
    num = source.shape("ptr")[0] - 1
    others = {one: one for one in source.names() if one not in (*fields, time)}
    settings = _roles(fields, steady=time is None) | _told(source, others, num)
    moving = [one for one in fields if time is None or source.shape(one)[1:2] == source.shape(time)[-1:]]
    if 0 < len(moving) < len(fields):  # what does not change in time is given, not predicted
        settings |= {"inputs": moving + [one for one in fields if one not in moving], "targets": moving}
    settings |= {} if time in (None, "t") else {"time": time}
    return settings | ({"moving": "displacement"} if len(source.shape("pos")) == 3 else {})


def _without_axes(
    source: ArraySource, full: dict[str, str], fields: list[str], before: int, time: str | None
) -> tuple[list[str], list[str], int]:
    """Names of the grid's axes, where the file says them, the fields on it, and how many axes it has.

    What one field has more than another is channels.
    """
    dims = {one: [dim for dim in source.dims(full[one]) or () if dim not in (*MEMBERS, time)] for one in fields}
    if fields and all(dims.values()):
        shortest = min(dims.values(), key=len)[:3]
        return shortest, fields, len(shortest)
    left = {one: len(source.shape(full[one])) - before for one in fields}
    found = [one for one, axes in left.items() if axes > 0]
    return [], found, min([3, *(left[one] for one in found)]) if found else 1


def _roles(fields: list[str], steady: bool) -> dict[str, Any]:
    if not steady:
        return {"inputs": fields or ["u"]}
    return {"inputs": fields[:1], "targets": fields[1:] or fields[:1], "steady": True}


def _space(source: ArraySource, full: dict[str, str], axes: list[str]) -> dict[str, Any]:
    """Longitudes that go all around wrap; how large cells are, by an array of areas or by latitudes."""
    found: dict[str, Any] = {}
    coords = {one: source.shape(full[one]) for one in axes if one in full}
    around = [one in coords and _base(one) in LONGITUDES and _all_around(source.whole(full[one])) for one in axes]
    even = all(len(shape) == 1 and _even(source.whole(full[one])) for one, shape in coords.items())
    if any(around):
        found |= {"periodic": around} | ({} if even else {"uneven": "index"})
    sizes = _sizes(list(coords.values())) if coords else ()
    areas = [one for one in _named(full, AREAS) if source.shape(full[one]) == sizes]
    if areas:
        found["measure"] = areas[0]
    elif any(is_latitude(one) and len(shape) == 1 for one, shape in coords.items()):
        found["measure"] = "latitude"
    return found


def _all_around(degrees: Values) -> bool:
    """Whether evenly spaced longitudes would begin again after 360 degrees."""
    steps = np.diff(degrees.reshape(-1).astype(np.float64))
    even = degrees.ndim == 1 and len(steps) > 1 and bool(np.allclose(steps, steps[0], rtol=1e-3))
    return even and bool(np.isclose(abs(steps[0]) * len(degrees), 360, rtol=1e-3))


def _dims(source: ArraySource, full: dict[str, str], fields: list[str]) -> dict[str, Any]:
    """The name of the axis that counts trajectories, where the file names axes."""
    found = [source.dims(full[one]) or () for one in fields]
    members = [dim for dims in found for dim in dims if dim in MEMBERS]
    return {"trajectory": members[0]} if members and members[0] != "trajectory" else {}


def _fitting(
    source: ArraySource, full: dict[str, str], fields: list[str], axes: list[str], time: str | None
) -> tuple[list[str], list[str]]:
    """The axes, one perhaps several times, of the grid that most fields are on, and those fields.

    A grid of two axes or three comes before one of a single axis; of grids with as many fields the larger is taken, and
    first of all the one that has every axis once.
    """
    best: tuple[list[str], list[str]] = (axes, [])
    found: tuple[int, int, bool, int] = (0, 0, False, 0)
    for number in range(1, 4):
        for chosen in combinations_with_replacement(axes, number):
            fit = [one for one in fields if _is_on(source, full, one, chosen, time)]
            named = any(set(chosen) <= set(source.dims(full[one]) or ()) for one in fit)
            rank = (min(2, number) if named else 0, len(fit), list(chosen) == axes, number if named else 0)
            if fit and rank > found:
                best, found = (list(chosen), fit), rank
    by_name = [one for one in fields if set(axes) & set(source.dims(full[one]) or ())]
    return best if best[1] or not by_name else (axes, by_name)


def _is_on(source: ArraySource, full: dict[str, str], field: str, axes: tuple[str, ...], time: str | None) -> bool:
    """Whether a field is on the grid of these axes: by the names of its own, or by their lengths."""
    if field in axes:
        return False
    dims = source.dims(full[field])
    if dims is not None and len(set(axes)) == len(axes) and set(axes) <= set(dims):
        return time is None or time in dims
    shapes = [source.shape(full[one]) for one in axes]
    sizes = _sizes(shapes) if len({len(shape) for shape in shapes}) == 1 else ()
    if len(sizes) != len(axes):
        return False
    num_times = None if time is None else source.shape(full[time])[-1]
    return placed_by_length(source.shape(full[field]), Lengths(num_times, sizes, time is not None), False) is not None


def _maps(source: ArraySource, full: dict[str, str], axes: list[str], others: set[str | None]) -> list[str]:
    """Fields on the grid that do not change in time, as an orography: they are given, not predicted."""
    sizes = _sizes([source.shape(full[one]) for one in axes]) if set(axes) <= set(full) else ()

    def is_map(one: str) -> bool:
        dims, shape = source.dims(full[one]), source.shape(full[one])
        if one in others or _base(one) in AREAS or source.dtype(full[one]).kind not in "fiu":
            return False
        return set(axes) <= set(dims) <= {*axes, *MEMBERS} if dims else len(sizes) > 1 and shape == sizes

    return [one for one in full if is_map(one)]


def _conditions(
    source: ArraySource, full: dict[str, str], fields: list[str], others: set[str | None], layout: Layout
) -> dict[str, Any]:
    """Arrays of one number, or one name, for each trajectory; of groups that are trajectories their own numbers."""
    if layout.per_trajectory:
        varying = varying_numbers(source, layout.groups)
        return {"conditions": varying} if varying else {}
    num = source.shape(full[fields[0]])[0] if fields else 0
    told = {one: array for one, array in full.items() if one not in others}
    return _told(source, {one: array for one, array in told.items() if not _counts(source, one, array)}, num)


def _counts(source: ArraySource, name: str, array: str) -> bool:
    """Whether an array only numbers the trajectories, as the coordinate of an axis of members does."""
    if name not in MEMBERS or len(source.shape(array)) != 1 or source.dtype(array).kind not in "iu":
        return False
    return bool((np.diff(source.whole(array)) == 1).all())


def _told(source: ArraySource, arrays: dict[str, str], num: int) -> dict[str, Any]:
    """Conditions and categories among arrays, name → what it is called in the file."""
    fitting = {one: array for one, array in arrays.items() if source.shape(array) == (num,)}
    named = categories(source, fitting, num)
    found = [one for one, array in fitting.items() if source.dtype(array).kind in "fiu" or one in named]
    return ({"conditions": found} if found else {}) | ({"categories": named} if named else {})


def _sizes(shapes: list[tuple[int, ...]]) -> tuple[int, ...]:
    """Points along each axis, of axes or of a curvilinear grid's coordinates."""
    return shapes[0] if len(shapes[0]) > 1 else tuple(shape[0] for shape in shapes if len(shape) == 1)


def _one_trajectory(source: ArraySource, full: dict[str, str], fields: list[str], num_axes: int) -> dict[str, Any]:
    """A file of one trajectory can only be split by time."""
    shapes = [source.shape(full[one]) for one in fields]
    return {"split_by": "time"} if any(shape[:1] == (1,) and len(shape) >= 2 + num_axes for shape in shapes) else {}
