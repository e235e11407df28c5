"""A point of measure 2 counts as the same point twice: the same mean over space, said in two ways."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor

from upt_core.batch import Batch
from upt_core.testing.alone import POINT_AXIS


def with_measure(batch: Batch) -> tuple[Batch, Batch]:
    """The batch, whose rows share scattered points, with measures 1 to 3; and with each point as often instead."""
    points = batch.points
    times_N = 1 + torch.arange(points.num_points) % 3
    index_M = torch.arange(points.num_points).repeat_interleave(times_N)
    parts: dict[str, Any] = {}
    for field in fields(batch):
        value = getattr(batch, field.name)
        if isinstance(value, Tensor) and field.name in POINT_AXIS:
            parts[field.name] = value.index_select(POINT_AXIS[field.name], index_M)
    repeated = replace(points, coords_BNX=points.coords_BNX[:, index_M])
    measured = replace(points, measure_BN=times_N.float().expand(points.batch_size, -1))
    return replace(batch, points=measured), replace(batch, points=repeated, **parts)
