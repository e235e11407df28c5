"""Whether an axis wraps around, as far as values tell: those at its two ends fit together as neighbours do."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from upt_core import DataError, Dataset, DataSpec, Trajectories

LOOKED_AT = 8
"""So many trajectories are looked at, each at its first, middle and last time step."""
FEWEST = 4
"""Trajectories, of one axis; values at one end may be near those at the other by chance. Lines along an axis add up."""
SMOOTH = 0.2
"""Of rough fields, whose neighbours differ by more than this part of their variance, the ends say nothing."""
LIKE_NEIGHBOURS = (0.3, 3.0)
"""How the squared step over the ends compares with that between neighbours. At walls, symmetric centres and repeated
end points it is 0."""
ALIVE = 0.3
"""Least variance at the ends, over that everywhere: at walls there is little."""


def wraps(dataset: Dataset, settings: dict[str, Any]) -> dict[str, Any]:
    """``periodic`` for the axes of a grid whose ends fit together, where nothing is said of them."""
    if "periodic" in settings or "uneven" in settings:
        return {}
    try:
        spec = dataset.spec()
        if spec.grid_shape is None or any(spec.periodic) or min(spec.grid_shape) < 8:
            return {}
        found = _around(spec, list(_samples(dataset.trajectories("train"), spec)))
    except DataError:  # the settings do not fit yet, which is told where the data set is described
        return {}
    return {"periodic": found} if any(found) else {}


def _samples(trajectories: Trajectories, spec: DataSpec) -> Iterator[Tensor]:
    """Targets of some trajectories, (T, *grid, C), each channel with mean 0 and variance 1 over all of them."""
    shape = spec.grid_shape or ()
    for number in range(min(LOOKED_AT, len(trajectories))):
        times = trajectories.num_times(number)
        read = [trajectories.read(number, time, time + 1) for time in sorted({0, times // 2, times - 1})]
        frames = [torch.cat([one.all_values(field.name)[-1] for field in spec.targets], dim=-1) for one in read]
        value = torch.cat(frames).double()
        if value.shape[1:-1] == (math.prod(shape),):
            yield value.view(len(value), *shape, -1)


def _around(spec: DataSpec, samples: list[Tensor]) -> list[bool]:
    if not samples:
        return [False] * spec.num_axes
    value = torch.stack(samples) if len({one.shape for one in samples}) == 1 else samples[0].unsqueeze(0)
    over = tuple(range(value.dim() - 1))
    value = value - value.mean(over)
    value = value / value.square().mean(over).sqrt().clamp_min(torch.finfo(torch.float64).tiny)
    return [_fits(value.movedim(2 + axis, 0), len(samples)) for axis in range(spec.num_axes)]


def _fits(value: Tensor, trajectories: int) -> bool:
    """Whether both ends along the first axis are neighbours, in every channel (the last axis)."""
    if trajectories < FEWEST and value.dim() < 5:  # points, trajectories, times, channels: a single axis
        return False
    over = tuple(range(value.dim() - 1))
    step_C = value.diff(dim=0).square().mean(over)
    seam_C = (value[0] - value[-1]).square().mean(over[:-1])
    ends_C = (value[[0, -1]] - value[[0, -1]].mean(over)).square().mean(over)
    low, high = LIKE_NEIGHBOURS
    smooth_C = (step_C > 0) & (step_C < SMOOTH)
    fits_C = (seam_C > low * step_C) & (seam_C < high * step_C) & (ends_C > ALIVE)
    return bool((smooth_C & fits_C).all())
