"""The curve along which samplers spread: snake strips on a grid, the data set's locality order at scattered points."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from upt_core import Points
from upt_samplers.mathematics.snake import near_cubic, snake_index

_TABLE_MAX = 2**20  # up to here the curve is tabulated once (8 bytes a point) and a draw gathers


def points_at(points: Points, position_BQ: Tensor, cells: int) -> Tensor:
    """Numbers of the points at positions of the curve, (B, Q).

    Args:
        cells: a run of N/cells positions should be a compact piece of the domain; the number of query points.
    """
    if points.grid_shape is None or points.lengths is not None:
        return points.locality_order_BN.gather(1, position_BQ)
    shape = tuple(length for length in points.grid_shape if length > 1)
    if len(shape) < 2:
        return position_BQ
    strips = near_cubic(shape, cells)
    if points.num_points > _TABLE_MAX:
        return snake_index(position_BQ, shape, strips)
    return _table(shape, strips, position_BQ.device).take(position_BQ)


@lru_cache(maxsize=8)
def _table(shape: tuple[int, ...], strips: tuple[int, ...], device: torch.device) -> Tensor:
    num_points = torch.Size(shape).numel()
    return snake_index(torch.arange(num_points, device=device), shape, strips)
