"""Inclusion probabilities and ordered pivotal draws: exact, distinct, sure points always, spread along the line."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from upt_core import Points
from upt_samplers.mathematics import pivotal
from upt_samplers.mathematics.blocks import Blocks, CurveBlocks, blocks_of
from upt_samplers.mathematics.inclusion import inclusion_probabilities
from upt_samplers.mathematics.pivotal import PivotalPlan


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def line(num_points: int, size: int) -> Blocks:
    """Blocks of ``size`` points, in the points' own order."""
    return CurveBlocks(Points(torch.zeros(1, num_points, 1)), size)


def probabilities(score_1K: Tensor, blocks: Blocks, count: int, floor: float) -> Tensor:
    return inclusion_probabilities(score_1K, blocks.size_RK, torch.tensor([[count]]), floor)


def draws(plan: PivotalPlan, number: int, seed: int = 0) -> Tensor:
    return plan.draw(torch.rand(number, plan.count, generator=rng(seed), dtype=torch.float64))


@pytest.mark.parametrize(
    ("num_points", "size", "count", "power"),
    [
        (23, 1, 7, 4),
        (50, 1, 3, 2),
        (23, 4, 7, 1),
        (10, 1, 9, 0),
        (12, 1, 4, 0),
        (60, 1, 30, 8),
        (272, 32, 130, 8),
        (9, 2, 1, 1),
    ],
)
def test_every_point_is_drawn_with_its_probability(num_points: int, size: int, count: int, power: int) -> None:
    """100,000 draws, z below 5.5 for each of at most 272 points. Chance of failure: 1e-5 each."""
    blocks = line(num_points, size)
    score = torch.rand(1, blocks.num_blocks, generator=rng(1), dtype=torch.float64) ** power
    plan = PivotalPlan(probabilities(score, blocks, count, 0.2), blocks, count)
    seen = torch.zeros(num_points)
    for seed in range(10):
        seen += torch.bincount(draws(plan, 10_000, seed).flatten(), minlength=num_points)
    expected = plan.probability_of(blocks.block_at(torch.arange(num_points).unsqueeze(0)))[0]
    sure = expected > 1 - 1e-9
    assert torch.equal(seen[sure], torch.full_like(seen[sure], 100_000))
    z = (seen / 100_000 - expected) / (expected * (1 - expected) / 100_000).sqrt()
    assert float(z[~sure].abs().max()) < 5.5


