"""What the tests of model parts share: small data specifications and points, in 1 to 3 dimensions."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from upt_core import DataSpec, FieldSpec, LatentSpec, Points

SpecMaker = Callable[..., DataSpec]
PointsMaker = Callable[..., Points]


@pytest.fixture(autouse=True)
def fixed_seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def latent() -> LatentSpec:
    return LatentSpec(tokens=6, dim=16)


@pytest.fixture
def make_spec() -> SpecMaker:
    """Two input channels, three channels in all, one conditioning value."""

    def make(
        grid_shape: tuple[int, ...] | None = (8, 8),
        periodic: tuple[bool, ...] | None = None,
        condition: tuple[str, ...] = ("time_step",),
        axes: int = 2,
    ) -> DataSpec:
        axes = axes if grid_shape is None else len(grid_shape)
        return DataSpec(
            inputs=(FieldSpec("velocity", 2),),
            targets=(FieldSpec("velocity", 2), FieldSpec("pressure")),
            extent=(1.0,) * axes,
            periodic=(False,) * axes if periodic is None else periodic,
            grid_shape=grid_shape,
            condition=condition,
        )

    return make


@pytest.fixture
def make_grid() -> PointsMaker:
    """A regular grid whose rows share their memory."""

    def make(shape: tuple[int, ...], batch: int = 2, periodic: tuple[bool, ...] | None = None) -> Points:
        axes = torch.meshgrid(*[torch.arange(n) / n for n in shape], indexing="ij")
        coords_NX = torch.stack(axes, dim=-1).view(math.prod(shape), len(shape))
        wraps = (False,) * len(shape) if periodic is None else periodic
        return Points(coords_NX.expand(batch, -1, -1), shape, extent=(1.0,) * len(shape), periodic=wraps)

    return make


@pytest.fixture
def make_scattered() -> PointsMaker:
    """Random points, other ones in each row."""

    def make(num_points: int, batch: int = 2, periodic: tuple[bool, ...] = (False, False)) -> Points:
        axes = len(periodic)
        return Points(torch.rand(batch, num_points, axes), extent=(1.0,) * axes, periodic=periodic)

    return make
