"""Answers for many samples as plain arrays with names, coordinates and times: what is written and shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from upt_core.operator.prediction import Array, Prediction
from upt_core.specs import DataSpec

AXES = ("x", "y", "z")
TAKEN = ("t", "time", "coords", "sample", "point", "axis")
"""Names that files of answers use for something else than an axis of a grid."""


@dataclass(frozen=True, eq=False)
class Answers:
    """Predicted fields of several samples, in physical units.

    Args:
        fields: name → (samples, times, *points, channels); without times for steady problems, without channels for a
            scalar field.
        coords: (Q, X), or (samples, Q, X).
        grid_shape: points along each axis where they are a grid, row-major.
        times: (times,), or (samples, times); None for steady problems.
        remarks: each once.
        axes: names of the axes, of files and pictures; empty: not known.
        along: of vector fields the axis of each component, where it is not the k-th of the k-th.
    """

    fields: dict[str, Array]
    coords: Array
    grid_shape: tuple[int, ...] | None
    times: Array | None
    remarks: tuple[str, ...] = ()
    axes: tuple[str, ...] = ()
    along: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def samples(self) -> int:
        """How many there are."""
        return len(next(iter(self.fields.values())))

    @property
    def num_points(self) -> int:
        """Q, points of each answer."""
        return int(self.coords.shape[-2])

    def arrays(self) -> dict[str, Array]:
        """Fields, coordinates and times by the names that data sets in files give them.

        A grid has its axes by their ``axis_names``; a list of points has ``coords``. Times are ``t``.
        """
        times = {} if self.times is None else {"t": self.times}
        return {**self.fields, **self._places(), **times}

    @property
    def axis_names(self) -> tuple[str, ...]:
        """Of a grid: those of the data set; ``x``, ``y``, ``z`` where it has none, or none that a file can use."""
        short = tuple(name.rpartition("/")[2] for name in self.axes)
        num = self.coords.shape[-1]
        usable = len(short) == len(set(short)) == num and not set(short) & {*self.fields, *TAKEN}
        return short if usable else AXES[:num]

    def dims(self, name: str) -> tuple[str, ...]:
        """Names of the axes of one of the ``arrays``."""
        if name in self.axis_names and name not in self.fields:
            return (name,)
        if name == "coords":
            return ("sample", "point", "axis")[-self.coords.ndim :]
        if name == "t":
            return ("time",) if self.times is None or self.times.ndim == 1 else ("sample", "time")
        points = self.axis_names if self.grid_shape is not None else ("point",)
        found = ("sample", *(() if self.times is None else ("time",)), *points)
        return found if self.fields[name].ndim == len(found) else (*found, f"{name}_channel")

    def _places(self) -> dict[str, Array]:
        if self.grid_shape is None:
            return {"coords": self.coords}
        grid = self.coords.reshape(*self.grid_shape, -1)
        first = [tuple(slice(None) if k == axis else 0 for k in range(grid.ndim - 1)) for axis in range(grid.ndim - 1)]
        return {self.axis_names[axis]: grid[(*index, axis)] for axis, index in enumerate(first)}


def answers_of(prediction: Prediction, data: DataSpec) -> Answers:
    """One prediction; where it is of one sample, that sample gets an axis of samples."""
    one = len(prediction.grid_shape or (0,)) + (prediction.times is not None)
    fields = prediction.numpy()
    targets = data.of_frames().targets
    for target in targets:
        alone = fields[target.name].ndim == one + (target.channels > 1)
        fields[target.name] = fields[target.name][None] if alone else fields[target.name]
    along = {target.name: target.along for target in targets if target.along}
    return Answers(
        fields, prediction.coords, prediction.grid_shape, prediction.times, prediction.remarks, data.axes, along
    )
