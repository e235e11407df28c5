"""Relative H1 error: values and slopes."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from upt_core import Batch, DataSpec, Points
from upt_metrics.relative import MeanOfRatios


class RelativeH1(MeanOfRatios):
    """√(‖e‖² + ‖∇e‖²) / √(‖target‖² + ‖∇target‖²) of each sample, over all channels and time steps; then the mean.

    Gradients are second-order differences on the grid, in the unit box for any physical lengths. The metric is
    sensitive to fine structures that ``relative_l2`` hardly sees. Needs a regular grid. A sample at rest (below 1 % of
    the split's root mean square) is compared with that root mean square.

    Args:
        sides: "data" takes one-sided differences at the ends of axes that do not wrap around; "periodic" wraps around
            every axis and takes a spacing of 1 / points, as neuraloperator's H1 loss does by default. Use it for
            comparison with that loss.

    Source: Kovachki et al., Neural Operator, arXiv 2108.08481.
    """

    def __init__(self, sides: Literal["data", "periodic"] = "data") -> None:
        super().__init__()
        self.sides = sides

    def check_data(self, data: DataSpec) -> None:
        """Refuses scattered points, and grids too small for slopes."""
        _grid(data.grid_of_targets)

    def sizes(self, value_BTNC: Tensor, batch: Batch) -> Tensor:
        """One norm for each sample."""
        points, shape = batch.points, _grid(batch.points.grid_shape)
        batch_size, times, _, channels = value_BTNC.shape
        value = value_BTNC.reshape(batch_size, times, *shape, channels)
        squared = value.square()
        periodic = points.periodic or (False,) * len(shape)
        for axis, wraps in enumerate(periodic):
            if self.sides == "periodic":
                slope = _difference(value, axis + 2, True) * shape[axis]
            else:
                slope = _difference(value, axis + 2, wraps) / _spacing(points, shape, axis)
            squared = squared + slope.square()
        return squared.flatten(1).mean(dim=1).sqrt()


def _grid(shape: tuple[int, ...] | None) -> tuple[int, ...]:
    if shape is None or min(shape) < 3:
        raise ValueError("relative_h1 needs a regular grid of at least 3 points along each axis")
    return shape


def _difference(value: Tensor, dim: int, periodic: bool) -> Tensor:
    """Slope along a dimension, to second order, in units of the spacing."""
    if periodic:
        return (value.roll(-1, dim) - value.roll(1, dim)) / 2
    slope: Tensor = torch.gradient(value, dim=dim, edge_order=2)[0]
    return slope


def _spacing(points: Points, shape: tuple[int, ...], axis: int) -> float:
    """Distance in the unit box of neighbours along an axis."""
    along = points.coords_BNX[0, :, axis].view(shape).movedim(axis, 0).reshape(shape[axis], -1)[:, 0]
    return float(along[1] - along[0])
