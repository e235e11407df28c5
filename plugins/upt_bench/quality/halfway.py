"""The truth half-way between the points of a grid, in the middle of its cells: what any-point decoders are tried at."""

from __future__ import annotations

import math

import torch
from torch import Tensor

CUBIC = (-1 / 16, 9 / 16, 9 / 16, -1 / 16)
"""Weights of four neighbours in the middle of them."""


def halfway(value_BNC: Tensor, grid_shape: tuple[int, ...], periodic: tuple[bool, ...]) -> Tensor:
    """Fields in the middle of the cells of a grid, (B, M, C).

    Along periodic axes as their trigonometric interpolant, which is exact for resolved fields; along open ones by
    cubic interpolation, in cells that have two points on either side.
    """
    field = value_BNC.reshape(len(value_BNC), *grid_shape, -1)
    for axis, wraps in enumerate(periodic, start=1):
        field = _turned(field, axis) if wraps else _cubic(field, axis)
    return field.flatten(1, -2)


def halfway_coords(coords_BNX: Tensor, grid_shape: tuple[int, ...], periodic: tuple[bool, ...]) -> Tensor:
    """Coordinates of these middles, (B, M, X)."""
    coords = coords_BNX.reshape(len(coords_BNX), *grid_shape, -1)
    for axis, wraps in enumerate(periodic, start=1):
        later = coords.roll(-1, axis)
        if wraps:
            last = coords.narrow(axis, grid_shape[axis - 1] - 1, 1)
            step = coords.narrow(axis, 1, 1) - coords.narrow(axis, 0, 1)
            later = torch.cat([coords.narrow(axis, 1, grid_shape[axis - 1] - 1), last + step], dim=axis)
        coords = (coords + later) / 2
        coords = coords if wraps else coords.narrow(axis, 1, grid_shape[axis - 1] - 3)
    return coords.flatten(1, -2)


def _turned(field: Tensor, axis: int) -> Tensor:
    """Moved on by half a step along a periodic axis."""
    num = field.shape[axis]
    number = torch.arange(num // 2 + 1)
    shape = [1] * field.dim()
    shape[axis] = -1
    turn = torch.polar(torch.ones(len(number)), math.pi / num * number).view(shape)
    moved: Tensor = torch.fft.irfft(torch.fft.rfft(field, dim=axis) * turn, n=num, dim=axis)
    return moved


def _cubic(field: Tensor, axis: int) -> Tensor:
    num = field.shape[axis] - 3
    return torch.stack([weight * field.narrow(axis, start, num) for start, weight in enumerate(CUBIC)]).sum(dim=0)
