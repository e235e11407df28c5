"""Data on which loss terms, model parts and metrics are tried: small grids, scattered points, padded rows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from upt_core.batch import Batch
from upt_core.points import Points
from upt_core.specs import DataSpec, FieldSpec, LatentSpec

BATCH = 3
GRIDS: dict[int, tuple[int, ...]] = {1: (16,), 2: (8, 8), 3: (4, 4, 4)}
LATTICES: dict[int, tuple[int, ...]] = {1: (8,), 2: (4, 2), 3: (2, 2, 4)}
"""Latent tokens along each axis, for parts whose tokens keep their place; patches of 1 to 4 points of ``GRIDS``."""
CONDITION = ("time_step", "viscosity")


@dataclass(frozen=True)
class Case:
    """Data of one kind.

    Args:
        what: how messages call it.
        data: what is known of it.
        num_points: N.
        lengths: real points of each row, where rows are padded.
    """

    what: str
    data: DataSpec
    num_points: int
    lengths: tuple[int, ...] | None = None

    def __str__(self) -> str:
        return self.what

    def points(self) -> Points:
        """The points of ``BATCH`` rows; those of a grid, and scattered ones without padding, are shared."""
        rows = 1 if self.lengths is None else BATCH
        coords = self._grid() if self.data.grid_shape else self._scattered(rows)
        return Points(
            coords.expand(BATCH, -1, -1),
            grid_shape=self.data.grid_shape,
            lengths=self.lengths,
            sample_id_B=torch.arange(BATCH),
            extent=self.data.extent,
            periodic=self.data.periodic,
        )

    def batch(self, horizon: int = 1, seed: int = 0) -> Batch:
        """Positive values of mean near 1. Later states are earlier ones with points exchanged: totals are conserved."""
        rng = torch.Generator().manual_seed(seed)
        first = torch.rand(BATCH, self.num_points, self.data.channels, generator=rng) + 0.5
        points = self.points()
        times = [first]
        for _ in range(horizon):
            times.append(self._exchanged(times[-1], points))
        targets = torch.stack([self.data.targets_of(value) for value in times], dim=1)
        steady = self.data.steady
        return Batch(
            input_BNC=self.data.inputs_of(first).contiguous(),
            target_BTNC=targets[:, :1] if steady else targets[:, 1:],
            points=points,
            condition_BTP=self._conditions(1 if steady else horizon, rng),
            reference_BNC=None if steady else targets[:, 0],
        )

    def _conditions(self, steps: int, rng: torch.Generator) -> Tensor | None:
        names = self.data.condition
        return torch.rand(BATCH, steps, len(names), generator=rng) if names else None

    def _grid(self) -> Tensor:
        assert self.data.grid_shape is not None
        axes = [
            torch.arange(num) / num if wraps else torch.linspace(0, 1, num)
            for num, wraps in zip(self.data.grid_shape, self.data.periodic, strict=True)
        ]
        return torch.stack([axis.flatten() for axis in torch.meshgrid(*axes, indexing="ij")], dim=-1).unsqueeze(0)

    def _scattered(self, rows: int) -> Tensor:
        """Random points, a few of them at the sides of the first axis.

        Those of padded rows fill half of the others, so that what looks at padding, which is 0, is seen to do so.
        """
        rng = torch.Generator().manual_seed(self.num_points)
        coords = torch.rand(rows, self.num_points, self.data.num_axes, generator=rng)
        coords[:, :2, 0] = torch.tensor([0.0, 1.0])
        if self.lengths is not None:
            coords[..., 1:] = 0.4 + coords[..., 1:] / 2
            for row, length in enumerate(self.lengths):
                coords[row, length:] = 0
        return coords

    def _exchanged(self, value: Tensor, points: Points) -> Tensor:
        lengths = points.lengths or (self.num_points,) * BATCH
        return torch.stack(
            [torch.cat([row[:n].roll(1, dims=0), row[n:]]) for row, n in zip(value, lengths, strict=True)]
        )


def latent_spec(num_axes: int, on_lattice: bool) -> LatentSpec:
    """The latent state that model parts are tried with: width 16, and 5 tokens or a lattice."""
    return LatentSpec.on_lattice(LATTICES[num_axes], 16) if on_lattice else LatentSpec(tokens=5, dim=16)


def grid(num_axes: int, condition: tuple[str, ...] = (), steady: bool = False) -> Case:
    """A grid, periodic along the first of several axes. Fields: scalar ``u`` and, from 2 axes on, ``velocity``."""
    shape = GRIDS[num_axes]
    periodic = tuple(axis == 0 and num_axes > 1 for axis in range(num_axes))
    data = _spec(num_axes, periodic, shape, condition, steady)
    what = f"{'a steady problem on ' if steady else ''}a grid of {' × '.join(map(str, shape))} points"
    return Case(what, data, math.prod(shape))


def scattered(num_axes: int, condition: tuple[str, ...] = (), padded: bool = False) -> Case:
    """Scattered points, in rows of one number or padded."""
    data = _spec(num_axes, (False,) * num_axes, None, condition, False)
    if padded:
        return Case(f"padded rows of 24, 17, 9 scattered points, axes: {num_axes}", data, 24, (24, 17, 9))
    return Case(f"24 scattered points, axes: {num_axes}", data, 24)


def _spec(
    num_axes: int, periodic: tuple[bool, ...], shape: tuple[int, ...] | None, condition: tuple[str, ...], steady: bool
) -> DataSpec:
    fields: tuple[FieldSpec, ...] = (FieldSpec("u"),)
    if num_axes > 1:
        fields += (FieldSpec("velocity", num_axes),)
    inputs = (FieldSpec("a"),) if steady else fields
    extent = tuple(1.0 + axis for axis in range(num_axes))
    return DataSpec(inputs, fields, extent, periodic, shape, condition, steady)
