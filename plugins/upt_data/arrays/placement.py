"""Which axis of an array counts trajectories, times, points of the grid and channels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from upt_data.arrays.source import ArraySource, Index
from upt_data.files.content import Values
from upt_data.grid import Grid


@dataclass(frozen=True)
class Placement:
    """Positions of an array's axes; None where it lacks one.

    An array without the axis of trajectories is the same for all of them; without that of times it is constant; it is
    repeated along an axis of the grid that it lacks.

    Args:
        trajectory: position of the axis that counts trajectories.
        time: position of the time axis.
        grid: position of each axis of the grid.
        channels: positions of the axes that count channels; none for a scalar, two for a tensor.
    """

    trajectory: int | None
    time: int | None
    grid: tuple[int | None, ...]
    channels: tuple[int, ...] = ()

    def read(self, source: ArraySource, name: str, number: int, steps: slice, grid: Grid) -> Values:
        """Steps of an array of one trajectory, (T, N, C), at the points of the grid that are kept."""
        (index,) = self._indices(len(source.shape(name)), [(number, steps)], grid)
        value: Values = self._in_order(source.read(name, index)[None], grid)[0]
        return value

    def read_many(self, source: ArraySource, name: str, windows: Sequence[tuple[int, slice]], grid: Grid) -> Values:
        """As ``read``, of several trajectories and steps of one number at once: (B, T, N, C)."""
        indices = self._indices(len(source.shape(name)), windows, grid)
        return self._in_order(source.read_many(name, indices), grid)

    def _indices(self, num_axes: int, windows: Sequence[tuple[int, slice]], grid: Grid) -> list[Index]:
        index: list[int | slice] = [slice(None)] * num_axes
        for axis, position in enumerate(self.grid):
            if position is not None:
                index[position] = grid.kept(axis)
        found = []
        for number, steps in windows:
            if self.time is not None:
                index[self.time] = steps
            if self.trajectory is not None:
                index[self.trajectory] = number
            found.append(tuple(index))
        return found

    def _in_order(self, value: Values, grid: Grid) -> Values:
        """(B, T, N, C) from values (B, …) whose axis of trajectories is gone."""
        wanted = (self.time, *self.grid, *self.channels)
        value = value.transpose([0, *(1 + self._left(position) for position in wanted if position is not None)])
        lead = (self.time, *self.grid)
        if None not in lead and not any(grid.flipped):
            return value.reshape(*value.shape[:2], math.prod(value.shape[2 : 1 + len(lead)]), -1)
        value = np.expand_dims(value, tuple(axis + 1 for axis, position in enumerate(lead) if position is None))
        value = value.reshape(*value.shape[: 1 + len(lead)], -1)
        value = np.flip(value, tuple(axis + 2 for axis, turned in enumerate(grid.flipped) if turned))
        missing = [axis for axis, position in enumerate(self.grid) if position is None]
        shape = [size if axis in missing else value.shape[2 + axis] for axis, size in enumerate(grid.shape)]
        value = np.broadcast_to(value, (*value.shape[:2], *shape, value.shape[-1]))
        return value.reshape(*value.shape[:2], -1, value.shape[-1])

    def _left(self, position: int) -> int:
        """A position once the axis of trajectories is gone."""
        return position - (self.trajectory is not None and position > self.trajectory)

    def num_channels(self, shape: Sequence[int]) -> int:
        """Channels of an array of this shape."""
        return int(np.prod([shape[axis] for axis in self.channels], dtype=np.int64))


MOST_UNNAMED = 3
"""More channels than this, and as many as the grid has points along an axis, may well be one more axis of the grid."""

Size = int | None
"""A length that an axis must have; None: any."""


@dataclass(frozen=True)
class Lengths:
    """What is known of the axes' lengths.

    Args:
        times: of the time axis; None: any length.
        grid: of each axis of the grid; None: any.
        has_time: False in a steady problem.
    """

    times: Size
    grid: tuple[Size, ...]
    has_time: bool


def placed_by_length(shape: Sequence[int], lengths: Lengths, may_be_constant: bool) -> Placement | None:
    """The placement of an array that is (trajectories, times, *grid, channels), as far as it has these axes.

    Of several that fit, that with the axis of trajectories comes first, then that with times, then a scalar.
    """
    for with_trajectory in (True, False):
        for with_time in (True, False):
            if with_time != lengths.has_time and not (lengths.has_time and may_be_constant):
                continue
            for num_channel_axes in (0, 1):
                found = _fits(shape, lengths, with_trajectory, with_time, num_channel_axes)
                if found is not None:
                    return found
    return None


def _fits(shape: Sequence[int], lengths: Lengths, trajectory: bool, time: bool, channels: int) -> Placement | None:
    sizes: list[Size] = [*([None] * trajectory), *([lengths.times] * time), *lengths.grid, *([None] * channels)]
    if len(sizes) != len(shape):
        return None
    if any(size is not None and size != found for size, found in zip(sizes, shape, strict=True)):
        return None
    if channels and shape[-1] > MOST_UNNAMED and shape[-1] in shape[trajectory + time : -1]:
        return None
    first = trajectory + time
    grid = tuple(range(first, first + len(lengths.grid)))
    after = tuple(range(grid[-1] + 1, len(shape)))
    return Placement(0 if trajectory else None, int(trajectory) if time else None, grid, after)


def placed_by_name(dims: Sequence[str], trajectory: str, time: str, axes: Sequence[str]) -> Placement | None:
    """The placement of an array whose axes have names; None where an axis of the grid is missing.

    Every name that is none of these counts channels.
    """
    if not set(axes) <= set(dims) or len(set(dims)) != len(dims):
        return None
    position = {name: number for number, name in enumerate(dims)}
    used = {trajectory, time, *axes}
    channels = tuple(number for number, name in enumerate(dims) if name not in used)
    return Placement(position.get(trajectory), position.get(time), tuple(position[name] for name in axes), channels)
