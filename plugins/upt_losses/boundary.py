"""Error at the boundary of the domain only."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from upt_core import DataSpec, LossTerm, Points, Queries, Step
from upt_losses.distance import Norm, distance


class Boundary(LossTerm):
    """Mean distance of prediction and truth over the points on the boundary of the domain.

    The boundary is where an axis that is not periodic begins or ends: on a grid the first and last points along it,
    of scattered points those within ``tolerance`` of 0 or 1 in the unit box. Bodies inside the domain are not found.

    Without a sampler only the boundary points of a grid are decoded, which is cheap. With a sampler the term uses the
    query points that lie on the boundary and shares their decoding with the other terms. It stays unbiased, but has a
    higher variance, because few query points lie there.

    Args:
        tolerance: largest distance from a side at which a scattered point belongs to the boundary, as a fraction of the
            domain's length.
        norm: "mse" (usual), "l1", or "huber" for data with rare large errors.
        delta: where "huber" turns from square to linear, in normalised units. Good values: 0.1 to 1.
    """

    def __init__(
        self,
        tolerance: Annotated[float, Field(ge=0, lt=0.5)] = 1e-3,
        norm: Norm = "mse",
        delta: Annotated[float, Field(gt=0)] = 1.0,
    ) -> None:
        self.tolerance = tolerance
        self.norm: Norm = norm
        self.delta = delta
        self._own: tuple[tuple[int, tuple[int, ...], torch.device], Queries] | None = None
        self._found = False

    def check_data(self, data: DataSpec) -> None:
        """Refuses a domain that wraps around along every axis: it has no boundary."""
        if all(data.periodic):
            raise ValueError("boundary needs an axis that is not periodic; every axis of this domain is periodic")

    def __call__(self, step: Step) -> Tensor:
        """The mean distance over boundary points."""
        queries, points = step.queries(), step.points
        if not queries.on_points:
            raise ValueError(
                "boundary uses points of the boundary, and its sampler has moved them; give it sampler: null"
            )
        if queries.index_BQ is None and points.grid_shape is not None:
            return step.mean(self._on_grid(step), queries)
        on_boundary_BN = boundary_mask(points, step.data.periodic, self.tolerance)
        share_B1 = Queries.all(points).weight_BQ
        share_B1 = (on_boundary_BN if share_B1 is None else on_boundary_BN * share_B1).mean(dim=1, keepdim=True)
        self._check_found(share_B1)
        here_BQ = queries.take(on_boundary_BN.expand(points.batch_size, -1).unsqueeze(-1)).squeeze(-1)
        return step.mean(self._value(step, queries) * here_BQ / share_B1.clamp_min(1 / points.num_points), queries)

    def _on_grid(self, step: Step) -> Tensor:
        """A value (B, N) whose mean over all points is the mean over the boundary; only the boundary is decoded."""
        queries, points = self._grid_queries(step.points, step.data.periodic), step.points
        assert queries.index_BQ is not None
        value_BQ = self._value(step, queries)
        whole_BN = value_BQ.new_zeros(points.batch_size, points.num_points)
        return whole_BN.index_copy(1, queries.index_BQ[0], value_BQ * (points.num_points / value_BQ.shape[1]))

    def _value(self, step: Step, queries: Queries) -> Tensor:
        value_BQC = distance(step.predicted(1, queries), step.target(1, queries), self.norm, self.delta)
        return value_BQC.mean(dim=-1)

    def _grid_queries(self, points: Points, periodic: tuple[bool, ...]) -> Queries:
        """The grid's boundary points as query points; kept, because every batch has the same."""
        assert points.grid_shape is not None
        key = (points.batch_size, points.grid_shape, points.device)
        if self._own is None or self._own[0] != key:
            index_Q = grid_boundary(points.grid_shape, periodic).flatten().nonzero().squeeze(1).to(points.device)
            self._own = (key, Queries(index_Q.expand(points.batch_size, -1)))
        return self._own[1]

    def _check_found(self, share_B1: Tensor) -> None:
        """Once, since it waits for the device: whether there is a boundary point at all."""
        if not self._found and not share_B1.any():
            raise ValueError(
                f"no point is within tolerance {self.tolerance} of the sides of the domain; raise tolerance, or "
                f"remove the term boundary"
            )
        self._found = True


def boundary_mask(points: Points, periodic: tuple[bool, ...], tolerance: float) -> Tensor:
    """1.0 at boundary points, else 0.0: (B, N), or (1, N) where all rows share their points."""
    if points.grid_shape is not None:
        return grid_boundary(points.grid_shape, periodic).flatten().unsqueeze(0).to(points.device).float()
    axes = [axis for axis, wraps in enumerate(periodic) if not wraps]
    coords_BNX = (points.coords_BNX[:1] if points.shared else points.coords_BNX)[..., axes]
    at_side_BN = ((coords_BNX <= tolerance) | (coords_BNX >= 1 - tolerance)).any(dim=-1)
    return at_side_BN.float() if points.mask_BN is None else (at_side_BN & points.mask_BN).float()


def grid_boundary(shape: tuple[int, ...], periodic: tuple[bool, ...]) -> Tensor:
    """True where a point of a grid is the first or last along an axis that is not periodic, in the grid's shape."""
    mask = torch.zeros(shape, dtype=torch.bool)
    for axis, wraps in enumerate(periodic):
        if not wraps:
            mask.movedim(axis, 0)[[0, -1]] = True
    return mask
