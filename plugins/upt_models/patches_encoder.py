"""Encoder for regular grids whose tokens keep their place: a linear map of overlapping patches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, conv2d, conv3d

from upt_core import DataSpec, Encoder, LatentSpec, Points
from upt_models.checks import check_channels
from upt_models.lattice import lattice_of, padded
from upt_models.resample import SAME, axis_coords, placed_as, resampled, same_margins, same_points

WHAT = "encoder 'patches'"
CONVOLVE = {1: conv1d, 2: conv2d, 3: conv3d}


class PatchesEncoder(Encoder):
    """Each token of the lattice is a linear map of its patch and the patches around it: (B, N, C) → (B, L, D).

    A patch has as many points along an axis as the grid has points for a token; a token sees three patches along each
    axis, so neighbours overlap by two thirds. Periodic axes wrap around; on open axes the last value is continued.
    There are no blocks and no norm: tokens hold amplitudes, and everything nonlinear is left to the approximator. On an
    open axis (points from end to end) the points may lie differently around each token, so the map also depends,
    quadratically, on the distance of the patch's centre from the token's place.

    A grid of another resolution than in training, or at another position in the box, is first mapped to the training
    grid: exactly if it has the points of the training grid, otherwise by cubic interpolation. So a trained operator can
    be evaluated at other resolutions. Structures finer than the training grid are lost.

    Good with a linear decoder (``basis``), for 2 to 8 points of a patch along each axis. Needs ``latent.tokens`` as a
    list, with numbers that divide the grid's.
    """

    needs_grid: ClassVar[bool] = True
    resamples: ClassVar[bool] = True

    def __init__(self, data: DataSpec, latent: LatentSpec) -> None:
        super().__init__()
        self.lattice = lattice_of(WHAT, data, latent)
        if data.grid_shape is None:
            raise ValueError(
                f"the {WHAT} needs fields on a regular grid, but this data set has scattered points (a grid that "
                f"is uneven or has holes counts as such); use the encoder 'lattice'"
            )
        self.grid_shape, self.periodic, self.input_channels = data.grid_shape, data.periodic, data.input_channels
        self.margins = data.margins
        self.patch = _patch(data.grid_shape, self.lattice)
        self.powers = 1 + 2 * sum(not wraps for wraps in data.periodic)
        seen = data.input_channels * math.prod(3 * size for size in self.patch)
        self.weight = nn.Parameter(torch.zeros(self.powers * latent.dim, seen))
        self.bias = nn.Parameter(torch.zeros(latent.dim))
        nn.init.uniform_(self.weight[: latent.dim], -(seen**-0.5), seen**-0.5)

    def check_grid(self, shape: Sequence[int]) -> None:
        """Takes every grid: another one is resampled to its own."""

    def forward(self, input_BNC: Tensor, points: Points) -> Tensor:
        """latent_BLD of the input fields.

        Raises:
            ValueError: the points are no grid, or have another number of axes, or the channels are others.
        """
        if points.grid_shape is None:
            raise ValueError(
                f"the {WHAT} was given scattered points; it needs the whole grid; remove the sampler of its input"
            )
        check_channels(WHAT, self.input_channels, input_BNC.shape[-1])
        coords = axis_coords(points)
        field_BVC = input_BNC.reshape(input_BNC.shape[0], *points.grid_shape, -1)
        if points.grid_shape != self.grid_shape or self._lies_elsewhere(coords):
            coords, found = self._own_grid(coords), coords
            field_BVC = resampled(field_BVC, found, coords, self.periodic)
        offsets = self._offsets(coords)
        parts_BVD = self._convolved(field_BVC, self.weight if offsets else self.weight[: len(self.bias)])
        parts_BVPD = parts_BVD.reshape(*parts_BVD.shape[:-1], -1, len(self.bias))
        token_BVD = parts_BVPD[..., 0, :] + self.bias
        if offsets:
            power_BVP = torch.stack([power for offset in offsets for power in (offset, offset.square())], dim=-1)
            token_BVD = token_BVD + (parts_BVPD[..., 1:, :] * power_BVP.unsqueeze(-1)).sum(dim=-2)
        latent_BLD: Tensor = token_BVD.flatten(1, -2)
        return latent_BLD

    def _lies_elsewhere(self, coords: Sequence[Tensor]) -> bool:
        """Whether a grid of the training grid's shape has another place in the box.

        Not looked at in training, whose grid it is, and would have to wait for a device; nor while a program is traced.
        """
        if self.training or self.margins is None or torch.compiler.is_compiling():
            return False
        return not all(map(same_points, coords, self._own_grid(coords)))

    def _own_grid(self, coords: Sequence[Tensor]) -> list[Tensor]:
        """Coordinates of the training grid; where its place in the box is not known, it lies as the grid at hand."""
        if self.margins is None:
            return same_margins(coords, self.grid_shape)
        return placed_as(coords, self.grid_shape, self.margins)

    def _convolved(self, field_BVC: Tensor, weight: Tensor) -> Tensor:
        """The map of each token's three patches along every axis, without bias."""
        for axis, (size, wraps) in enumerate(zip(self.patch, self.periodic, strict=True), start=1):
            field_BVC = padded(field_BVC, axis, size, wraps)
        kernel = weight.view(len(weight), self.input_channels, *(3 * size for size in self.patch))
        return CONVOLVE[len(self.patch)](field_BVC.movedim(-1, 1), kernel, stride=self.patch).movedim(1, -1)

    def _offsets(self, coords: Sequence[Tensor]) -> list[Tensor]:
        """For each open axis, how far each token's patch lies off its place, in grid steps: tensors (V…).

        None where all lie in place; on other devices than the CPU that is not looked at, as it would wait for them, nor
        while a program is traced.
        """
        offsets = []
        for axis, wraps in enumerate(self.periodic):
            if not wraps:
                tokens, size = self.lattice[axis], self.patch[axis]
                place = torch.arange(tokens, device=coords[axis].device) + 0.5
                offset = (coords[axis].view(tokens, size).mean(dim=1) * tokens - place) * size
                shape = [1] * len(self.lattice)
                shape[axis] = tokens
                offsets.append(offset.view(shape).expand(self.lattice))
        if torch.compiler.is_exporting():
            return offsets
        in_place = all(offset.is_cpu and offset.abs().max() < SAME for offset in offsets)
        return [] if in_place else offsets


def _patch(grid_shape: Sequence[int], lattice: Sequence[int]) -> tuple[int, ...]:
    """Points of a patch along each axis.

    Raises:
        ValueError: tokens do not divide the points of an axis.
    """
    for axis, (points, tokens) in enumerate(zip(grid_shape, lattice, strict=True)):
        if points % tokens:
            choices = ", ".join(str(number) for number in range(1, points + 1) if points % number == 0)
            raise ValueError(
                f"the {WHAT} cuts the grid into a patch for each token, but axis {axis} of the grid {list(grid_shape)} "
                f"has {points} points and the lattice {list(lattice)} has {tokens} tokens there; write one of {choices}"
            )
    return tuple(points // tokens for points, tokens in zip(grid_shape, lattice, strict=True))
