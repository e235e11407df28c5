"""Points and feedback on which samplers are tried: awkward grids, scattered points, padded rows, made-up losses."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from upt_core.kinds import Sampler
from upt_core.points import LocalityOrder, Points
from upt_core.progress import Progress
from upt_core.testing.declared import Kind

_WITH_COORDINATES = 1 << 16


@dataclass(frozen=True)
class PointSet:
    """A set of points to draw from, by description.

    Args:
        shape: points along each axis of a grid, or (N,) together with ``scattered``.
        batch: rows.
        scattered: random points of the plane with a locality order.
        lengths: real points of each row, for padded rows; scattered.
    """

    shape: tuple[int, ...]
    batch: int = 2
    scattered: bool = False
    lengths: tuple[int, ...] | None = None

    @property
    def num_points(self) -> int:
        """N, padding included."""
        return math.prod(self.shape)

    @property
    def kind(self) -> Kind:
        """What kind of points these are."""
        if self.lengths is not None:
            return "padded"
        return "scattered" if self.scattered else "grid"

    def length(self, row: int) -> int:
        """Real points of a row."""
        return self.num_points if self.lengths is None else self.lengths[row]

    def __str__(self) -> str:
        if self.lengths is not None:
            return f"padded rows of {', '.join(map(str, dict.fromkeys(self.lengths)))} points"
        return (
            f"{self.num_points} scattered points" if self.scattered else f"a grid of {' × '.join(map(str, self.shape))}"
        )

    def points(self, device: torch.device) -> Points:
        """The points as a batch; scattered ones have a measure. Large grids cost no memory: their coordinates are 0."""
        batch = self.batch if self.lengths is None else len(self.lengths)
        sample_id_B = torch.arange(batch, device=device)
        if self.kind == "grid":
            small = self.num_points <= _WITH_COORDINATES
            coords = self.coordinates(0).float() if small else torch.zeros(1, len(self.shape))
            coords = coords.to(device).expand(batch, self.num_points, -1)
            return Points(coords, grid_shape=self.shape, sample_id_B=sample_id_B)
        rng = torch.Generator().manual_seed(self.num_points)
        rows = 1 if self.lengths is None else batch
        coords = self._scattered(rows).to(device).expand(batch, -1, -1)
        measure = torch.rand(rows, self.num_points, generator=rng).add(0.1).to(device).expand(batch, -1)
        return Points(coords, lengths=self.lengths, sample_id_B=sample_id_B, measure_BN=measure)

    def large(self, device: torch.device) -> Points:
        """As ``points``, with the locality order of scattered points made up instead of computed."""
        points = self.points(device)
        if not self.scattered:
            return points
        order = torch.arange(self.num_points, device=device).expand(points.batch_size, -1)
        return points.keep(LocalityOrder(), (order,))

    def coordinates(self, row: int) -> Tensor:
        """Where the points of a row are, (n, X) in [0, 1]. Rows with equally many points have them at equal places."""
        if self.kind != "grid":
            place = row if self.lengths is not None else 0
            return self._scattered(place + 1)[place, : self.length(row)].double()
        axes = [torch.linspace(0, 1, n, dtype=torch.float64) for n in self.shape]
        return torch.stack([axis.flatten() for axis in torch.meshgrid(*axes, indexing="ij")], dim=-1)

    def _scattered(self, rows: int) -> Tensor:
        """Random places in the plane for N points, padding included, (rows, N, 2)."""
        places = {
            length: torch.rand(self.num_points, 2, generator=torch.Generator().manual_seed(length))
            for length in {self.length(row) for row in range(rows)}
        }
        return torch.stack([places[self.length(row)] for row in range(rows)])


class MadeUpProbe:
    """What a refresh sees: errors over five decades and smooth targets, the same for the same points."""

    def __init__(self, points: Points) -> None:
        self.points = points
        self.num_samples = points.batch_size

    def errors(self) -> Iterator[tuple[Points, Tensor]]:
        """Squared residuals, a few of them much larger than the rest."""
        yield self.points, made_up_errors(self.points, seed=1)

    def loss_gradients(self, num_directions: int) -> Iterator[tuple[Points, Tensor]]:
        """Squared norms of gradients."""
        yield self.points, made_up_errors(self.points, seed=2)

    def targets(self) -> Iterator[tuple[Points, Tensor]]:
        """Two target channels with a steep place each."""
        batch, num_points = self.points.batch_size, self.points.num_points
        place = torch.linspace(0, 1, num_points, device=self.points.device).expand(batch, -1)
        shift = torch.arange(batch, device=self.points.device).unsqueeze(1) / (2 * batch)
        yield self.points, torch.stack([torch.tanh(20 * (place - shift)), place.square() + shift], dim=-1)


def made_up_errors(points: Points, seed: int) -> Tensor:
    """Squared residuals (B, N) from 1e-4 to 10, rough from point to point and larger towards the end."""
    rng = torch.Generator().manual_seed(seed)
    rough = torch.rand(points.batch_size, points.num_points, generator=rng).to(points.device)
    return 10 ** (4 * rough - 4 + torch.linspace(0, 1, points.num_points, device=points.device))


def trained(sampler: Sampler, points: Points, progress: Progress) -> Sampler:
    """A copy of the sampler; an adaptive one has been refreshed and has observed two draws."""
    own = copy.deepcopy(sampler)
    if own.adaptive:
        own.refresh(MadeUpProbe(points), progress)
        for seed in (1, 2):
            rng = torch.Generator(points.device).manual_seed(seed)
            queries = own.draw(points, max(1, min(points.num_points // 3, 1024)), rng, progress)
            errors = made_up_errors(points, seed)
            own.observe(points, queries, queries.take(errors.unsqueeze(-1)).squeeze(-1))
    return own
