"""One file of The Well: what its groups and attributes say of fields, axes, parameters and boundaries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from upt_core import DataError
from upt_data.arrays.coordinates import read_grid, read_times
from upt_data.arrays.grid_content import GridContent, Part, Variable
from upt_data.arrays.parameters import numbers
from upt_data.arrays.placement import Placement
from upt_data.arrays.source import ArraySource
from upt_data.checks import Array
from upt_data.files.handle import Handle
from upt_data.files.paths import Place

RANKS = {"t0_fields": 0, "t1_fields": 1, "t2_fields": 2}


class WellFile:
    """What a file holds.

    Args:
        place: the file.
        source: its arrays, open.
        stride: every n-th point is kept.
        fields: names of those that are used; None: all.
        extras: fields or boundaries that say where holes are, or how large cells are; they are no fields of the data
            set then.

    Raises:
        DataError: it is not of this format, or has what upt does not take.
    """

    def __init__(
        self, place: Place, source: ArraySource, stride: int, fields: Sequence[str] | None, extras: Sequence[str] = ()
    ) -> None:
        self.place = place
        self._where = place.name
        self._source = source
        attributes = source.attributes()
        missing = [name for name in ("n_trajectories", "n_spatial_dims") if name not in attributes]
        if missing or "dimensions/time" not in source.names():
            raise DataError(
                f"{self._where}: not a file of The Well, which has the attributes n_trajectories and n_spatial_dims "
                f"and the array dimensions/time; found: {source.described()}; the data set 'hdf5' reads other layouts"
            )
        grid_type = _text(attributes.get("grid_type", "cartesian"))
        if grid_type != "cartesian":
            raise DataError(
                f"{self._where}: its grid is {grid_type}; upt takes cartesian grids; use the data set 'hdf5' and name "
                "the arrays of the coordinates"
            )
        self._num = self._whole_number(attributes["n_trajectories"])
        self._axes = self._names_in(source.attributes("dimensions"), "spatial_dims", "'dimensions'")
        self.wraps = self._periodic()
        if lost := [axis for axis in self._axes if f"dimensions/{axis}" not in source.names()]:
            raise DataError(
                f"{self._where}: lists the axes {', '.join(self._axes)}, but has no array dimensions/{lost[0]}; "
                "download or copy the file again"
            )
        coords = [source.whole(f"dimensions/{axis}") for axis in self._axes]
        self._grid = read_grid(coords, self._axes, self.wraps, stride, self._where)
        self._times = self._read_times()
        found = {name: (group, rank) for group, rank in RANKS.items() for name in self._listed(group)}
        unknown = sorted(set(fields or ()) - set(found))
        if unknown:
            raise DataError(f"{self._where}: there is no field {' or '.join(unknown)}; found: {', '.join(found)}")
        self._extras = {name: self._extra(name, found) for name in extras}
        used = [name for name in found if (name not in extras if fields is None else name in fields)]
        self._variables = [self._variable(name, *found[name]) for name in used]
        self.moving = tuple(variable.name for variable in self._variables if variable.moves)
        self.constant = tuple(variable.name for variable in self._variables if not variable.moves)
        if not self.moving:
            raise DataError(f"{self._where}: no field that is used changes in time; name one of: {', '.join(found)}")

    def content(self, handle: Handle[ArraySource], conditions: Sequence[str] | None) -> GridContent:
        """The trajectories."""
        listed = self._listed("scalars")
        fixed = tuple(name for name in listed if not self._flag(f"scalars/{name}", "time"))
        scalars = {name: self._scalar(name) for name in (fixed if conditions is None else conditions) if name in listed}
        return GridContent(
            self.place, handle, self._num, self._variables, self._grid, self._times, scalars, fixed,
            targets=self.moving, notes=self._notes(), extras=self._extras, axes=self._axes,
        )  # fmt: skip

    def _listed(self, group: str) -> list[str]:
        names = self._source.attributes(group).get("field_names", ())
        return [_text(name) for name in np.asarray(names).reshape(-1)]

    def _whole_number(self, value: Any) -> int:
        found, shown = np.asarray(value), str(value)[:40]
        if found.size != 1 or found.dtype.kind not in "iu" or found.reshape(-1)[0] < 1:
            raise DataError(
                f"{self._where}: n_trajectories is {shown}, not a number from 1; download or copy the file again"
            )
        return int(found.reshape(-1)[0])

    def _names_in(self, attributes: Mapping[str, Any], name: str, where: str) -> tuple[str, ...]:
        """The names of axes in an attribute."""
        if name not in attributes:
            raise DataError(f"{self._where}, {where}: lacks the attribute {name}; the file is incomplete")
        return tuple(map(_text, np.asarray(attributes[name]).reshape(-1)))

    def _flag(self, array: str, what: str) -> bool:
        """Whether an array varies with 'time' or with the 'sample'."""
        attributes = self._source.array_attributes(array)
        if f"{what}_varying" not in attributes:
            raise DataError(
                f"{self._where}, {array!r}: lacks the attribute {what}_varying; the file is incomplete; fetch it again"
            )
        return bool(attributes[f"{what}_varying"])

    def _variable(self, name: str, group: str, rank: int) -> Variable:
        array = f"{group}/{name}"
        if array not in self._source.names():
            raise DataError(
                f"{self._where}: the field {array!r} is listed, but missing; download or copy the file again"
            )
        varies = np.asarray(self._source.array_attributes(array).get("dim_varying", [True] * len(self._axes)))
        sample, time = self._flag(array, "sample"), self._flag(array, "time")
        position = sample + time
        grid: list[int | None] = []
        for axis in range(len(self._axes)):
            grid.append(position if bool(varies[axis]) else None)
            position += bool(varies[axis])
        shape = self._source.shape(array)
        placement = Placement(
            0 if sample else None, int(sample) if time else None, tuple(grid), tuple(range(position, position + rank))
        )
        self._check_shape(array, shape, placement)
        return Variable(name, (Part((array,), placement, placement.num_channels(shape)),))

    def _extra(self, name: str, fields: Mapping[str, tuple[str, int]]) -> Part:
        """Values that are no field: a scalar field, or the mask of a boundary inside the domain."""
        if name in fields and fields[name][1] == 0:
            return self._variable(name, *fields[name]).parts[0]
        array, size = f"boundary_conditions/{name}/mask", len(self._axes)
        inside = [one for one in self._boundaries() if self._is_inside(one)]
        if name not in inside:
            scalars = [one for one, (_, rank) in fields.items() if rank == 0]
            raise DataError(
                f"{self._where}: there is no scalar field {name!r}, and no boundary with a mask of the domain; found: "
                f"{', '.join([*inside, *scalars]) or 'none'}"
            )
        placement = Placement(None, None, tuple(range(size)))
        self._check_shape(array, self._source.shape(array), placement)
        return Part((array,), placement, 1)

    def _is_inside(self, boundary: str) -> bool:
        """Whether a boundary has a mask of the whole domain, rather than of one axis."""
        array = f"boundary_conditions/{boundary}/mask"
        return array in self._source.names() and len(self._source.shape(array)) == len(self._axes) > 1

    def _check_shape(self, array: str, shape: tuple[int, ...], placement: Placement) -> None:
        expected: dict[int, int] = {axis: len(self._axes) for axis in placement.channels}
        expected |= {at: self._grid.file_shape[axis] for axis, at in enumerate(placement.grid) if at is not None}
        expected |= {} if placement.trajectory is None else {placement.trajectory: self._num}
        expected |= {} if placement.time is None else {placement.time: self._times.shape[-1]}
        wanted = tuple(expected[at] for at in sorted(expected))
        if shape != wanted:
            raise DataError(
                f"{self._where}, {array!r}: shape {shape}, but its attributes and the dimensions ask for {wanted}; the "
                f"file is damaged or incomplete; fetch it again, or read it with the data set 'hdf5'"
            )

    def _read_times(self) -> Array:
        times = read_times(self._source.whole("dimensions/time"), f"{self._where}, 'dimensions/time'")
        if times.ndim == 2 and len(times) != self._num:
            raise DataError(
                f"{self._where}: dimensions/time has {len(times)} rows for {self._num} trajectories; download the "
                "file again"
            )
        return times

    def _scalar(self, name: str) -> Array:
        array = f"scalars/{name}"
        values, num_times = self._source.whole(array), self._times.shape[-1]
        if self._flag(array, "time") and not self._flag(array, "sample"):
            return numbers(values, 1, f"{self._where}, {array!r}", num_times)  # one row of numbers for all trajectories
        return numbers(values, self._num, f"{self._where}, {array!r}", num_times)

    def _boundaries(self) -> dict[str, Mapping[str, Any]]:
        prefix = "boundary_conditions/"
        groups = {name[len(prefix) :].split("/")[0] for name in self._source.names() if name.startswith(prefix)}
        return {name: self._source.attributes(prefix + name) for name in sorted(groups)}

    def _periodic(self) -> tuple[bool, ...]:
        around = {
            axis
            for name, attributes in self._boundaries().items()
            if _text(attributes.get("bc_type", "")).upper() == "PERIODIC"
            for axis in self._names_in(attributes, "associated_dims", f"the boundary {name!r}")
        }
        return tuple(axis in around for axis in self._axes)

    def _notes(self) -> list[str]:
        """Boundaries inside the domain: their points are kept, with whatever values the file has there."""
        return [
            f"{self._where}: the boundary {name!r} has a mask inside the domain; its points are kept (holes: {name} "
            "leaves them out)"
            for name in self._boundaries()
            if self._is_inside(name) and name not in self._extras
        ]


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
