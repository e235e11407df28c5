"""Error by wavenumber: a Fourier transform over space of prediction minus truth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from upt_core import DataSpec, LossTerm, Step


class Spectral(LossTerm):
    """Squared error of the prediction by wavenumber, over space, on the whole grid.

    The error e is transformed over all axes; the value is Σ_k w(k) |ê(k)|², averaged over batch and channels, with
    ê scaled so that w = 1 everywhere gives exactly the mean squared error (Parseval). k counts waves in the domain;
    its length is √(k₁² + k₂² + …). Weights: w(k) = (1 + |k|²)^``sobolev`` for ``low`` ≤ |k| ≤ ``high``, else 0.

    Along an axis that is not periodic a plain transform would see a jump from the last point to the first and spread it
    over all wavenumbers. So the error is continued by its mirror image, which has no jump (a cosine transform); such an
    axis has half wavenumbers too.

    Needs a regular grid and decodes all its points; it takes no sampler.

    Args:
        low: smallest |k| that counts. 0 includes the mean; 1 excludes only the mean.
        high: largest |k| that counts; none: all.
        sobolev: exponent s of (1 + |k|²)^s. 0 weighs all wavenumbers equally, 1 is an H1 loss, negative values prefer
            large structures. Good values: −1 to 1.
    """

    pointwise = False

    def __init__(
        self,
        low: Annotated[float, Field(ge=0)] = 0.0,
        high: Annotated[float, Field(gt=0)] | None = None,
        sobolev: float = 0.0,
    ) -> None:
        if high is not None and high < low:
            raise ValueError(f"high is {high}, below low {low}, so no wavenumber is left; exchange them")
        self.low = low
        self.high = math.inf if high is None else high
        self.sobolev = sobolev

    def check_data(self, data: DataSpec) -> None:
        """Refuses scattered points, and a band that the grid does not resolve."""
        if data.grid_of_targets is None:
            raise ValueError("spectral needs a regular grid; this data set has scattered points")
        highest = math.hypot(*(num / 2 for num in data.grid_of_targets))
        if self.low > highest:
            shape = "×".join(map(str, data.grid_of_targets))
            raise ValueError(f"low is {self.low}, but a grid of {shape} points has no wavenumber above {highest:.4g}")

    def __call__(self, step: Step) -> Tensor:
        """The weighted sum over wavenumbers."""
        queries, shape = step.all_queries(), step.points.grid_shape
        if shape is None:
            raise ValueError("spectral needs a regular grid; these points are scattered")
        error_BNC = step.predicted(1, queries) - step.target(1, queries)
        batch, _, channels = error_BNC.shape
        error = mirrored(error_BNC.view(batch, *shape, channels), step.data.periodic)
        axes = list(range(1, 1 + len(shape)))
        power: Tensor = torch.fft.rfftn(error, dim=axes, norm="forward").abs().square()
        weight = self._weight(error.shape[1:-1], step.data.periodic, error.device)
        return (power * weight.unsqueeze(-1)).sum(dim=axes).mean()

    def _weight(self, shape: Sequence[int], periodic: Sequence[bool], device: torch.device) -> Tensor:
        """w(k) of every wavenumber that ``rfftn`` keeps; those whose conjugate it leaves out count twice."""
        squared = torch.zeros((), device=device)
        for axis, num in enumerate(shape):
            last = axis == len(shape) - 1
            frequencies = torch.fft.rfftfreq if last else torch.fft.fftfreq
            wavenumber = frequencies(num, d=1 / num if periodic[axis] else 2 / num, device=device)
            squared = squared.unsqueeze(-1) + wavenumber.square()
        length = squared.sqrt()
        weight = (1 + squared) ** self.sobolev * (length >= self.low - 1e-6) * (length <= self.high + 1e-6)
        return weight * _times_stored(shape[-1], device)


def mirrored(value: Tensor, periodic: Sequence[bool]) -> Tensor:
    """A value (B, *grid, C), continued by its mirror image along every axis that is not periodic."""
    for axis, wraps in enumerate(periodic, start=1):
        if not wraps:
            value = torch.cat([value, value.flip(axis)], dim=axis)
    return value


def _times_stored(num: int, device: torch.device) -> Tensor:
    """How many wavenumbers of a full transform each entry of a real transform stands for: 1 or 2."""
    entry = torch.arange(num // 2 + 1, device=device)
    return torch.where((entry == 0) | (2 * entry == num), 1.0, 2.0)
