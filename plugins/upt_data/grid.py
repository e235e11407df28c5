"""Grids: axes to points, row-major; which points are kept; the physical length of an axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from upt_core import DataError
from upt_data.checks import Array, rising
from upt_data.places import places


@dataclass(frozen=True, eq=False)
class Grid:
    """The points of a file's grid that are kept.

    Args:
        coords: coordinates of each axis, rising, of the points that are kept; for a curvilinear grid those of all
            points instead, (*grid) for each coordinate.
        file_shape: points along each axis in the file.
        stride: every n-th point of each axis is kept.
        flipped: for each axis, whether its coordinates descend in the file.
        regular: whether the axes are evenly spaced.
    """

    coords: tuple[Array, ...]
    file_shape: tuple[int, ...]
    stride: int = 1
    flipped: tuple[bool, ...] = ()
    regular: bool = True

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Points along each axis that are kept."""
        return tuple(-(-size // self.stride) for size in self.file_shape)

    @cached_property
    def num_points(self) -> int:
        """Points that are kept."""
        return math.prod(self.shape)

    def kept(self, axis: int) -> slice:
        """The points of an axis that are kept, rising in the file's order; the first of a flipped axis is its last."""
        turned = bool(self.flipped) and self.flipped[axis]
        return slice((self.file_shape[axis] - 1) % self.stride if turned else 0, None, self.stride)

    def points(self) -> Tensor:
        """coords_NX of the points that are kept."""
        if self.coords[0].ndim > 1:
            return places(torch.stack([torch.from_numpy(values.reshape(-1)) for values in self.coords], dim=1))
        return grid_points(self.coords)

    def same_as(self, other: Grid) -> bool:
        """Whether another grid has the same points, up to a thousandth of their spacing."""
        return self.shape == other.shape and all(
            theirs.shape == ours.shape and bool(np.allclose(theirs, ours, rtol=0, atol=1e-3 * _spacing(ours)))
            for theirs, ours in zip(other.coords, self.coords, strict=True)
        )


def _spacing(values: Array) -> float:
    width, steps = float(values.max()) - float(values.min()), int(max(values.shape)) - 1
    return width / max(1, steps)


def grid_points(axes: Sequence[Array]) -> Tensor:
    """Coordinates of all points of a grid, (N, X), the last axis fastest."""
    mesh = torch.meshgrid(*(torch.from_numpy(axis) for axis in axes), indexing="ij")
    return places(torch.stack([axis.flatten() for axis in mesh], dim=1))


def unit_axis(num: int, length: float = 1.0) -> Array:
    """``num`` evenly spaced coordinates from 0, the end of the axis left out."""
    return np.arange(num) * (length / max(1, num))


def axis_length(axis: Array) -> float:
    """Physical length of an evenly spaced axis: points times spacing, right for cells and for periodic vertices."""
    return float(axis[-1] - axis[0]) / (len(axis) - 1) * len(axis)


def is_even(axis: Array) -> bool:
    """Whether the points of a rising axis are evenly spaced, up to a hundredth of their distance."""
    steps = np.diff(axis)
    return bool(np.abs(steps - steps.mean()).max() <= 0.01 * steps.mean())


def rising_axis(values: npt.NDArray[np.generic], where: str) -> Array:
    """Coordinates of one axis of a grid, as float64.

    Raises:
        DataError: there are fewer than two, or they do not rise.
    """
    axis = rising(values, where)
    if len(axis) < 2:
        raise DataError(
            f"{where}: an axis needs at least 2 points, found {len(axis)}; leave it out of data.axes, and a field's "
            f"last axis of length 1 is its one channel"
        )
    return axis


def even_axis(values: npt.NDArray[np.generic], where: str) -> Array:
    """Coordinates of one axis of a regular grid, as float64.

    Raises:
        DataError: there are fewer than two, they do not rise, or are not evenly spaced.
    """
    axis = rising_axis(values, where)
    if not is_even(axis):
        steps = np.diff(axis)
        raise DataError(
            f"{where}: the points are not evenly spaced (steps from {steps.min():g} to {steps.max():g}); interpolate "
            f"to a regular grid, or store them as scattered points and use the data set 'points'"
        )
    return axis


def stride_axis(axis: Array, stride: int, periodic: bool, where: str) -> Array:
    """Every ``stride``-th point of an axis.

    Raises:
        DataError: fewer than two points are left, or a periodic axis would wrap with another spacing.
    """
    if periodic and len(axis) % stride:
        raise DataError(
            f"{where}: space_stride {stride} does not divide the {len(axis)} points of a periodic axis; choose one "
            f"that does"
        )
    if len(axis[::stride]) < 2:
        raise DataError(
            f"{where}: space_stride {stride} leaves fewer than 2 of {len(axis)} points; choose a smaller one"
        )
    return axis[::stride]
