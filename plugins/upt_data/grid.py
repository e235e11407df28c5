"""Regular grids: axes to points, row-major, and the physical length of an axis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from upt_core import DataError
from upt_data.checks import Array, rising


def grid_points(axes: Sequence[Array]) -> Tensor:
    """Coordinates of all points of a grid, (N, X) float32, the last axis fastest."""
    mesh = torch.meshgrid(*(torch.from_numpy(axis) for axis in axes), indexing="ij")
    return torch.stack([axis.flatten() for axis in mesh], dim=1).float()


def unit_axis(num: int, length: float = 1.0) -> Array:
    """``num`` evenly spaced coordinates from 0, the end of the axis left out."""
    return np.arange(num) * (length / num)


def axis_length(axis: Array) -> float:
    """Physical length of an evenly spaced axis: points times spacing, right for cells and for periodic vertices."""
    return float((axis[-1] - axis[0]) / (len(axis) - 1) * len(axis))


def even_axis(values: npt.NDArray[np.generic], where: str) -> Array:
    """Coordinates of one axis of a regular grid, as float64.

    Raises:
        DataError: there are fewer than two, they do not rise, or are not evenly spaced.
    """
    axis = rising(values, where)
    if len(axis) < 2:
        raise DataError(f"{where}: an axis needs at least 2 points, found {len(axis)}")
    steps = np.diff(axis)
    if np.abs(steps - steps.mean()).max() > 0.01 * steps.mean():
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
