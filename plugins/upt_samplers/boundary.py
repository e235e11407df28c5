"""Boundary sampling: a share of the query points near the boundary of the domain, with weights that undo the bias."""

from __future__ import annotations

from typing import Annotated, final

import torch
from pydantic import Field
from torch import Tensor

from upt_core import LocalityOrder, Need, Points, Progress, Queries, Sampler
from upt_samplers.mathematics.blocks import CurveBlocks
from upt_samplers.mathematics.boxes import Box, interior_and_layers, points_in
from upt_samplers.mathematics.inclusion import inclusion_probabilities
from upt_samplers.mathematics.integers import Coupling, coupled_uniforms
from upt_samplers.mathematics.padding import complete
from upt_samplers.mathematics.pivotal import PivotalPlan
from upt_samplers.mathematics.strata import strata_positions
from upt_samplers.stratified import Stratified


@final
class Boundary(Sampler):
    """Distinct points: a ``share`` near the boundary, the rest over all points; weights Q / (N π).

    Of N points, M are near the boundary. A point there is drawn with π = Q (share / M + (1 - share) / N), an inner one
    with π = Q (1 - share) / N, up to rounding to whole numbers of points and a cap at 1, which the weights take into
    account. On grids each of the two parts is stratified, O(Q); at scattered points the draw is ordered pivotal
    sampling as in ``importance``, O(B N). The boundary is that of the box around the domain, on axes that are not
    periodic; holes in the domain are not recognised. It pays if the loss is largest at the walls; it raises the
    variance for everything else.

    Args:
        num_queries: query points per sample; 256 to 4096 are usual. If this reaches the number of points, all are used.
        share: share of the query points drawn only near the boundary, 0 ≤ share < 1; 0.2 to 0.5.
        width: depth of the boundary layer, as a fraction of each axis; on grids at least one point.
        coupling: latin = the samples of a batch cover the domain together; independent.
    """

    def __init__(
        self,
        num_queries: Annotated[int, Field(ge=1)] = 2048,
        share: Annotated[float, Field(ge=0, lt=1)] = 0.3,
        width: Annotated[float, Field(gt=0, lt=0.5)] = 0.05,
        coupling: Coupling = "latin",
    ) -> None:
        self._plain = Stratified(num_queries, coupling)
        self.num_queries, self.share, self.width = num_queries, share, width
        self.coupling: Coupling = coupling

    @property
    def needs(self) -> tuple[Need, ...]:
        """Scattered points are visited along their locality order."""
        return (LocalityOrder(),)

    def count(self, num_points: int, progress: Progress) -> int:
        """Q, constant."""
        return self.num_queries

    def draw(self, points: Points, count: int, rng: torch.Generator, progress: Progress) -> Queries:
        """Q distinct points of each row. A single query point, or points without an interior, are ``stratified``.

        Raises:
            ValueError: every axis is periodic.
        """
        if points.periodic and all(points.periodic):
            raise ValueError(
                "boundary: every axis of this data set is periodic, so there is no boundary; use stratified"
            )
        if points.grid_shape is None or points.lengths is not None:
            return self._draw_scattered(points, count, rng)
        inner, layers = interior_and_layers(points.grid_shape, self._layers(points, points.grid_shape))
        if count == 1 or inner.num_points == 0 or not layers:
            return self._plain.draw(points, count, rng, progress)
        return self._draw_grid(points, inner, layers, count, rng)

    def _draw_grid(self, points: Points, inner: Box, layers: list[Box], count: int, rng: torch.Generator) -> Queries:
        assert points.grid_shape is not None
        num_inner = inner.num_points
        num_near = points.num_points - num_inner
        wanted = round(count * (self.share + (1 - self.share) * num_near / points.num_points))
        near = min(max(wanted, 1, count - num_inner), num_near, count - 1)
        index, weight = [], []
        for boxes, size, number in ((layers, num_near, near), ([inner], num_inner, count - near)):
            position = strata_positions(size, number, points.batch_size, rng, self.coupling)
            index.append(points_in(boxes, position, points.grid_shape, number))
            weight.append(torch.full(position.shape, count * size / (points.num_points * number), device=points.device))
        return Queries(torch.cat(index, dim=1), torch.cat(weight, dim=1))

    def _draw_scattered(self, points: Points, count: int, rng: torch.Generator) -> Queries:
        blocks = CurveBlocks(points, 1)
        near_BN = self._near(points).gather(1, points.locality_order_BN)
        total_R1 = blocks.size_RK.sum(-1, keepdim=True).clamp_max(count)
        probability_BN = inclusion_probabilities(near_BN, blocks.size_RK, total_R1, 1 - self.share)
        plan = PivotalPlan(probability_BN, blocks, count)
        position_BQ = plan.draw(coupled_uniforms(points.batch_size, count, rng, self.coupling))
        num_points = points.num_points if points.length_B1 is None else points.length_B1
        weight_BQ = (count / (num_points * plan.probability_of(position_BQ))).float()
        position_BQ, completed_BQ = complete(points, position_BQ, weight_BQ)
        return Queries(blocks.point_at(position_BQ, position_BQ), completed_BQ)

    def _near(self, points: Points) -> Tensor:
        """1 at real points near the boundary, else 0, (B, N)."""
        near_BNX = (points.coords_BNX < self.width) | (points.coords_BNX > 1 - self.width)
        walls = [axis for axis in range(points.num_axes) if not (points.periodic and points.periodic[axis])]
        near_BN = torch.stack([near_BNX[..., axis] for axis in walls]).any(dim=0)
        return (near_BN if points.mask_BN is None else near_BN & points.mask_BN).double()

    def _layers(self, points: Points, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Points of the layer along each axis; none on periodic axes and on axes of one point."""
        periodic = points.periodic or (False,) * len(shape)
        return tuple(
            0 if wraps or length == 1 else max(1, round(self.width * length))
            for wraps, length in zip(periodic, shape, strict=True)
        )
