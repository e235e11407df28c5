"""A coarser grid within a grid: its points, and values there interpolated linearly to all points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from upt_core import Points, Queries


def first_points(num_axes: int, stride: int, step: int) -> list[int]:
    """The first point of the coarse grid along each axis, below ``stride``: drawn for each step of training anew."""
    rng = np.random.default_rng(step)
    return [int(rng.integers(stride)) for _ in range(num_axes)]


def coarse_queries(points: Points, stride: int, firsts: Sequence[int]) -> Queries:
    """Every ``stride``-th point along each axis from the first ones on, the same for all rows."""
    assert points.grid_shape is not None
    index = torch.zeros((), dtype=torch.int64, device=points.device)
    for size, first in zip(points.grid_shape, firsts, strict=True):
        along = torch.arange(first, size, stride, device=points.device)
        index = (index.unsqueeze(-1) * size + along).reshape(*index.shape, -1)
    return Queries(index.reshape(1, -1).expand(points.batch_size, -1))


def spread(
    value_BQC: Tensor, grid_shape: Sequence[int], stride: int, firsts: Sequence[int], periodic: Sequence[bool]
) -> Tensor:
    """Values at ``coarse_queries``, interpolated linearly along each axis in steps of the grid: (B, N, C).

    Periodic axes wrap around; beyond the first and last point of an open axis values are continued.
    """
    coarse = [len(range(first, size, stride)) for size, first in zip(grid_shape, firsts, strict=True)]
    value: Tensor = value_BQC.view(len(value_BQC), *coarse, -1)
    for axis, (size, first, wraps) in enumerate(zip(grid_shape, firsts, periodic, strict=True), start=1):
        value = _along(value, axis, size, first, stride, wraps)
    return value.flatten(1, len(grid_shape))


def _along(value: Tensor, axis: int, size: int, first: int, stride: int, wraps: bool) -> Tensor:
    """Interpolated along one axis, from coarse points at first, first + stride, … to 0, …, size − 1."""
    count = value.shape[axis]
    place = torch.arange(size, device=value.device)
    left = torch.div(place - first, stride, rounding_mode="floor")
    gap = torch.full_like(place, stride)
    if wraps:
        last = first + stride * (count - 1)
        gap = torch.where((left < 0) | (left >= count - 1), first + size - last, gap)  # across the end
        begin = torch.where(left < 0, last - size, first + stride * left)
        low, high = left % count, (left + 1) % count
    else:
        begin = first + stride * left
        low, high = left.clamp(0, count - 1), (left + 1).clamp(0, count - 1)
    share = ((place - begin) / gap).to(value.dtype)
    share = share.view(-1, *[1] * (value.dim() - axis - 1))
    below, above = value.index_select(axis, low), value.index_select(axis, high)
    return below + (above - below) * share
