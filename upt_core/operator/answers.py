"""Answers for many samples as plain arrays with names, coordinates and times: what is written and shown."""

from __future__ import annotations

from dataclasses import dataclass

from upt_core.operator.prediction import Array, Prediction
from upt_core.specs import DataSpec

AXES = ("x", "y", "z")


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
        axes: names of the axes, for pictures; empty: not known.
    """

    fields: dict[str, Array]
    coords: Array
    grid_shape: tuple[int, ...] | None
    times: Array | None
    remarks: tuple[str, ...] = ()
    axes: tuple[str, ...] = ()

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

        A grid has its axes ``x``, ``y``, ``z``; a list of points has ``coords``. Times are ``t``.
        """
        times = {} if self.times is None else {"t": self.times}
        return {**self.fields, **self._places(), **times}

    def dims(self, name: str) -> tuple[str, ...]:
        """Names of the axes of one of the ``arrays``."""
        if name in AXES and name not in self.fields:
            return (name,)
        if name == "coords":
            return ("sample", "point", "axis")[-self.coords.ndim :]
        if name == "t":
            return ("time",) if self.times is None or self.times.ndim == 1 else ("sample", "time")
        points = AXES[: len(self.grid_shape)] if self.grid_shape is not None else ("point",)
        found = ("sample", *(() if self.times is None else ("time",)), *points)
        return found if self.fields[name].ndim == len(found) else (*found, f"{name}_channel")

    def _places(self) -> dict[str, Array]:
        if self.grid_shape is None:
            return {"coords": self.coords}
        grid = self.coords.reshape(*self.grid_shape, -1)
        first = [tuple(slice(None) if k == axis else 0 for k in range(grid.ndim - 1)) for axis in range(grid.ndim - 1)]
        return {AXES[axis]: grid[(*index, axis)] for axis, index in enumerate(first)}


def answers_of(prediction: Prediction, data: DataSpec) -> Answers:
    """One prediction; where it is of one sample, that sample gets an axis of samples."""
    one = len(prediction.grid_shape or (0,)) + (prediction.times is not None)
    fields = prediction.numpy()
    for field in data.of_frames().targets:
        alone = fields[field.name].ndim == one + (field.channels > 1)
        fields[field.name] = fields[field.name][None] if alone else fields[field.name]
    return Answers(fields, prediction.coords, prediction.grid_shape, prediction.times, prediction.remarks, data.axes)
