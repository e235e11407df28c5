"""Cell lists: the points that are next to each query, looked for in the cells around it."""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor

A_CELL = 2.0
"""Points of a cell, on average."""
PAIRS = 1 << 20
"""Distances that are held at once."""


def nearest(coords_SX: Tensor, queries_NX: Tensor, k: int) -> Tensor:
    """The k points next to each query, nearest first, exactly (N, k).

    The box of the points is cut into equal cells. A query looks at the points of its own cell and of those around it.
    Where one beyond them could be nearer than the k-th that it finds, it asks all points instead.

    Args:
        coords_SX: the points.
        queries_NX: from where to look.
        k: how many; at most S.
    """
    cells = Cells(coords_SX)
    rows = max(1, PAIRS // cells.looked_at)
    return torch.cat([_nearest(cells, part_QX, k) for part_QX in torch.split(queries_NX, rows)])


class Cells:
    """Points, sorted into equal cells of their box.

    Args:
        coords_SX: the points.
    """

    def __init__(self, coords_SX: Tensor) -> None:
        num_points, axes = coords_SX.shape
        self.edge = max(1, round((num_points / A_CELL) ** (1 / axes)))
        self.low_X = coords_SX.amin(0)
        self.width_X = ((coords_SX.amax(0) - self.low_X) / self.edge).clamp_min(torch.finfo(coords_SX.dtype).tiny)
        self.strides_X = torch.tensor([self.edge**axis for axis in range(axes)])
        self.around_RX = torch.tensor(list(product((-1, 0, 1), repeat=axes)))
        # One more point, infinitely far, fills the cells that have fewer points than the fullest.
        self.coords_PX = torch.cat([coords_SX, torch.full((1, axes), torch.inf)])
        self.point_CM = self._sorted(self.cell_of(coords_SX) @ self.strides_X, self.edge**axes)

    @property
    def looked_at(self) -> int:
        """Places of points that a query looks at."""
        return len(self.around_RX) * self.point_CM.shape[1]

    def cell_of(self, coords_NX: Tensor) -> Tensor:
        """The cell of each point along each axis, whole numbers (N, X); those outside of the box count to the next."""
        cell_NX: Tensor = ((coords_NX - self.low_X) / self.width_X).long()
        return cell_NX.clamp(0, self.edge - 1)

    def near(self, cell_NX: Tensor) -> Tensor:
        """The points of the cells around others (N, M)."""
        cell_NRX = cell_NX[:, None] + self.around_RX
        inside_NR = ((cell_NRX >= 0) & (cell_NRX < self.edge)).all(-1)
        return self.point_CM[torch.where(inside_NR, cell_NRX @ self.strides_X, -1)].flatten(1)

    def room(self, coords_NX: Tensor, cell_NX: Tensor) -> Tensor:
        """How far it is from each point to the nearest cell that is not around its own (N,)."""
        before_NX = coords_NX - (self.low_X + (cell_NX - 1) * self.width_X)
        behind_NX = self.low_X + (cell_NX + 2) * self.width_X - coords_NX
        before_NX = before_NX.masked_fill(cell_NX <= 1, torch.inf)  # there is none
        behind_NX = behind_NX.masked_fill(cell_NX >= self.edge - 2, torch.inf)
        return torch.minimum(before_NX, behind_NX).amin(-1)

    def _sorted(self, cell_S: Tensor, cells: int) -> Tensor:
        """The points of each cell (C + 1, M); the last has none."""
        order_S = cell_S.argsort(stable=True)
        count_C = torch.bincount(cell_S, minlength=cells + 1)
        place_S = torch.arange(len(cell_S)) - (count_C.cumsum(0) - count_C)[cell_S[order_S]]
        point_CM = torch.full((cells + 1, int(count_C.max())), len(cell_S))
        point_CM[cell_S[order_S], place_S] = order_S
        return point_CM


def _nearest(cells: Cells, queries_QX: Tensor, k: int) -> Tensor:
    cell_QX = cells.cell_of(queries_QX)
    point_QM = cells.near(cell_QX)
    square_QM = (cells.coords_PX[point_QM] - queries_QX[:, None]).square().sum(-1)
    if point_QM.shape[1] < k:
        return _distances(queries_QX, cells).topk(k, largest=False).indices
    square_Qk, place_Qk = square_QM.topk(k, largest=False)
    found_Qk = point_QM.gather(1, place_Qk)
    unsure_Q = square_Qk[:, -1].sqrt() > cells.room(queries_QX, cell_QX)
    if unsure_Q.any():
        distance_US = _distances(queries_QX[unsure_Q], cells)
        found_Qk[unsure_Q] = distance_US.topk(k, largest=False).indices
    return found_Qk


def _distances(queries_QX: Tensor, cells: Cells) -> Tensor:
    """To all points, not by matrix products, whose rounding would be seen."""
    return torch.cdist(queries_QX, cells.coords_PX[:-1], compute_mode="donot_use_mm_for_euclid_dist")
