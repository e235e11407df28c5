"""Small worlds to try loss terms on: a data set's description, a batch, and a model whose calls are counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from upt_core import (
    Approximator,
    Batch,
    DataSpec,
    Decoder,
    Encoder,
    FieldSpec,
    Points,
    Progress,
    Queries,
    Sampler,
    Step,
)
from upt_core.data.normalize import Normalization
from upt_core.model import Upt

TOKENS, WIDTH, TIMES = 3, 8, 3


class GridEncoder(Encoder):
    """Reads a whole grid at once."""

    needs_grid: ClassVar[bool] = True

    def __init__(self, data: DataSpec, num_points: int) -> None:
        super().__init__()
        self.linear = nn.Linear(num_points * data.input_channels, TOKENS * WIDTH)
        self.calls = 0

    def forward(self, input_BNC: Tensor, points: Points) -> Tensor:
        assert points.grid_shape is not None
        self.calls += 1
        return self.linear(input_BNC.flatten(1)).tanh().unflatten(1, (TOKENS, WIDTH))


class PointEncoder(Encoder):
    """Averages over any real points."""

    def __init__(self, data: DataSpec) -> None:
        super().__init__()
        self.linear = nn.Linear(data.input_channels + data.num_axes, TOKENS * WIDTH)
        self.calls = 0

    def forward(self, input_BNC: Tensor, points: Points) -> Tensor:
        self.calls += 1
        value = self.linear(torch.cat([input_BNC, points.coords_BNX], dim=-1)).tanh()
        if points.mask_BN is not None:
            value = value * points.mask_BN.unsqueeze(-1) * (points.num_points / points.length_B1.unsqueeze(-1))
        return value.mean(dim=1).unflatten(1, (TOKENS, WIDTH))


class Mover(Approximator):
    """Adds a linear change."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(WIDTH, WIDTH)
        self.calls = 0

    def forward(self, latent_BLD: Tensor, condition_BP: Tensor | None) -> Tensor:
        self.calls += 1
        return latent_BLD + self.linear(latent_BLD).tanh()


class AttentionDecoder(Decoder):
    """Cross-attention through torch's fused kernel, as the real decoder's."""

    def __init__(self, data: DataSpec) -> None:
        super().__init__()
        self.embed = nn.Linear(data.num_axes, WIDTH)
        self.key, self.value = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.head = nn.Linear(WIDTH, data.channels)
        self.calls = 0

    def forward(self, latent_BLD: Tensor, coords_BQX: Tensor) -> Tensor:
        self.calls += 1
        query_BQD = (4 * self.embed(coords_BQX)).sin()
        seen = nn.functional.scaled_dot_product_attention(
            4 * query_BQD.unsqueeze(1), self.key(latent_BLD).unsqueeze(1), self.value(latent_BLD).unsqueeze(1)
        )
        return self.head(torch.sin(query_BQD + 3 * seen.squeeze(1)))


class Uniform(Sampler):
    """``num`` points of each row without replacement; of rows that have fewer, all."""

    def __init__(self, num: int = 9) -> None:
        self.num = num

    def count(self, num_points: int, progress: Progress) -> int:
        return self.num

    def draw(self, points: Points, count: int, rng: torch.Generator, progress: Progress) -> Queries:
        key_BN = torch.rand(points.batch_size, points.num_points, generator=rng)
        if points.mask_BN is None:
            return Queries(key_BN.argsort(dim=1)[:, :count])
        index_BQ = key_BN.where(points.mask_BN, 2.0).argsort(dim=1)[:, :count]
        real_BQ = points.mask_BN.gather(1, index_BQ)
        index_BQ, real_BQ = index_BQ.flip(1), real_BQ.flip(1)  # padding first: the term must not rely on its place
        return Queries(index_BQ, real_BQ * (count / real_BQ.sum(dim=1, keepdim=True)))


