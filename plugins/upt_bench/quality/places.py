"""Places as further input channels, for networks that would not know where they are."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class Placed(nn.Module):
    """A network that is given places with its input.

    Args:
        network: (B, C + K, \\*grid) → (B, C, \\*grid), K as in ``num_places``.
        periodic: whether each axis is.
    """

    def __init__(self, network: nn.Module, periodic: tuple[bool, ...]) -> None:
        super().__init__()
        self.network = network
        self.periodic = periodic

    def forward(self, field: Tensor) -> Tensor:
        """(B, C, \\*grid) → (B, C, \\*grid)."""
        places = places_of(tuple(field.shape[2:]), self.periodic).to(field)
        answer: Tensor = self.network(torch.cat([field, places.expand(len(field), *places.shape)], dim=1))
        return answer


def num_places(periodic: tuple[bool, ...]) -> int:
    """Channels of ``places_of``."""
    return sum(2 if wraps else 1 for wraps in periodic)


def places_of(shape: tuple[int, ...], periodic: tuple[bool, ...]) -> Tensor:
    """Along a periodic axis the cosine and sine of one wave, along another −1 to 1: (K, \\*grid)."""
    found = []
    for axis, (points, wraps) in enumerate(zip(shape, periodic, strict=True)):
        along = [-1 if number == axis else 1 for number in range(len(shape))]
        found += [values.view(along).expand(shape) for values in _along(points, wraps)]
    return torch.stack(found)


def _along(points: int, wraps: bool) -> tuple[Tensor, ...]:
    angle = torch.arange(points) * (2 * math.pi / points)
    return (angle.cos(), angle.sin()) if wraps else (torch.linspace(-1, 1, points),)
