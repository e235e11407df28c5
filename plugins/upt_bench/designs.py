"""Ways to choose points of a plane that upt does not build in, for comparison: patches, lattices, two levels.

Each is unbiased: every grid point comes Q/N times in the mean, or its weights see to it. Never registered.
"""

from __future__ import annotations

import math
from abc import abstractmethod

import torch

from upt_bench.setting import Setting
from upt_core import Points, Progress, Queries, Sampler

PLASTIC = 1.32471795724474602596
"""The real root of x³ = x + 1; multiples of its powers fill a square evenly (the R-sequence)."""


class Design(Sampler):
    """Points of a plane whose rows are independent of each other."""

    def count(self, num_points: int, progress: Progress) -> int:
        """Not asked for: a comparison names the number."""
        return num_points

    def draw(self, points: Points, count: int, rng: torch.Generator, progress: Progress) -> Queries:
        """The design's choice."""
        assert points.grid_shape is not None
        height, width = points.grid_shape
        return self.choose(points, (height, width), count, rng, progress)

    @abstractmethod
    def choose(
        self, points: Points, shape: tuple[int, int], count: int, rng: torch.Generator, progress: Progress
    ) -> Queries:
        """Q points of each row of a plane."""


class Patches(Design):
    """Square patches of neighbours, Q in all; their corners are chosen by another sampler, and they wrap around.

    A point is in the patch of a corner for side² corners, and each corner comes Q / (side² N) times.
    """

    def __init__(self, side: int, corners: Sampler) -> None:
        self.side, self.corners = side, corners

    def choose(
        self, points: Points, shape: tuple[int, int], count: int, rng: torch.Generator, progress: Progress
    ) -> Queries:
        """Patch after patch, each row by row: as near to each other in memory as can be."""
        corner_BP = self.corners.draw(points, count // self.side**2, rng, progress).index_BQ
        assert corner_BP is not None
        step = torch.arange(self.side, device=rng.device)
        row_BPS1 = ((corner_BP // shape[1]).unsqueeze(-1) + step).unsqueeze(-1) % shape[0]
        column_BP1S = ((corner_BP % shape[1]).unsqueeze(-1) + step).unsqueeze(-2) % shape[1]
        return Queries((row_BPS1 * shape[1] + column_BP1S).flatten(1))


class Lattice(Design):
    """One regular lattice with a single random shift: systematic sampling."""

    def choose(
        self, points: Points, shape: tuple[int, int], count: int, rng: torch.Generator, progress: Progress
    ) -> Queries:
        """The shift goes over one mesh, in which each grid point is met once."""
        shift_B21 = torch.rand(points.batch_size, 2, 1, generator=rng, device=rng.device, dtype=torch.float64)
        rows, columns = sides(count)
        row_BR = ((torch.arange(rows, device=rng.device) + shift_B21[:, 0]) * shape[0] / rows).long()
        column_BC = ((torch.arange(columns, device=rng.device) + shift_B21[:, 1]) * shape[1] / columns).long()
        return Queries((row_BR.unsqueeze(-1) * shape[1] + column_BC.unsqueeze(-2)).flatten(1))


class RSequence(Design):
    """Multiples of an irrational vector modulo 1 with a random shift (Roberts 2018)."""

    def choose(
        self, points: Points, shape: tuple[int, int], count: int, rng: torch.Generator, progress: Progress
    ) -> Queries:
        """Each point by itself is uniform because the shift is."""
        shift_B21 = torch.rand(points.batch_size, 2, 1, generator=rng, device=rng.device, dtype=torch.float64)
        number_Q = torch.arange(count, device=rng.device, dtype=torch.float64)
        row_BQ, column_BQ = (
            (torch.frac(shift_B21[:, axis] + number_Q / PLASTIC ** (axis + 1)) * shape[axis]).long() for axis in (0, 1)
        )
        return Queries(row_BQ * shape[1] + column_BQ)


class Halves(Design):
    """Half of the points from one sampler, half from another: a lattice over all and patches of detail."""

    def __init__(self, left: Sampler, right: Sampler) -> None:
        self.left, self.right = left, right

    def choose(
        self, points: Points, shape: tuple[int, int], count: int, rng: torch.Generator, progress: Progress
    ) -> Queries:
        """The mean of two unbiased means."""
        found = [part.draw(points, count // 2, rng, progress).index_BQ for part in (self.left, self.right)]
        return Queries(torch.cat([index_BQ for index_BQ in found if index_BQ is not None], dim=1))


class TwoLevels(Design):
    """Multilevel Monte Carlo with two levels: a coarse grid in full, and the finer one's difference from it at random.

    The estimate is mean_c f(c) + mean_k [f(x_k) - f(c(x_k))] with half of the Q evaluations at the coarse points c and
    half at fine points x_k, drawn by another sampler; c(x) is the coarse point in whose cell x lies. Some weights are
    negative. With one x_k in each cell the coarse points cancel, and what is left is one point in each of Q/2 cells.
    """

    def __init__(self, fine: Sampler) -> None:
        self.fine = fine

    def choose(
        self, points: Points, shape: tuple[int, int], count: int, rng: torch.Generator, progress: Progress
    ) -> Queries:
        """Coarse points first. The sides of the grid must be multiples of the coarse grid's."""
        rows, columns = sides(count // 2)
        tall, wide = shape[0] // rows, shape[1] // columns
        row_R1 = torch.arange(rows, device=rng.device).unsqueeze(-1) * tall + tall // 2
        column_C = torch.arange(columns, device=rng.device) * wide + wide // 2
        coarse_BQ = (row_R1 * shape[1] + column_C).flatten().expand(points.batch_size, -1)
        fine_BQ = self.fine.draw(points, count // 2, rng, progress).index_BQ
        assert fine_BQ is not None
        parent_BQ = fine_BQ // shape[1] // tall * columns + fine_BQ % shape[1] // wide
        children_BQ = torch.zeros_like(fine_BQ).scatter_add_(1, parent_BQ, torch.ones_like(fine_BQ))
        weight_BQ = torch.cat([2.0 - 2.0 * children_BQ, torch.full_like(fine_BQ, 2, dtype=torch.float32)], dim=1)
        return Queries(torch.cat([coarse_BQ, fine_BQ], dim=1), weight_BQ)


def sides(count: int) -> tuple[int, int]:
    """Rows and columns of a lattice of so many points, as square as can be, no fewer columns than rows."""
    rows = next(rows for rows in range(math.isqrt(count), 0, -1) if count % rows == 0)
    return rows, count // rows


def designs(setting: Setting) -> dict[str, Sampler]:
    """All of them; patches are spread as well as upt can."""
    spread = setting.sampler("stratified", coupling="independent")
    return {
        "lattice": Lattice(),
        "R-sequence": RSequence(),
        "patches 4": Patches(4, spread),
        "patches 8": Patches(8, spread),
        "lattice + patches 4": Halves(Lattice(), Patches(4, spread)),
        "two levels": TwoLevels(spread),
    }


def plane(points: Points) -> bool:
    """Whether the designs can draw from these points."""
    return points.grid_shape is not None and len(points.grid_shape) == 2
