"""A first guess at which arrays are fields, axes, times and parameters; the user sees it as YAML and corrects it."""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import Any

import numpy as np

from upt_core import DataError
from upt_data.arrays.grid_content import LATITUDES
from upt_data.arrays.placement import Lengths, placed_by_length
from upt_data.arrays.source import ArraySource
from upt_data.commands.guess import categories
from upt_data.files.content import Values

AXES = ("x", "y", "z", "r", "theta", "phi", "level", "lev", "depth", "height", "latitude", "lat", "longitude", "lon")
LONGITUDES = ("longitude", "lon")
TIMES = ("t", "time", "times")
MEMBERS = ("trajectory", "run", "member", "ensemble", "sample", "realization", "number", "simulation", "batch")
SPLITS = {
    "train": "group",
    "valid": "valid_group",
    "validation": "valid_group",
    "val": "valid_group",
    "test": "test_group",
}


def propose_grid(source: ArraySource, name: str, only_file: bool = True) -> dict[str, Any]:
    """Settings that may read the arrays of a file on a grid; the only one of its data set, or one of several."""
    settings: dict[str, Any] = {}
    names = [one for one in source.names() if source.dtype(one).kind in "fiubcMmUSO"]
    groups = sorted({one.rpartition("/")[0] for one in names} - {""})
    inside = [one for one in names if "/" not in one]
    if groups:
        settings |= _groups(groups)
        inside += [one.rpartition("/")[2] for one in names if one.startswith(f"{groups[0]}/")]
    full = {one: f"{groups[0]}/{one}" if groups and f"{groups[0]}/{one}" in names else one for one in inside}
    time = next((one for one in TIMES if one in full), None)
    axes = _axes({one: source.shape(full[one]) for one in AXES if one in full})
    fields = [one for one in full if one not in (*axes, time) and len(source.shape(full[one])) > 1]
    fields = [one for one in fields if source.dtype(full[one]).kind not in "USO"]
    settings |= _dims(source, full, fields, axes, time) if name in ("netcdf", "zarr") else {}
    steady = time is None
    if axes:
        axes, fields = _fitting(source, full, fields, axes, time)
    else:
        steady = steady and len(fields) > 1  # a field alone can only be predicted from itself, at earlier times
        before = (1 if steady else 2) - (settings.get("group") == "*")  # such a group is one trajectory
        fields, num_axes = _without_axes({one: len(source.shape(full[one])) - before for one in fields})
        settings["extent"] = [1.0] * num_axes
        settings |= {"time_step": 1.0} if time is None and not steady else {}
    if steady and not fields:
        raise DataError(
            "no array looks like a field on a grid: (trajectories, times, *grid), or steady (trajectories, *grid); "
            f"the file has {source.described()}; give data.inputs and what is missing of data.time_step and data.extent"
        )
    settings |= _roles(fields, steady)
    if axes and axes != [one for one in ("x", "y", "z") if one in full]:
        settings["axes"] = axes
    settings |= _sphere(source, full, axes)
    if time not in (None, "t"):
        settings["time"] = time
    if any(source.dtype(full[one]).kind == "c" for one in fields):
        settings["complex"] = "channels"
    settings |= _conditions(source, full, fields, {*axes, time})
    return settings | (_one_trajectory(source, full, fields, len(axes)) if only_file else {})


def propose_points(source: ArraySource) -> dict[str, Any]:
    """Settings that may read a ragged file of scattered points."""
    rows = source.shape("pos")[0]
    time = next((one for one in TIMES if one in source.names()), None)
    fields = [one for one in source.names() if one not in ("pos", "ptr", time) and source.shape(one)[:1] == (rows,)]
    num = source.shape("ptr")[0] - 1
    others = {one: one for one in source.names() if one not in (*fields, time)}
    settings = _roles(fields, steady=time is None) | _told(source, others, num)
    settings |= {} if time in (None, "t") else {"time": time}
    return settings | ({"moving": "displacement"} if len(source.shape("pos")) == 3 else {})