@pytest.mark.parametrize("rows", [1, 3])
def test_blocks_are_found_by_counting_as_by_searching(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same draws, for one map of all rows and for one each; blocks of no points among them."""
    points = Points(torch.zeros(rows, 90, 1), lengths=(90, 61, 40)[:rows])
    blocks = CurveBlocks(points, 4)
    score = torch.rand(rows, blocks.num_blocks, generator=rng(), dtype=torch.float64) ** 6
    total = blocks.num_points_R1.clamp_max(20)
    plan = PivotalPlan(inclusion_probabilities(score, blocks.size_RK, total, 0.1), blocks, 20)
    uniform = torch.rand(1000 if rows == 1 else rows, 20, generator=rng(), dtype=torch.float64)
    counted = plan.draw(uniform)
    monkeypatch.setattr(pivotal, "_COUNTING", 0)
    assert torch.equal(plan.draw(uniform), counted)


@pytest.mark.parametrize("kind", ["random", "spiky", "sparse", "equal", "steps", "thirty decades"])
@pytest.mark.parametrize("size", [1, 4, 32])
def test_adversarial_scores(kind: str, size: int) -> None:
    """Distinct, in range, the points of probability 1 in every draw, probabilities that add up to Q."""
    shapes = {
        "random": lambda u: u,
        "spiky": lambda u: u**20,
        "sparse": lambda u: (u > 0.9).double(),
        "equal": lambda u: 0 * u,
        "steps": lambda u: (3 * u).floor(),
        "thirty decades": lambda u: 10 ** (30 * u - 15),
    }
    for trial in range(60):
        num_points = int(torch.randint(1, 400, (1,), generator=rng(trial)))
        count = int(torch.randint(1, num_points + 1, (1,), generator=rng(trial + 1000)))
        blocks = line(num_points, size)
        uniform = torch.rand(1, blocks.num_blocks, generator=rng(trial), dtype=torch.float64)
        floor = (0.5, 0.1, 1e-3, 1.0, 0.3)[trial % 5]
        probability = probabilities(shapes[kind](uniform), blocks, count, floor)
        assert float((probability * blocks.size_RK).sum()) == pytest.approx(count, rel=1e-12)
        assert float(probability.max()) <= 1
        assert float(probability.min()) >= min(1.0, floor * count / num_points) * (1 - 1e-12)
        index = draws(PivotalPlan(probability, blocks, count), 8, trial)
        ordered = index.sort(dim=1).values
        assert bool((ordered[:, 1:] > ordered[:, :-1]).all())
        assert int(ordered.min()) >= 0
        assert int(ordered.max()) < num_points
        sure = torch.nonzero(probability[0].repeat_interleave(blocks.size_RK[0]) >= 1 - 1e-12).flatten()
        assert all(bool(torch.isin(sure, row).all()) for row in index)


def test_a_border_that_meets_the_end_of_a_point() -> None:
    """0.4 ten times is not 4 in floating point; the last point, of probability 1, must be drawn all the same."""
    blocks = line(11, 1)
    probability = torch.tensor([[0.4] * 10 + [1.0]], dtype=torch.float64)
    index = draws(PivotalPlan(probability, blocks, 5), 1000)
    assert bool((index == 10).any(dim=1).all())


def test_draws_are_spread_along_the_line() -> None:
    """Equal probabilities: no two draws in one stratum and none empty but at its borders."""
    plan = PivotalPlan(probabilities(torch.ones(1, 1000), line(1000, 1), 100, 1.0), line(1000, 1), 100)
    gaps = draws(plan, 50).diff(dim=1)
    assert int(gaps.min()) >= 1
    assert int(gaps.max()) <= 20


def test_scores_of_zero_are_uniform() -> None:
    blocks = line(20, 4)
    assert torch.allclose(probabilities(torch.zeros(1, 5), blocks, 5, 0.1), torch.tensor(0.25).double())


@pytest.mark.parametrize("shape", [(23,), (6, 7), (17, 16), (1, 31), (5, 7, 11), (3, 4, 5, 6), (2, 2)])
@pytest.mark.parametrize("size", [1, 4, 32])
def test_grid_blocks_hold_every_point_once(shape: tuple[int, ...], size: int, grid: Any) -> None:
    points = grid(*shape)
    blocks = blocks_of(points, size)
    position = torch.arange(points.num_points).unsqueeze(0)
    block = blocks.block_at(position)
    index = blocks.point_at(position, block)
    assert torch.equal(index.sort().values, position)
    assert torch.equal(blocks.block_of(index), block)
    assert torch.equal(torch.bincount(block[0], minlength=blocks.num_blocks), blocks.size_RK[0])


def test_neighbouring_blocks_are_neighbours_in_space(grid: Any) -> None:
    blocks = blocks_of(grid(64, 64), 16)
    assert blocks.num_blocks == 256
    first = blocks.point_at(blocks.first_RK, torch.arange(256).unsqueeze(0))[0]
    step = (first // 64).diff().abs() + (first % 64).diff().abs()
    assert set(step.tolist()) == {4}


def test_curve_blocks_know_the_blocks_of_points(scattered: Any, padded: Any) -> None:
    for points in (scattered(100, batch=2), padded(50, 20, 3)):
        blocks = blocks_of(points, 8)
        position = torch.arange(points.num_points).expand(points.batch_size, -1)
        index = blocks.point_at(position, blocks.block_at(position))
        assert torch.equal(blocks.block_of(index), blocks.block_at(position))
        real = points.mask_BN if points.mask_BN is not None else torch.ones(index.shape)
        assert torch.equal(blocks.size_RK.sum(1).expand(points.batch_size), real.sum(1).long())


def test_more_than_2_to_the_24_points(grid: Any) -> None:
    points = grid(2**25)
    blocks = blocks_of(points, 2**10)
    score = torch.rand(1, blocks.num_blocks, generator=rng(), dtype=torch.float64) ** 4
    plan = PivotalPlan(probabilities(score, blocks, 2048, 0.3), blocks, 2048)
    position = draws(plan, 2)
    assert all(len(row.unique()) == 2048 for row in position)
    assert int(position.max()) > 2**24
