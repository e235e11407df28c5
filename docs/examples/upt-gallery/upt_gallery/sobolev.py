"""The Sobolev loss: the error, and the error of its slopes."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from upt_core import DataSpec, LossTerm, Step


class Sobolev(LossTerm):
    """Mean squared error of the prediction plus ``slopes`` times that of its slopes, on a grid.

    Slopes are differences of neighbours in the unit box, so a field must be right, and so must its fronts be: they are
    steep there, and a mean squared error hardly sees where they stand. Along a periodic axis the last point has the
    first as its neighbour.

    All points are decoded, for a slope needs the neighbours; the term takes no sampler.

    Args:
        slopes: weight of the slopes' part; 0.0001 to 0.1, more where fields are smooth.

    Source: Czarnecki et al., Sobolev training for neural networks, NeurIPS 2017.
    """

    pointwise = False

    def __init__(self, slopes: Annotated[float, Field(ge=0)] = 0.01) -> None:
        self.slopes = slopes

    def check_data(self, data: DataSpec) -> None:
        """Refuses scattered points, which have no neighbours along axes."""
        if data.grid_shape is None:
            raise ValueError("sobolev needs a regular grid; this data set has scattered points")

    def __call__(self, step: Step) -> Tensor:
        """The mean over points, channels and batch."""
        queries, shape = step.all_queries(), step.points.grid_shape
        if shape is None:
            raise ValueError("sobolev needs a regular grid; these points are scattered")
        error_BNC = step.predicted(1, queries) - step.target(1, queries)
        value = error_BNC.square().mean()
        error = error_BNC.unflatten(1, shape)
        for axis, (size, wraps) in enumerate(zip(shape, step.data.periodic, strict=True), start=1):
            if size > 1:
                value = value + self.slopes * slope_of(error, axis, wraps).square().mean()
        return value


def slope_of(value: Tensor, axis: int, wraps: bool) -> Tensor:
    """Differences of neighbours over their distance in the unit box, where the axis has ``size`` spacings."""
    size = value.shape[axis]
    if wraps:
        return (value.roll(-1, axis) - value) * size
    return torch.diff(value, dim=axis) * (size - 1)
