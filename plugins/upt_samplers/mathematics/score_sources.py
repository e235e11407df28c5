"""Where importance scores come from: for each metric, squared scores at all points, from one pass over the data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor

from upt_core import DataError, Points, Probe

Metric = Literal["error", "gradient", "loss_gradient", "target_gradient", "variance"]

RUN = 16
"""Scattered points: the slope of the target is fitted to runs of this many points of the locality order."""

_RIDGE = 1e-6


def squared_scores(metric: Metric, probe: Probe, directions: int) -> Iterator[tuple[Points, Tensor]]:
    """(points, square_BN) of all training samples; padded points hold 0."""
    if metric == "variance":
        yield target_variance(probe)
        return
    for points, square_BN in _per_sample(metric, probe, directions):
        yield points, square_BN if points.mask_BN is None else torch.where(points.mask_BN, square_BN, 0.0)


def target_slope(points: Points, target_BNC: Tensor) -> Tensor:
    """Squared Frobenius norm of the gradient of the target fields, (B, N), in physical length if it is known.

    On grids by central differences (one-sided at the edges of axes that are not periodic); at scattered points by a
    least-squares plane through each run of ``RUN`` neighbours on the locality order, one slope for the run.
    """
    if points.grid_shape is not None and points.lengths is None:
        return _grid_slope(points, target_BNC)
    return _scattered_slope(points, target_BNC)


def target_variance(probe: Probe) -> tuple[Points, Tensor]:
    """Variance of the target fields over samples at each point, (1, N), summed over channels.

    Raises:
        DataError: samples do not share their points, so there is nothing to compare.
    """
    first: Points | None = None
    count, mean_NC, spread_NC = 0, torch.zeros(()), torch.zeros(())
    for points, target_BNC in probe.targets():
        if first is None:
            first = points
        _require_shared(first, points)
        for target_NC in target_BNC.double():  # Welford's update: no cancellation at small variance
            count += 1
            delta_NC = target_NC - mean_NC.to(target_NC)
            mean_NC = mean_NC.to(target_NC) + delta_NC / count
            spread_NC = spread_NC.to(target_NC) + delta_NC * (target_NC - mean_NC)
    if first is None:
        raise DataError("importance: metric 'variance' found no training samples")
    return first, (spread_NC / count).sum(-1, keepdim=True).T


def _per_sample(metric: Metric, probe: Probe, directions: int) -> Iterator[tuple[Points, Tensor]]:
    if metric == "error":
        yield from probe.errors()
    elif metric == "target_gradient":
        for points, target_BNC in probe.targets():
            yield points, target_slope(points, target_BNC)
    else:
        yield from probe.loss_gradients(directions)


def _require_shared(first: Points, points: Points) -> None:
    same_grid = points.grid_shape is not None and points.grid_shape == first.grid_shape
    same_size = points.lengths is None and points.num_points == first.num_points
    if not (same_grid or (same_size and points.shared and torch.equal(points.coords_BNX[0], first.coords_BNX[0]))):
        raise DataError(
            "importance: metric 'variance' compares samples point by point, but the samples of this data set do not "
            "share their points; choose metric 'error', 'gradient' or 'target_gradient'"
        )


def _grid_slope(points: Points, target_BNC: Tensor) -> Tensor:
    assert points.grid_shape is not None
    batch, num_points, channels = target_BNC.shape
    field = target_BNC.float().reshape(batch, *points.grid_shape, channels)
    square = torch.zeros_like(field)
    for axis, length in enumerate(points.grid_shape):
        if length > 1:
            spacing = (points.extent[axis] if points.extent else 1.0) / length
            periodic = bool(points.periodic) and points.periodic[axis]
            square += (_difference(field, axis + 1, periodic) / spacing).square()
    return square.sum(-1).reshape(batch, num_points)


def _difference(field: Tensor, dim: int, periodic: bool) -> Tensor:
    """Change of the field from one grid point to the next along an axis."""
    if periodic:
        return (field.roll(-1, dim) - field.roll(1, dim)) / 2
    return torch.gradient(field, dim=dim)[0]


def _scattered_slope(points: Points, target_BNC: Tensor) -> Tensor:
    order_BN = points.locality_order_BN
    num_points = order_BN.shape[1]
    filled_BN = torch.cat([order_BN, order_BN[:, -1:].expand(-1, -num_points % RUN)], dim=1)

    def runs(value_BNC: Tensor) -> Tensor:
        taken = value_BNC.double().gather(1, filled_BN.unsqueeze(-1).expand(-1, -1, value_BNC.shape[-1]))
        run = taken.reshape(len(taken), -1, RUN, value_BNC.shape[-1])
        return run - run.mean(2, keepdim=True)

    length = torch.tensor(points.extent or (1.0,) * points.num_axes, dtype=torch.float64, device=points.device)
    place, target = runs(points.coords_BNX * length), runs(target_BNC)
    normal = place.mT @ place
    scale = normal.diagonal(dim1=-2, dim2=-1).sum(-1).clamp_min(torch.finfo(torch.float64).tiny)
    ridge = _RIDGE * scale[..., None, None] * torch.eye(points.num_axes, dtype=torch.float64, device=points.device)
    slope = torch.linalg.solve(normal + ridge, place.mT @ target)
    square = slope.square().sum((-1, -2)).repeat_interleave(RUN, dim=1)[:, :num_points]
    return torch.empty_like(square).scatter_(1, order_BN, square).float()
