"""Latent tokens on a lattice: tokens that keep their place, row-major, as an array with an axis for each coordinate.

Token j of n along an axis stands at (j + 1/2) / n of the unit box. Letters: V axes of tokens, as many as coordinates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv3d, linear

from upt_core import DataSpec, LatentSpec


def lattice_of(what: str, data: DataSpec, latent: LatentSpec) -> tuple[int, ...]:
    """Tokens along each axis.

    Raises:
        ValueError: the latent tokens have no place, or as many axes as the data have not.
    """
    count, axes = latent.tokens, data.num_axes
    side = max(round(count ** (1 / axes)), 1)
    example = f"write the tokens of each axis, for example latent: {{tokens: {[side] * axes}, dim: {latent.dim}}}"
    if latent.lattice is None:
        raise ValueError(
            f"the {what} needs latent tokens that keep their place, but latent.tokens is {count}; {example}"
        )
    if len(latent.lattice) != axes:
        raise ValueError(
            f"the {what} was given latent tokens on a lattice of {list(latent.lattice)}, with {len(latent.lattice)} "
            f"axes, but the data have {axes}; {example}"
        )
    return latent.lattice


def padded(value: Tensor, axis: int, size: int, periodic: bool) -> Tensor:
    """More entries at both ends of an axis: those of the other end where it wraps around, else the last one again."""
    length = value.shape[axis]
    if periodic:
        before, after = value.narrow(axis, length - size, size), value.narrow(axis, 0, size)
    else:
        shape = [*value.shape]
        shape[axis] = size
        before, after = value.narrow(axis, 0, 1).expand(shape), value.narrow(axis, length - 1, 1).expand(shape)
    return torch.cat([before, value, after], dim=axis)


class NeighbourMixing(nn.Module):
    """A linear map of each token and its neighbours along every axis: (B, V…, D) → (B, V…, E).

    The weights are one matrix (E, D · 3^X), as optimizers that work on matrices want them.

    Args:
        width: D.
        out: E.
        periodic: for each axis, whether it wraps around; else the token at the end is its own neighbour.
    """

    def __init__(self, width: int, out: int, periodic: Sequence[bool]) -> None:
        super().__init__()
        self.periodic = tuple(periodic)
        self.weight = nn.Parameter(torch.empty(out, width * 3 ** len(self.periodic)))
        self.bias = nn.Parameter(torch.zeros(out))
        nn.init.uniform_(self.weight, -1, 1)
        with torch.no_grad():
            self.weight.div_(math.sqrt(self.weight.shape[1]))

    def forward(self, x_BVD: Tensor) -> Tensor:
        """The new tokens."""
        wide = x_BVD
        for axis, wraps in enumerate(self.periodic, start=1):
            wide = padded(wide, axis, 1, wraps)
        if len(self.periodic) == 1:  # three slices beside each other are faster than a convolution there
            length = x_BVD.shape[1]
            near = torch.cat([wide[:, shift : shift + length] for shift in range(3)], dim=-1)
            return linear(near, self.weight, self.bias)
        convolve = conv2d if len(self.periodic) == 2 else conv3d
        kernel = self.weight.view(len(self.weight), x_BVD.shape[-1], *[3] * len(self.periodic))
        return convolve(wide.movedim(-1, 1), kernel, self.bias).movedim(1, -1)
