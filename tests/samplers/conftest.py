"""Points to draw from, and the estimates that draws give."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from upt_core import Points, Progress, Queries, Sampler

MakePoints = Callable[..., Points]
Estimate = Callable[..., Tensor]


@pytest.fixture
def grid() -> MakePoints:
    """``grid(8, 8, batch=2)``: a grid; further keywords go to Points."""

    def make(*shape: int, batch: int = 1, **keywords: object) -> Points:
        axes = [(torch.arange(n) + 0.5) / n for n in shape]
        coords = torch.stack([axis.flatten() for axis in torch.meshgrid(*axes, indexing="ij")], dim=-1)
        coords_BNX = coords.expand(batch, math.prod(shape), len(shape))
        keywords.setdefault("sample_id_B", torch.arange(batch))
        return Points(coords_BNX, grid_shape=shape, **keywords)  # type: ignore[arg-type]

    return make


@pytest.fixture
def scattered() -> MakePoints:
    """``scattered(100, batch=2)``: random points of the unit square, shared by the rows, with their order."""

    def make(num_points: int, batch: int = 1, num_axes: int = 2, **keywords: object) -> Points:
        coords = torch.rand(1, num_points, num_axes, generator=torch.Generator().manual_seed(num_points))
        keywords.setdefault("sample_id_B", torch.arange(batch))
        return Points(coords.expand(batch, -1, -1), **keywords)  # type: ignore[arg-type]

    return make


@pytest.fixture
def padded() -> MakePoints:
    """``padded(5, 3)``: rows of 5 and of 3 random points."""

    def make(*lengths: int) -> Points:
        rng = torch.Generator().manual_seed(sum(lengths))
        coords = torch.rand(len(lengths), max(lengths), 2, generator=rng)
        return Points(coords, lengths=lengths, sample_id_B=torch.arange(len(lengths)))

    return make


@pytest.fixture
def estimates() -> Estimate:
    """``estimates(sampler, points, value_BN, count, draws)``: the batch mean that each of many draws gives."""

    def estimate(
        sampler: Sampler,
        points: Points,
        value_BN: Tensor,
        count: int,
        draws: int = 400,
        progress: Progress = Progress(epoch=5, num_epochs=10),  # noqa: B008 (immutable)
    ) -> Tensor:
        means = []
        for seed in range(draws):
            queries: Queries = sampler.draw(points, count, torch.Generator().manual_seed(seed), progress)
            means.append(queries.mean(queries.take(value_BN.unsqueeze(-1).contiguous()).squeeze(-1)))
        return torch.stack(means)

    return estimate
