"""A sample of a padded batch by itself: what it is worth must not depend on padding, nor on the rest of the batch."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from torch import Tensor

from upt_core.batch import Batch
from upt_core.points import Points

POINT_AXIS = {"input_BNC": 1, "target_BTNC": 2, "reference_BNC": 1, "given_BTNC": 2, "later_BTNC": 2}
"""The axis of the points in the tensors of a batch."""
AT_INPUTS = ("input_BNC", "given_BTNC", "later_BTNC")
"""Those that are at the points of the inputs."""


def alone(batch: Batch, row: int, padded: bool = False) -> Batch:
    """One sample as a batch of its own, at its real points; ``padded``: still as wide as the batch."""
    parts: dict[str, Any] = {}
    for field in fields(batch):
        value = getattr(batch, field.name)
        if isinstance(value, Tensor):
            own = value[row : row + 1]
            axis = POINT_AXIS.get(field.name)
            points = batch.input_points if field.name in AT_INPUTS else batch.points
            kept = points.num_points if padded or points.lengths is None else points.lengths[row]
            parts[field.name] = own if axis is None else own.narrow(axis, 0, kept)
    inputs = None if batch.own_input_points is None else _row(batch.own_input_points, row, padded)
    return replace(batch, points=_row(batch.points, row, padded), own_input_points=inputs, **parts)


def _row(points: Points, row: int, padded: bool) -> Points:
    one = points.row(row)
    if not padded:
        return one
    coords_BNX = points.coords_BNX[row : row + 1]
    measure_BN = None if points.measure_BN is None else points.measure_BN[row : row + 1]
    lengths = (points.num_points if points.lengths is None else points.lengths[row],)
    return replace(one, coords_BNX=coords_BNX, lengths=lengths, measure_BN=measure_BN)
