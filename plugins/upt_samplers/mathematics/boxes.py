"""Parts of a grid as boxes: the interior, and the layers along the boundary."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from upt_samplers.mathematics.snake import near_cubic, ravel, snake_index, unravel


@dataclass(frozen=True)
class Box:
    """Grid points from ``origin``, ``shape`` many along each axis."""

    origin: tuple[int, ...]
    shape: tuple[int, ...]

    @property
    def num_points(self) -> int:
        """How many points the box holds."""
        return math.prod(self.shape)


def interior_and_layers(shape: tuple[int, ...], layers: tuple[int, ...]) -> tuple[Box, list[Box]]:
    """The box that is left when ``layers`` points are cut off at both ends of each axis, and the boxes cut off.

    Axis by axis, the first and the last layers are cut off what the axes before have left. Boxes may be empty.
    """
    rest = Box((0,) * len(shape), shape)
    cut = []
    for axis, depth in enumerate(layers):
        low = min(depth, rest.shape[axis])
        high = min(depth, rest.shape[axis] - low)
        inner = rest.shape[axis] - low - high
        cut.append(_part(rest, axis, 0, low))
        cut.append(_part(rest, axis, low + inner, high))
        rest = _part(rest, axis, low, inner)
    return rest, [box for box in cut if box.num_points > 0]


def points_in(boxes: list[Box], position_BQ: Tensor, shape: tuple[int, ...], cells: int) -> Tensor:
    """Numbers of the points at positions of the boxes' points, one box after the other, each along snake strips.

    Args:
        position_BQ: positions below the number of points of all boxes.
        shape: points of the whole grid along each axis.
        cells: about how many positions are drawn in all, for the width of the strips.
    """
    total = sum(box.num_points for box in boxes)
    index_BQ, first = torch.zeros_like(position_BQ), 0
    for box in boxes:
        inside = position_BQ - first
        strips = near_cubic(box.shape, max(1, cells * box.num_points // total))
        place = snake_index(inside.clamp(0, box.num_points - 1), box.shape, strips)
        coordinates = [c + start for c, start in zip(unravel(place, box.shape), box.origin, strict=True)]
        index_BQ = torch.where(inside >= 0, ravel(coordinates, shape), index_BQ)
        first += box.num_points
    return index_BQ


def _part(box: Box, axis: int, start: int, length: int) -> Box:
    origin, shape = list(box.origin), list(box.shape)
    origin[axis] += start
    shape[axis] = length
    return Box(tuple(origin), tuple(shape))
