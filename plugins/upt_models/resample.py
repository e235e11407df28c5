"""Fields of one regular grid on another one: cubic interpolation axis by axis, exact at points that both have."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from upt_core import Points, lagrange_weights

SAME = 1e-3
"""Points that are nearer to each other than this part of a grid step are one point."""

BEYOND = 1.0
"""So many steps beyond the last point of an open axis the polynomial through the last four is still believed."""


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


def placed_as(coords: Sequence[Tensor], shape: Sequence[int], margins: Sequence[tuple[float, float]]) -> list[Tensor]:
    """Coordinates of an even grid of another shape, which lies in the box as its margins say.

    Args:
        coords: along each axis, of the grid at hand.
        margins: for each axis, the gaps before the first and after the last point, in spacings of the grid wanted.

    Raises:
        ValueError: the points of an axis are not evenly spaced, or the grids have other numbers of axes.
    """
    _check_even(coords, shape)
    return [
        (torch.arange(number, device=value.device, dtype=value.dtype) + before) / (number - 1 + before + after)
        for value, number, (before, after) in zip(coords, shape, margins, strict=True)
    ]


def same_margins(coords: Sequence[Tensor], grid_shape: Sequence[int]) -> list[Tensor]:
    """Coordinates of the grid of another shape that lies in the box alike: as many grid steps from its sides.

    Raises:
        ValueError: the points of an axis are not evenly spaced, or the grids have other numbers of axes.
    """
    _check_even(coords, grid_shape)
    return [_with_margins(value, number) for value, number in zip(coords, grid_shape, strict=True)]


def _check_even(coords: Sequence[Tensor], grid_shape: Sequence[int]) -> None:
    if len(coords) != len(grid_shape):
        raise ValueError(f"a grid with {len(coords)} axes cannot be resampled to the grid {list(grid_shape)}")
    for axis, (coord_N, number) in enumerate(zip(coords, grid_shape, strict=True)):
        steps = coord_N.diff()
        if len(coord_N) != number and (len(steps) == 0 or (steps - steps.mean()).abs().max() > 0.01 * steps.mean()):
            raise ValueError(
                f"a grid of another shape than in training was given, whose {len(coord_N)} points along axis {axis} "
                f"are not evenly spaced from low to high; interpolate the fields to the training grid, with {number} "
                "points along this axis"
            )


def _with_margins(coord_N: Tensor, number: int) -> Tensor:
    if len(coord_N) == number:
        return coord_N
    step = (coord_N[-1] - coord_N[0]) / (len(coord_N) - 1)
    before, after = coord_N[0] / step, (1 - coord_N[-1]) / step
    return (torch.arange(number, device=coord_N.device) + before) / (number - 1 + before + after)


def resampled(field_BVC: Tensor, found: Sequence[Tensor], wanted: Sequence[Tensor], periodic: Sequence[bool]) -> Tensor:
    """A field at other points of each axis.

    Args:
        found: evenly spaced coordinates along each axis where the field is known.
        wanted: coordinates along each axis where it is wanted.
        periodic: for each axis, whether it wraps around.

    Raises:
        ValueError: the field ends well before the points where it is wanted.
    """
    for axis, (old, new, wraps) in enumerate(zip(found, wanted, periodic, strict=True), start=1):
        if not same_points(old, new):
            if not wraps:
                _check_covered(axis - 1, old, new)
            matrix = interpolation_matrix(old, new, wraps).to(field_BVC.dtype)
            field_BVC = torch.tensordot(field_BVC, matrix, dims=([axis], [1])).movedim(-1, axis)
    return field_BVC


def same_points(one_N: Tensor, other_N: Tensor) -> bool:
    """Whether coordinates along an axis are the same, up to a small part of a step."""
    if len(one_N) != len(other_N):
        return False
    return len(one_N) < 2 or bool(
        (one_N - other_N).abs().max() <= SAME * (other_N[-1] - other_N[0]) / (len(other_N) - 1)
    )


def _check_covered(axis: int, old_N: Tensor, new_M: Tensor) -> None:
    """Refuses a grid that ends well before the wanted one: what is asked for there was never given."""
    step = (old_N[-1] - old_N[0]) / (len(old_N) - 1)
    missing = torch.maximum(old_N[0] - new_M[0], new_M[-1] - old_N[-1]) / step
    if missing > BEYOND:
        raise ValueError(
            f"the points along axis {axis} end {float(missing):.2g} of their steps before the points of training; "
            "give a grid that covers the box of training"
        )


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
