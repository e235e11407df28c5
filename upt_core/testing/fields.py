"""Fields whose mean a biased sampler gets wrong: eighths, sides, corners, ramps, checkerboards, random sets."""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor

_RANDOM_SETS = 3
_EIGHTHS = 8


def adversarial_fields(coords_NX: Tensor) -> dict[str, Tensor]:
    """Name → values (N,) in [0, 1], from coordinates in [0, 1]. None is 0 everywhere."""
    num_points = len(coords_NX)
    number = torch.arange(num_points)
    rng = torch.Generator().manual_seed(num_points)
    fields: dict[str, Tensor] = {
        "constant": torch.ones(num_points),
        "ramp over the points' numbers": number / max(1, num_points - 1),
        "product of the coordinates": coords_NX.prod(dim=1),
        "odd points": number % 2,
    }
    fields |= {f"eighth {k}": number * _EIGHTHS // num_points == k for k in range(_EIGHTHS)}
    fields |= _of_axes(coords_NX)
    fields |= {f"random set {k}": torch.rand(num_points, generator=rng) < 0.5 for k in range(_RANDOM_SETS)}
    return {name: value.double() for name, value in fields.items() if bool(value.any())}


def _of_axes(coords_NX: Tensor) -> dict[str, Tensor]:
    """Ramps, eighths and sides along each axis, corners, and a checkerboard."""
    fields: dict[str, Tensor] = {}
    for axis, place in enumerate(coords_NX.unbind(1)):
        fields[f"ramp along axis {axis}"] = place
        fields[f"low side of axis {axis}"] = place == 0
        fields[f"high side of axis {axis}"] = place == 1
        if coords_NX.shape[1] > 1:
            part = (place * _EIGHTHS).long().clamp_max(_EIGHTHS - 1)
            fields |= {f"eighth {k} of axis {axis}": part == k for k in range(_EIGHTHS)}
    for far in product((False, True), repeat=coords_NX.shape[1]):
        here = torch.where(torch.tensor(far), coords_NX > 0.66, coords_NX < 0.34).all(dim=1)
        fields[f"corner {''.join(str(int(side)) for side in far)}"] = here
    if coords_NX.shape[1] > 1:
        steps = torch.stack([torch.unique(column, return_inverse=True)[1] for column in coords_NX.unbind(1)]).sum(0)
        fields["checkerboard"] = steps % 2
    return fields
