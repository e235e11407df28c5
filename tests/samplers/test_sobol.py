"""Scrambled Sobol points: a net after scrambling, each grid point equally often, rows that share the work."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from upt_core import Points, Progress, Sampler
from upt_core.testing.limits import log_evidence
from upt_core.testing.spy import watch
from upt_samplers.mathematics.digital_net import BITS, direction_numbers, scrambled_net
from upt_samplers.sobol import Sobol
from upt_samplers.stratified import Stratified
from upt_samplers.uniform import Uniform

PROGRESS = Progress()


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawn(sampler: Sampler, points: Points, count: int, source: torch.Generator) -> Tensor:
    """The query points of a draw, (B, Q)."""
    index_BQ = sampler.draw(points, count, source, PROGRESS).index_BQ
    assert index_BQ is not None
    return index_BQ


def large_grid(*shape: int, batch: int = 1) -> Points:
    """A grid whose coordinates take no memory."""
    return Points(torch.zeros(1, 1, 1).expand(batch, math.prod(shape), len(shape)), grid_shape=shape)


def test_direction_numbers_are_those_of_torch() -> None:
    """Which has the same table."""
    engine: Any = torch.quasirandom.SobolEngine
    assert torch.equal(torch.tensor(direction_numbers(3, 30)), engine(3).sobolstate)
    assert direction_numbers(3, 0) == [[], [], []]
    assert direction_numbers(3, 1) == [[1], [1], [1]]


@pytest.mark.parametrize("coupling", ["latin", "independent"])
@pytest.mark.parametrize(("num_axes", "bits"), [(1, 6), (2, 0), (2, 1), (2, 7), (2, 10), (3, 1), (3, 6), (3, 9)])
def test_each_elementary_interval_holds_as_many_points(num_axes: int, bits: int, coupling: Any) -> None:
    """Of any shape: one of the first 2^m on 1 and 2 axes, two at twice the volume on 3."""
    quality = 1 if num_axes == 3 else 0
    point_BXQ = scrambled_net(num_axes, 2**bits, 5, rng(), coupling)
    for split in itertools.product(range(bits + 1), repeat=num_axes):
        if sum(split) == bits - quality:
            interval_BQ = torch.zeros(5, 2**bits, dtype=torch.int64)
            for axis, pieces in enumerate(split):
                interval_BQ = interval_BQ * 2**pieces + (point_BXQ[:, axis] >> BITS - pieces)
            for interval_Q in interval_BQ:
                assert torch.bincount(interval_Q, minlength=2 ** sum(split)).tolist() == [2**quality] * 2 ** sum(split)


def test_coupled_rows_are_a_net_together() -> None:
    """Eight rows of 32 points are the first 256 points of one sequence."""
    point_BXQ = scrambled_net(2, 32, 8, rng(), "latin")
    for pieces in range(9):
        interval_BQ = (point_BXQ[:, 0] >> BITS - pieces) * 2 ** (8 - pieces) + (point_BXQ[:, 1] >> BITS - 8 + pieces)
        assert len(interval_BQ.unique()) == 256


def test_any_number_of_points_is_the_beginning_of_the_net() -> None:
    assert torch.equal(
        scrambled_net(2, 11, 3, rng(), "independent"), scrambled_net(2, 16, 3, rng(), "independent")[..., :11]
    )


def test_all_bits_are_fair_and_independent_of_each_other() -> None:
    """20,000 rows: each of 53 bits of a point is set half of the time, and so is the sum of any two: 7 deviations."""
    point_BX = scrambled_net(2, 3, 20_000, rng(), "independent")[:, :, 2]
    bit_BK = (point_BX.unsqueeze(-1) >> torch.arange(BITS) & 1).flatten(1).double() * 2 - 1
    assert float((bit_BK.t() @ bit_BK / 20_000 - torch.eye(2 * BITS)).abs().max()) < 7 / 20_000**0.5
    assert float(bit_BK.mean(0).abs().max()) < 7 / 20_000**0.5


@pytest.mark.parametrize("shape", [(7, 5), (1, 6, 9), (3, 64), (8, 16), (5, 4, 3)])
@pytest.mark.parametrize(("coupling", "rows", "calls"), [("independent", 20_000, 1), ("latin", 2, 4000)])
def test_every_grid_point_is_drawn_equally_often(
    shape: tuple[int, ...], coupling: Any, rows: int, calls: int, grid: Any
) -> None:
    """Q/N times in the mean, Q = N // 3: false alarm 1e-6 in all for each case.

    A grid point is drawn at most 8 times a draw: it touches at most 4 elementary intervals of at most 2 points.
    """
    points = grid(*shape, batch=rows)
    num_points, count = points.num_points, points.num_points // 3
    sampler, source = Sobol(coupling=coupling), rng(3)
    times_RBN = torch.zeros(calls, rows, num_points, dtype=torch.float64)
    for call in range(calls):
        index_BQ = drawn(sampler, points, count, source)
        times_RBN[call].scatter_add_(1, index_BQ, torch.ones(rows, count, dtype=torch.float64))
    assert float(times_RBN.max()) <= 8
    if coupling == "independent":
        times_RBN = times_RBN.transpose(0, 1)  # rows are trials
    value_RM = times_RBN.flatten(1)
    mean_M = torch.full((value_RM.shape[1],), count / num_points)
    evidence_M = log_evidence(value_RM, mean_M, torch.full_like(mean_M, 8.0))
    assert float(evidence_M.max()) < math.log(value_RM.shape[1] / 1e-6)


@pytest.mark.parametrize(
    ("shape", "count"), [((64, 64), 2048), ((64, 64), 4095), ((8, 512), 1000), ((4, 1, 128), 300), ((8, 16, 4), 256)]
)
def test_points_are_distinct_where_sides_are_powers_of_two(shape: tuple[int, ...], count: int, grid: Any) -> None:
    index_BQ = drawn(Sobol(), grid(*shape, batch=4), count, rng())
    assert all(len(index_Q.unique()) == count for index_Q in index_BQ)


def rank(vectors: list[int]) -> int:
    """Of rows of bits, modulo 2."""
    basis: list[int] = []
    for vector in vectors:
        for other in basis:
            vector = min(vector, vector ^ other)
        if vector:
            basis.append(vector)
    return len(basis)


@pytest.mark.parametrize("bits", [3, 6, 11, 16, 20])
def test_half_of_the_points_are_distinct_on_three_axes(bits: int) -> None:
    """Of grids of 2^bits points with sides that are powers of two: the first N/2 points of the net, by their rank."""
    directions = direction_numbers(3, bits - 1)
    for first, second in itertools.product(range(1, bits - 1), repeat=2):
        if first + second < bits:
            columns = []
            for k in range(bits - 1):
                column = 0
                for axis, width in zip(directions, (first, second, bits - first - second), strict=True):
                    column = column << width | axis[k] >> bits - 1 - width
                columns.append(column)
            assert rank(columns) == bits - 1


@pytest.mark.parametrize(("ratio", "share"), [(1 / 16, 0.005), (1 / 4, 0.05), (1 / 2, 0.12)])
def test_repeats_on_other_grids_are_few(ratio: float, share: float, grid: Any) -> None:
    """As the documentation says: 0.2, 3 and 9 per cent of the points (uniform ones with replacement: 3, 11, 21)."""
    points = grid(51, 45, batch=50)
    count = int(ratio * points.num_points)
    index_BQ = drawn(Sobol(), points, count, rng())
    repeated = sum(count - len(index_Q.unique()) for index_Q in index_BQ)
    assert 0 < repeated < share * index_BQ.numel()


@pytest.mark.parametrize("shape", [(2**20, 2**20), (2**13, 2**14, 2**13), (3**12, 5**9), (1, 2**40)])
def test_grids_of_any_size(shape: tuple[int, ...]) -> None:
    points = large_grid(*shape, batch=3)
    index_BQ = drawn(Sobol(), points, 1024, rng())
    assert int(index_BQ.min()) >= 0
    assert int(index_BQ.max()) < points.num_points
    assert len(set(index_BQ.flatten().tolist())) == 3 * 1024
    half = index_BQ.double().mean() / points.num_points
    assert float(half) == pytest.approx(0.5, abs=0.01)  # 3,072 spread points; independent ones: 2 deviations


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2), (2, 1000), (3, 3, 3), (1, 6, 1), (2, 2, 2, 2)])
def test_thin_and_small_grids(shape: tuple[int, ...], grid: Any) -> None:
    points = grid(*shape, batch=2)
    for count in range(1, min(points.num_points, 20)):
        index_BQ = drawn(Sobol(), points, count, rng(count))
        assert index_BQ.shape == (2, count)
        assert 0 <= int(index_BQ.min()) <= int(index_BQ.max()) < points.num_points


def test_rows_differ(grid: Any) -> None:
    for coupling in ("latin", "independent"):
        index_BQ = drawn(Sobol(coupling=coupling), grid(64, 64, batch=16), 64, rng())
        assert len({tuple(row) for row in index_BQ.tolist()}) == 16
        assert len({tuple(sorted(row)) for row in index_BQ.tolist()}) == 16


def test_elsewhere_it_is_stratified(scattered: Any, padded: Any, grid: Any) -> None:
    for points in (scattered(100, batch=3), padded(9, 6, 3), grid(100, batch=2), grid(1, 100), grid(3, 3, 3, 3)):
        for coupling in ("latin", "independent"):
            own = Sobol(coupling=coupling).draw(points, 4, rng(), PROGRESS)
            other = Stratified(coupling=coupling).draw(points, 4, rng(), PROGRESS)
            assert own.index_BQ is not None
            assert other.index_BQ is not None
            assert torch.equal(own.index_BQ, other.index_BQ)
            assert (own.weight_BQ is None) == (other.weight_BQ is None)


def test_all_points_without_a_gather_where_the_budget_reaches_them(grid: Any) -> None:
    for num_queries in (64, 65):
        assert Sobol(num_queries=num_queries).sample(grid(8, 8), rng(), PROGRESS).index_BQ is None


@pytest.mark.parametrize("shape", [(64, 64), (51, 70), (16, 16, 16)])
def test_lower_variance_than_strata_on_smooth_fields(shape: tuple[int, ...], grid: Any, estimates: Any) -> None:
    """256 points; 300 draws know the ratio to 17 per cent, and it is above 6 where 3 is asked for."""
    points = grid(*shape)
    value_1N = torch.sin(5 * points.coords_BNX).prod(-1)
    strata = estimates(Stratified(), points, value_1N, 256, 300)
    sobol = estimates(Sobol(), points, value_1N, 256, 300)
    assert float(strata.var() / sobol.var()) > 3


def test_as_good_as_uniform_on_noise(grid: Any, estimates: Any) -> None:
    """600 draws of each: the ratio of variances is 1 within 0.3 (chance of failure 2e-4 at the fixed seed)."""
    points = grid(64, 64)
    value_1N = torch.rand(1, 4096, generator=rng())
    plain = estimates(Uniform(), points, value_1N, 256, 600)
    sobol = estimates(Sobol(), points, value_1N, 256, 600)
    assert 0.7 < float(plain.var() / sobol.var()) < 1.4


def test_coupled_rows_have_a_lower_variance_together(grid: Any, estimates: Any) -> None:
    points = grid(64, 64, batch=8)
    value_8N = torch.sin(40 * points.coords_BNX).prod(-1)
    alone = estimates(Sobol(coupling="independent"), points, value_8N, 64, 300)
    together = estimates(Sobol(coupling="latin"), points, value_8N, 64, 300)
    assert float(alone.var() / together.var()) > 2


def test_a_draw_waits_for_nothing_even_the_first_time(grid: Any) -> None:
    points = grid(33, 77, batch=3)
    spy = watch(lambda: Sobol().draw(points, 777, rng(), PROGRESS))
    assert spy.waits == []
    assert spy.largest <= 3 * 2 * 1024 * 2


@pytest.mark.parametrize("num_queries", [0, -3])
def test_refuses_no_query_points(num_queries: int) -> None:
    with pytest.raises(ValueError, match=f"num_queries must be at least 1; got {num_queries}"):
        Sobol(num_queries=num_queries)


def test_refuses_an_unknown_coupling() -> None:
    with pytest.raises(ValueError, match="coupling expected 'latin' or 'independent'; got 'cyclic'"):
        Sobol(coupling="cyclic")  # type: ignore[arg-type]


@pytest.mark.gpu
def test_a_draw_does_not_wait_for_the_device(grid: Any, cuda: torch.device) -> None:
    points = grid(256, 256, batch=4).to(cuda)
    generator = torch.Generator(cuda).manual_seed(0)
    torch.cuda.set_sync_debug_mode("error")
    try:
        Sobol().sample(points, generator, PROGRESS)
    finally:
        torch.cuda.set_sync_debug_mode("default")
