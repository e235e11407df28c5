"""Fields whose mean a biased sampler gets wrong: ramps, corners, single points, checkerboards, random sets."""

from __future__ import annotations

import torch
from torch import Tensor

_RANDOM_SETS = 3


def adversarial_fields(coords_NX: Tensor) -> dict[str, Tensor]:
    """Name → values (N,) in [0, 1], from coordinates in [0, 1]."""
    num_points, num_axes = coords_NX.shape
    number = torch.arange(num_points)
    rng = torch.Generator().manual_seed(num_points)
    far = (coords_NX > 0.66).all(dim=1)
    fields = {
        "constant": torch.ones(num_points),
        "ramp over the points' numbers": number / max(1, num_points - 1),
        "product of the coordinates": coords_NX.prod(dim=1),
        "corner": far,
        "first point": number == 0,
        "last point": number == num_points - 1,
        "first eighth": number < max(1, num_points // 8),
        "last eighth": number >= num_points - max(1, num_points // 8),
        "spike": number == num_points * 5 // 8,
        "odd points": number % 2,
    }
    for axis in range(num_axes):
        fields[f"ramp along axis {axis}"] = coords_NX[:, axis]
    if num_axes > 1:
        steps = torch.stack([torch.unique(column, return_inverse=True)[1] for column in coords_NX.unbind(1)]).sum(0)
        fields["checkerboard"] = steps % 2
        fields["other corner"] = (coords_NX[:, 0] < 0.34) & (coords_NX[:, 1] > 0.66)
    for k in range(_RANDOM_SETS):
        fields[f"random set {k}"] = torch.rand(num_points, generator=rng) < 0.5
    return {name: value.double() for name, value in fields.items()}
