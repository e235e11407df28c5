"""The arrays of one file by the names that a user gives: in the group that was asked for, or else at the root."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from upt_core import DataError
from upt_data.arrays.settings import GridSettings
from upt_data.arrays.source import ArraySource
from upt_data.files.content import Values
from upt_data.files.paths import Place

USUAL_AXES = ("x", "y", "z")


class NamedArrays:
    """An open file (or group) and what the user says of it.

    Args:
        place: the file.
        source: its arrays, open.
        settings: what the user says of them.
    """

    def __init__(self, place: Place, source: ArraySource, settings: GridSettings) -> None:
        self.where = place.name
        self.settings = settings
        self._group = place.group
        self._source = source
        self._known = set(source.names())

    def __contains__(self, name: str) -> bool:
        return self.full(name) in self._known

    def full(self, name: str) -> str:
        """The full name of an array: in the group, or else at the root; the name itself where there is none."""
        inside = f"{self._group}/{name}" if self._group else name
        return inside if inside in self._known else name

    def whole(self, name: str) -> Values:
        """All values of an array."""
        return self._source.whole(self.full(name))

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of an array."""
        return self._source.shape(self.full(name))

    def dtype(self, name: str) -> np.dtype[Any]:
        """Type of an array's values."""
        return self._source.dtype(self.full(name))

    def dims(self, name: str) -> tuple[str, ...] | None:
        """Names of an array's axes: those that the user gives, else the file's own; None where neither says any."""
        return self.own_dims(name) if self.settings.dims is None else self.settings.dims

    def own_dims(self, name: str) -> tuple[str, ...] | None:
        """Names of an array's axes in the file."""
        return self._source.dims(self.full(name))

    def attributes(self) -> Mapping[str, Any]:
        """What the file and the group say of themselves."""
        return {**self._source.attributes(), **self._source.attributes(self._group)}

    def of_field(self, field: str) -> list[str]:
        """The arrays of a field: its own, or its components."""
        return list(self.settings.vectors.get(field, [field]))

    def of_fields(self) -> list[str]:
        """The arrays of all fields."""
        return [array for field in self.settings.fields for array in self.of_field(field)]

    def axis_names(self) -> tuple[str, ...]:
        """The names of the grid's coordinate arrays.

        Raises:
            DataError: they are not said and not usual, or ``extent`` has another number of axes.
        """
        chosen = self.settings
        if chosen.axes is not None:
            names = chosen.axes
        elif chosen.extent is not None:
            names = USUAL_AXES[: len(chosen.extent)]
        else:
            names = tuple(name for name in USUAL_AXES if name in self)
        if not names:
            raise DataError(
                f"{self.where}: there is no coordinate array x, y or z; name them in 'axes', or give 'extent' where "
                f"the file has none; found: {self._source.described(self._group)}"
            )
        if chosen.extent is not None and len(chosen.extent) != len(names):
            raise DataError(f"{self.where}: extent has {len(chosen.extent)} values, axes has {len(names)} names")
        return names

    def require(self, axes: Sequence[str]) -> None:
        """Refuses a file that lacks an array that the settings name.

        Raises:
            DataError: one is missing.
        """
        chosen = self.settings
        needed = self.of_fields()
        needed += [] if chosen.extent is not None else list(axes)
        needed += [] if chosen.steady or chosen.time_step is not None else [chosen.time]
        needed += [] if chosen.lengths is None else [chosen.lengths]
        needed += chosen.extras
        missing = sorted({name for name in needed if name not in self})
        if missing:
            names = ", ".join(sorted(self._known)[:40]) or "none"
            raise DataError(
                f"{self.where}: there is no array called {' or '.join(map(repr, missing))}; found: {names}; name the "
                f"right ones in the data set's settings"
            )
