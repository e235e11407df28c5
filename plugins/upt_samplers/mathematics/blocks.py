"""Blocks: the points of a sample in compact groups, one after the other along a curve; a score is kept for each block.

On a grid a block is a nearly cubic cell and the blocks follow a Hilbert curve through the cells: closed form but for
a table of the cells' order. At scattered points a block is a run of the locality order. The position of a point is its
place in this sequence.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from functools import lru_cache
from typing import final

import torch
from torch import Tensor

from upt_core import Points, hilbert_key
from upt_samplers.mathematics.snake import near_cubic, ravel, unravel


class Blocks(ABC):
    """K blocks of the points of each row; R is 1 where all rows have the same blocks, else B.

    Args:
        first_RK: position of each block's first point.
        size_RK: number of points of each block; 0 for blocks that hold only padding.
    """

    def __init__(self, first_RK: Tensor, size_RK: Tensor) -> None:
        self.first_RK = first_RK
        self.size_RK = size_RK
        self.points_RK = size_RK.double()  # the same, for arithmetic with probabilities
        self.num_points_R1 = self.points_RK.sum(-1, keepdim=True)

    @property
    def num_blocks(self) -> int:
        """K."""
        return self.size_RK.shape[1]

    def block_at(self, position_BQ: Tensor) -> Tensor:
        """The block that holds each position."""
        if self.first_RK.shape[0] == 1:
            return torch.searchsorted(self.first_RK[0], position_BQ, right=True) - 1
        return torch.searchsorted(self.first_RK, position_BQ, right=True) - 1

    @abstractmethod
    def point_at(self, position_BQ: Tensor, block_BQ: Tensor) -> Tensor:
        """The number of the point at each position; ``block_BQ`` is ``block_at`` of it."""

    @abstractmethod
    def block_of(self, index_BQ: Tensor) -> Tensor:
        """The block of each point, by its number."""


SMALLEST, MOST = 4, 8192
"""Points of a block, and blocks of a sample, where the user does not say: sharp scores at a bounded cost."""


def default_size(num_points: int) -> int:
    """Points of a block: 4, or as many as make at most 8,192 blocks."""
    return max(SMALLEST, -(-num_points // MOST))


def blocks_of(points: Points, size: int) -> Blocks:
    """The blocks of a batch's points, of about ``size`` points each."""
    if points.grid_shape is None or points.lengths is not None:
        return CurveBlocks(points, size)
    return _grid_blocks(points.grid_shape, size, points.device)


@lru_cache(maxsize=4)
def _grid_blocks(shape: tuple[int, ...], size: int, device: torch.device) -> GridBlocks:
    return GridBlocks(shape, size, device)


@final
class GridBlocks(Blocks):
    """Nearly cubic cells of a grid in Hilbert order; points within a cell in row-major order."""

    def __init__(self, shape: tuple[int, ...], size: int, device: torch.device) -> None:
        self.shape = shape
        self.pieces = near_cubic(shape, max(1, math.prod(shape) // size))
        cell = torch.arange(math.prod(self.pieces), device=device)
        self.cell_K = cell[hilbert_key(self._centres(cell), min(16, 62 // len(shape)))[0].argsort(stable=True)]
        self.rank_K = torch.empty_like(self.cell_K).scatter_(0, self.cell_K, cell)
        sides = self._sides(self.cell_K)
        self.width_K = [width_K for _, width_K in sides]
        size_K = torch.stack(self.width_K).prod(0)
        super().__init__((size_K.cumsum(0) - size_K).unsqueeze(0), size_K.unsqueeze(0))
        smallest = math.prod(n // pieces for n, pieces in zip(shape, self.pieces, strict=True))
        self.shift = smallest.bit_length() - 1
        opening = torch.arange(0, math.prod(shape), 1 << self.shift, device=device)
        self.table = super().block_at(opening)  # runs of 2^shift positions, no longer than a block, meet two at most
        self.following_K = self.first_RK[0].roll(-1)
        self.following_K[-1] = math.prod(shape)
        self.corner_K = ravel([low_K for low_K, _ in sides], shape) - self.first_RK[0]
        strides = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
        self.gap_K = [(n - w_K) * stride for n, w_K, stride in zip(shape, self.width_K, strides, strict=True)]

    def block_at(self, position_BQ: Tensor) -> Tensor:
        """By a table instead of a search: the block in which the position's run begins, or the next."""
        block_BQ = self.table.take(position_BQ >> self.shift)
        return block_BQ + (position_BQ >= self.following_K.take(block_BQ))

    def point_at(self, position_BQ: Tensor, block_BQ: Tensor) -> Tensor:
        """From the corner of the cell row by row: at the end of each, the points of the grid up to the next row."""
        index = position_BQ + self.corner_K.take(block_BQ)
        rest = position_BQ - self.first_RK[0].take(block_BQ)
        for axis in range(len(self.shape) - 1, 0, -1):
            rest = rest // self.width_K[axis].take(block_BQ)
            index.addcmul_(rest, self.gap_K[axis].take(block_BQ))
        return index

    def block_of(self, index_BQ: Tensor) -> Tensor:
        """Number → coordinates → cell → its place in the order."""
        axes = zip(unravel(index_BQ, self.shape), self.shape, self.pieces, strict=True)
        return self.rank_K.take(ravel([((c + 1) * pieces - 1) // n for c, n, pieces in axes], self.pieces))

    def _sides(self, cell: Tensor) -> list[tuple[Tensor, Tensor]]:
        """First coordinate and width of cells along each axis."""
        axes = zip(unravel(cell, self.pieces), self.shape, self.pieces, strict=True)
        edges = [(piece * n // pieces, (piece + 1) * n // pieces) for piece, n, pieces in axes]
        return [(low, high - low) for low, high in edges]

    def _centres(self, cell: Tensor) -> Tensor:
        return torch.stack([2 * low + width for low, width in self._sides(cell)], dim=-1).unsqueeze(0)


@final
class CurveBlocks(Blocks):
    """Runs of ``size`` points along the locality order of scattered points; the last run may be shorter."""

    def __init__(self, points: Points, size: int) -> None:
        self.points = points
        edge_K = torch.arange(0, points.num_points + size, size, device=points.device).unsqueeze(0)
        edge_RK = edge_K.clamp_max(points.num_points)
        if points.length_B1 is not None:
            edge_RK = torch.minimum(edge_RK, points.length_B1)
        self.size = size
        super().__init__(edge_RK[:, :-1].contiguous(), edge_RK.diff(dim=1))

    def block_at(self, position_BQ: Tensor) -> Tensor:
        """Runs are of equal length."""
        return position_BQ // self.size

    def point_at(self, position_BQ: Tensor, block_BQ: Tensor) -> Tensor:
        """Through the locality order."""
        return self.points.locality_order_BN.gather(1, position_BQ)

    def block_of(self, index_BQ: Tensor) -> Tensor:
        """Through the inverse of the locality order, O(B N): draws carry their blocks with them to avoid it."""
        order_BN = self.points.locality_order_BN
        order_RN = order_BN[:1] if self.points.shared else order_BN
        block_RN = self.block_at(torch.arange(order_RN.shape[1], device=order_RN.device)).expand(order_RN.shape)
        table_RN = torch.empty_like(order_RN).scatter_(1, order_RN, block_RN)
        return table_RN.expand(index_BQ.shape[0], -1).gather(1, index_BQ)