def _axes(shapes: dict[str, tuple[int, ...]]) -> list[str]:
    """Arrays called like an axis that are coordinates: of one axis, or of a curvilinear grid, several alike.

    The others are fields, as the geopotential ``z``.
    """
    curved = [shape for shape in shapes.values() if 1 < len(shape) <= 3]
    return [one for one, shape in shapes.items() if len(shape) == 1 or curved.count(shape) > 1]


def _without_axes(left: dict[str, int]) -> tuple[list[str], int]:
    """The fields with axes left for a grid, and how many; what one has more than another is channels."""
    fields = [one for one, axes in left.items() if axes > 0]
    return fields, min([3, *(left[one] for one in fields)]) if fields else 1


def _roles(fields: list[str], steady: bool) -> dict[str, Any]:
    if not steady:
        return {"inputs": fields or ["u"]}
    return {"inputs": fields[:1], "targets": fields[1:] or fields[:1], "steady": True}


def _groups(groups: list[str]) -> dict[str, Any]:
    """Groups that are splits, or one for each trajectory."""
    if set(groups) <= set(SPLITS) and "train" in groups:
        return {SPLITS[group]: group for group in groups}
    return {"group": groups[0] if len(groups) == 1 else "*"}


def _sphere(source: ArraySource, full: dict[str, str], axes: list[str]) -> dict[str, Any]:
    """Degrees over a sphere: cells by their latitudes, and longitudes that go all around wrap."""
    found: dict[str, Any] = {}
    around = [one in LONGITUDES and _all_around(source.whole(full[one])) for one in axes]
    if any(around):
        found["periodic"] = around
    if any(one in LATITUDES and len(source.shape(full[one])) == 1 for one in axes):
        found["measure"] = "latitude"
    return found


def _all_around(degrees: Values) -> bool:
    """Whether evenly spaced longitudes would begin again after 360 degrees."""
    steps = np.diff(degrees.reshape(-1).astype(np.float64))
    even = degrees.ndim == 1 and len(steps) > 1 and bool(np.allclose(steps, steps[0], rtol=1e-3))
    return even and bool(np.isclose(abs(steps[0]) * len(degrees), 360, rtol=1e-3))


def _dims(
    source: ArraySource, full: dict[str, str], fields: list[str], axes: list[str], time: str | None
) -> dict[str, Any]:
    """The name of the axis that counts trajectories, where the file names axes."""
    found = [source.dims(full[one]) or () for one in fields]
    members = [dim for dims in found for dim in dims if dim in MEMBERS]
    return {"trajectory": members[0]} if members and members[0] != "trajectory" else {}


def _fitting(
    source: ArraySource, full: dict[str, str], fields: list[str], axes: list[str], time: str | None
) -> tuple[list[str], list[str]]:
    """The axes, one perhaps several times, that most fields fit, and those fields."""
    best: tuple[list[str], list[str]] = (axes, [])
    num_times = None if time is None else source.shape(full[time])[-1]
    for number in range(1, 4):
        for chosen in combinations_with_replacement(axes, number):
            curvilinear = len(source.shape(full[chosen[0]])) > 1
            sizes = (
                source.shape(full[chosen[0]]) if curvilinear else tuple(source.shape(full[one])[0] for one in chosen)
            )
            if len(sizes) != number:
                continue
            lengths = Lengths(num_times, sizes, time is not None)
            fit = [
                one for one in fields if one not in chosen and placed_by_length(source.shape(full[one]), lengths, False)
            ]
            if len(fit) > len(best[1]) or (len(fit) == len(best[1]) and list(chosen) == axes):
                best = (list(chosen), fit)
    named = [one for one in fields if set(axes) & set(source.dims(full[one]) or ())]
    return best if best[1] or not named else (axes, named)


def _conditions(
    source: ArraySource, full: dict[str, str], fields: list[str], others: set[str | None]
) -> dict[str, Any]:
    """Arrays of one number, or one name, for each trajectory."""
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
