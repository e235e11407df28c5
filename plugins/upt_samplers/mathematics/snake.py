"""A curve through all points of a grid, in closed form: position → point, O(1) each, any number of axes.

Every axis but the last is cut into strips of nearly equal width, so that a strip is a bar of about square cross-section
along the last axis. A bar is scanned along the last axis, slice by slice; every second one backwards, so the curve
does not jump. Runs of the curve are then compact blocks of the grid.

Each slice begins a golden section further than the one before it. Without that, positions at equal distances on the
curve (the rows of a coordinated batch) would lie on one line through their block wherever the distance is a slice.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise

import torch
from torch import Tensor

_UNIT, _GOLDEN = 2**16, 40503
"""The golden section, 40503 / 2^16 of the whole."""


@lru_cache(maxsize=1024)
def near_cubic(shape: tuple[int, ...], cells: int) -> tuple[int, ...]:
    """Into how many pieces to cut each axis for about ``cells`` nearly cubic cells; thin axes stay whole."""
    whole: set[int] = set()
    while True:
        free = [axis for axis in range(len(shape)) if axis not in whole]
        if not free:
            return (1,) * len(shape)
        edge = (math.prod(shape[axis] for axis in free) / cells) ** (1 / len(free))
        thin = {axis for axis in free if shape[axis] < edge}
        if not thin:
            break
        whole |= thin
    return tuple(1 if axis in whole else min(n, max(1, round(n / edge))) for axis, n in enumerate(shape))


def snake_index(position: Tensor, shape: tuple[int, ...], strips: tuple[int, ...]) -> Tensor:
    """Row-major numbers of the grid points at these positions of the curve; a bijection of 0 … N-1.

    Args:
        position: int64, any shape.
        strips: number of strips along each axis; that of the last axis is not used.
    """
    starts, widths, flips = [], [], []
    rest, section = position, torch.ones_like(position)
    flip = torch.zeros_like(position, dtype=torch.bool)
    for axis, (length, pieces) in enumerate(zip(shape[:-1], strips[:-1], strict=True)):
        layer = section * math.prod(shape[axis + 1 :])
        strip = ((rest // layer + 1) * pieces - 1) // length
        start = strip * length // pieces
        rest = rest - start * layer
        starts.append(start)
        widths.append((strip + 1) * length // pieces - start)
        flips.append(flip)
        flip = flip ^ (strip % 2 == 1)
        section = section * widths[-1]
    along = rest // section
    coordinates = [_flipped(along, shape[-1], flip)]
    rest = (rest + (along * _GOLDEN % _UNIT) * section // _UNIT) % section
    for axis in range(len(shape) - 2, -1, -1):
        outer = rest // widths[axis]
        inside = starts[axis] + rest - outer * widths[axis]
        coordinates.insert(0, _flipped(inside, shape[axis], flips[axis]))
        rest = outer
    return ravel(coordinates, shape)


def ravel(coordinates: list[Tensor], shape: tuple[int, ...]) -> Tensor:
    """Row-major numbers of grid points from their coordinates along each axis."""
    index = coordinates[0]
    for coordinate, length in zip(coordinates[1:], shape[1:], strict=True):
        index = index * length + coordinate
    return index


def unravel(index: Tensor, shape: tuple[int, ...]) -> list[Tensor]:
    """Coordinates along each axis from row-major numbers."""
    strides = [math.prod(shape[axis:]) for axis in range(len(shape) + 1)]
    return [index % outer // inner for outer, inner in pairwise(strides)]


def _flipped(coordinate: Tensor, length: int, flip: Tensor) -> Tensor:
    return torch.where(flip, length - 1 - coordinate, coordinate)
