"""What the user says of a file's named arrays."""

from __future__ import annotations

from dataclasses import dataclass

from upt_core import DataError
from upt_data.files.categories import Categories
from upt_data.point_domain import periodic_axes


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
    extras: tuple[str, ...] = ()
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
