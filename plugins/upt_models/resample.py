"""Fields of one regular grid on another one: cubic interpolation axis by axis, exact at points that both have."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from upt_core import Points, lagrange_weights

SAME = 1e-3
"""Points that are nearer to each other than this part of a grid step are one point."""


def axis_coords(points: Points) -> list[Tensor]:
    """Coordinates along each axis of a grid, of the first row's points."""
    assert points.grid_shape is not None
    coords_VX = points.coords_BNX[0].view(*points.grid_shape, -1)
    found = []
    for axis in range(points.num_axes):
        first = [0] * points.num_axes
        first[axis] = slice(None)  # type: ignore[call-overload]
        found.append(coords_VX[(*first, axis)])
    return found


def same_margins(coords: Sequence[Tensor], grid_shape: Sequence[int]) -> list[Tensor]:
    """Coordinates of the grid of another shape that lies in the box alike: as many grid steps from its sides.

    Raises:
        ValueError: the points of an axis are not evenly spaced, or the grids have other numbers of axes.
    """
    if len(coords) != len(grid_shape):
        raise ValueError(f"a grid with {len(coords)} axes cannot be brought to one of {list(grid_shape)}")
    return [
        _with_margins(axis, value, number) for axis, (value, number) in enumerate(zip(coords, grid_shape, strict=True))
    ]


def _with_margins(axis: int, coord_N: Tensor, number: int) -> Tensor:
    if len(coord_N) == number:
        return coord_N
    steps = coord_N.diff()
    if len(steps) == 0 or (steps - steps.mean()).abs().max() > 0.01 * steps.mean():
        raise ValueError(
            f"a grid of another shape than in training was given, whose {len(coord_N)} points along axis {axis} are "
            f"not evenly spaced from low to high; bring the fields to the training grid, with {number} points there"
        )
    step = (coord_N[-1] - coord_N[0]) / len(steps)
    before, after = coord_N[0] / step, (1 - coord_N[-1]) / step
    return (torch.arange(number, device=coord_N.device) + before) / (number - 1 + before + after)


def resampled(field_BVC: Tensor, found: Sequence[Tensor], wanted: Sequence[Tensor], periodic: Sequence[bool]) -> Tensor:
    """A field at other points of each axis.

    Args:
        found: evenly spaced coordinates along each axis where the field is known.
        wanted: coordinates along each axis where it is wanted.
        periodic: for each axis, whether it wraps around.
    """
    for axis, (old, new, wraps) in enumerate(zip(found, wanted, periodic, strict=True), start=1):
        if len(old) != len(new):
            matrix = interpolation_matrix(old, new, wraps).to(field_BVC.dtype)
            field_BVC = torch.tensordot(field_BVC, matrix, dims=([axis], [1])).movedim(-1, axis)
    return field_BVC


def interpolation_matrix(old_N: Tensor, new_M: Tensor, wraps: bool) -> Tensor:
    """Values at evenly spaced points → values at others, (M, N): cubic Lagrange, of fewer points where there are fewer.

    On an open axis the outermost stencils stay inside.
    """
    number = len(old_N)
    size = min(4, number)
    position_M = (new_M - old_N[0]) / ((old_N[-1] - old_N[0]) / (number - 1))
    nearest_M = position_M.round()
    position_M = torch.where((position_M - nearest_M).abs() < SAME, nearest_M, position_M)
    start_M = position_M.floor() - (size - 1) // 2
    start_M = start_M if wraps else start_M.clamp(0, number - size)
    weight_MS = lagrange_weights(position_M - start_M, size)
    index_MS = (start_M.long().unsqueeze(1) + torch.arange(size, device=old_N.device)) % number
    return torch.zeros(len(new_M), number, device=old_N.device).scatter_add_(1, index_MS, weight_MS)
