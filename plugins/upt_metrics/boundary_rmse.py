"""Root mean square error at the boundary."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from upt_core import Batch, Points
from upt_metrics.per_sample import MeanOfFigures


class BoundaryRmse(MeanOfFigures):
    """RMSE over the points at the sides of the domain, of each sample, channel and time step; then the mean.

    On a grid these are the first and last points along the axes, of scattered points those within ``tolerance`` of 0 or
    1 in the unit box. The metric is in the units of the data and is PDEBench's bRMSE.

    Args:
        axes: "all" takes the sides of every axis, as PDEBench does; "non_periodic" only those of axes that do not wrap
            around.
        tolerance: largest distance from a side at which a scattered point belongs to the boundary, as a fraction of the
            domain's length.

    Source: Takamoto et al., PDEBench, arXiv 2210.07182.
    """

    def __init__(
        self,
        axes: Literal["all", "non_periodic"] = "all",
        tolerance: Annotated[float, Field(ge=0, lt=0.5)] = 1e-3,
    ) -> None:
        super().__init__()
        self.axes = axes
        self.tolerance = tolerance

    def figures(self, prediction_BTNC: Tensor, target_BTNC: Tensor, batch: Batch) -> Tensor:
        """(B, T, C). A sample without a boundary point is refused: it has no such error."""
        mask_BN = self._mask(batch.points).to(target_BTNC.device)
        count_B1 = mask_BN.sum(dim=1, keepdim=True)
        if not count_B1.all():
            raise ValueError(
                f"boundary_rmse found no point at the sides of the domain (axes: {self.axes}, tolerance: "
                f"{self.tolerance}); raise tolerance, or leave the metric out"
            )
        squared_BTNC = (prediction_BTNC - target_BTNC).square().where(mask_BN[:, None, :, None], 0)
        measure_BN = batch.points.relative_measure_BN
        if measure_BN is not None:
            measure_BN = measure_BN.to(target_BTNC.device) * mask_BN
            squared_BTNC = squared_BTNC * measure_BN[:, None, :, None]
            count_B1 = measure_BN.sum(dim=1, keepdim=True)
        return (squared_BTNC.sum(dim=2) / count_B1.unsqueeze(-1)).sqrt()

    def _mask(self, points: Points) -> Tensor:
        """True at boundary points: (B, N), or (1, N) on a grid."""
        periodic = points.periodic or (False,) * points.num_axes
        axes = [axis for axis, wraps in enumerate(periodic) if self.axes == "all" or not wraps]
        if points.grid_shape is not None:
            grid = torch.zeros(points.grid_shape, dtype=torch.bool)
            for axis in axes:
                grid.movedim(axis, 0)[[0, -1]] = True
            return grid.view(1, -1).to(points.device)
        coords_BNX = points.coords_BNX[..., axes]
        at_side_BN = ((coords_BNX <= self.tolerance) | (coords_BNX >= 1 - self.tolerance)).any(dim=-1)
        return at_side_BN if points.mask_BN is None else at_side_BN & points.mask_BN