@dataclass
class World:
    """One data set, one batch of it, one model."""

    data: DataSpec
    batch: Batch
    model: Upt
    normalization: Normalization

    def step(self, sampler: Sampler | None = None, number: int = 0) -> Step:
        step = Step(self.model, self.batch, self.data, Progress(step=number), 0, self.normalization)
        return step.using(sampler, "sampler" if sampler is not None else "all")

    @property
    def calls(self) -> tuple[int, int, int]:
        """Calls of encoder, approximator and decoder so far."""
        return self.model.encoder.calls, self.model.approximator.calls, self.model.decoder.calls

    def reached(self, loss: Tensor) -> set[str]:
        """The parts whose every parameter but biases gets a gradient that is not zero."""
        self.model.zero_grad()
        loss.backward()
        return {
            name
            for name, part in self.model.named_children()
            if all(p.grad is not None and p.grad.any() for p in part.parameters() if p.dim() > 1)
        }


U, V, RHO, A = FieldSpec("u"), FieldSpec("velocity", 2), FieldSpec("rho"), FieldSpec("a")
SPECS = {
    "line": DataSpec((U,), (U,), (2.0,), (True,), (12,)),
    "plane": DataSpec((V, RHO), (V, RHO), (2.0, 0.5), (False, True), (6, 5)),
    "box": DataSpec((U,), (U,), (1.0, 1.0, 1.0), (False, False, True), (3, 4, 5)),
    "points": DataSpec((V, RHO), (V, RHO), (2.0, 0.5), (False, False)),
    "padded": DataSpec((V, RHO), (V, RHO), (2.0, 0.5), (False, False)),
    "darcy": DataSpec((A,), (U,), (1.0, 1.0), (False, False), (5, 4), steady=True),
    "forced": DataSpec((A, U), (U,), (1.0,), (False,), (8,)),
    "forced_points": DataSpec((A, U), (U,), (1.0,), (False,)),
}
LENGTHS = {"padded": (20, 6, 13)}


def grid_coords(shape: tuple[int, ...], periodic: tuple[bool, ...]) -> Tensor:
    axes = [torch.arange(n) / (n if wraps else n - 1) for n, wraps in zip(shape, periodic, strict=True)]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).flatten(0, -2)


def build(name: str) -> World:
    torch.manual_seed(0)
    data, rows = SPECS[name], 3
    if data.grid_shape is not None:
        coords_BNX = grid_coords(data.grid_shape, data.periodic).expand(rows, -1, -1)
    else:
        coords_BNX = torch.rand(rows, 20, data.num_axes)
        coords_BNX[:, :4, 0] = 0.0  # some points on a side
    num = coords_BNX.shape[1]
    points = Points(coords_BNX, data.grid_shape, LENGTHS.get(name), extent=data.extent, periodic=data.periodic)
    reference_BNC = None if data.steady else torch.randn(rows, num, data.target_channels)
    batch = Batch(
        torch.randn(rows, num, data.input_channels),
        torch.randn(rows, 1 if data.steady else TIMES, num, data.target_channels),
        points,
        reference_BNC=reference_BNC,
    )
    encoder = PointEncoder(data) if data.grid_shape is None else GridEncoder(data, num)
    mean_C, std_C = torch.linspace(0.1, 0.2, data.channels), torch.linspace(2, 3, data.channels)
    normalization = Normalization(data, mean_C, std_C, torch.zeros(0), torch.ones(0))
    return World(data, batch, Upt(encoder, Mover(), AttentionDecoder(data)), normalization)


@pytest.fixture
def world() -> Callable[[str], World]:
    """Builds a world by its name in ``SPECS``."""
    return build


@pytest.fixture
def uniform() -> type[Uniform]:
    """A plain sampler."""
    return Uniform


@pytest.fixture
def unbiased() -> Callable[..., None]:
    """Asserts that a term's mean over draws is its dense value.

    The mean of 400 draws is nearly normal; a bound of 5 standard errors raises a false alarm once in 1.7 million.
    """

    def check(term: Callable[[Step], Tensor], small: World, sampler: Sampler, draws: int = 400) -> None:
        dense = term(small.step()).item()
        values = torch.tensor([term(small.step(sampler, number)).item() for number in range(draws)]).double()
        assert values.std() > 0
        assert abs(values.mean() - dense) < 5 * values.std() / draws**0.5

    return check
