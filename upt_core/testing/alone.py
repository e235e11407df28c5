"""A sample of a padded batch by itself: what it is worth must not depend on padding, nor on the rest of the batch."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from torch import Tensor

from upt_core.batch import Batch

POINT_AXIS = {"input_BNC": 1, "target_BTNC": 2, "reference_BNC": 1, "given_BTNC": 2}
"""The axis of the points in the tensors of a batch."""


def alone(batch: Batch, row: int, padded: bool = False) -> Batch:
    """One sample as a batch of its own, at its real points; ``padded``: still as wide as the batch."""
    points = batch.points
    length = points.num_points if points.lengths is None else points.lengths[row]
    kept = points.num_points if padded else length
    parts: dict[str, Any] = {}
    for field in fields(batch):
        value = getattr(batch, field.name)
        if isinstance(value, Tensor):
            own = value[row : row + 1]
            axis = POINT_AXIS.get(field.name)
            parts[field.name] = own if axis is None else own.narrow(axis, 0, kept)
    one = points.row(row)
    if padded:
        coords_BNX = points.coords_BNX[row : row + 1]
        measure_BN = None if points.measure_BN is None else points.measure_BN[row : row + 1]
        one = replace(one, coords_BNX=coords_BNX, lengths=(length,), measure_BN=measure_BN)
    return replace(batch, points=one, **parts)
