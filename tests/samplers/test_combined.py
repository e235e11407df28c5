"""Mixture and boundary: shares, weights, feedback to the parts, refusals."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from upt_core import LocalityOrder, Progress
from upt_core.testing.point_sets import MadeUpProbe
from upt_samplers.boundary import Boundary
from upt_samplers.importance import Importance
from upt_samplers.mathematics.boxes import interior_and_layers, points_in
from upt_samplers.mixture import Mixture, apportion
from upt_samplers.stratified import Stratified
from upt_samplers.uniform import Uniform

PROGRESS = Progress(epoch=5, num_epochs=10)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("count", "shares", "numbers"),
    [
        (10, [0.5, 0.5], [5, 5]),
        (1, [0.4, 0.6], [0, 1]),
        (10, [0.25, 0.75, 0.0], [3, 7, 0]),
        (7, [0.3, 0.3, 0.4], [2, 2, 3]),
    ],
)
def test_apportion(count: int, shares: list[float], numbers: list[int]) -> None:
    assert apportion(count, shares) == numbers


def test_mixture_keeps_the_parts_and_their_weights(grid: Any) -> None:
    points = grid(16, 16, batch=2)
    queries = Mixture([Uniform(), Boundary()], [3, 1]).draw(points, 40, rng(), PROGRESS)
    assert queries.index_BQ.shape == (2, 40)
    assert torch.equal(queries.weight_BQ[:, :30], torch.ones(2, 30))
    assert torch.equal(queries.weight_BQ[:, 30:], queries.parts[1].weight_BQ)
    assert Mixture([Uniform(), Stratified()]).draw(points, 40, rng(), PROGRESS).weight_BQ is None


def test_mixture_hands_on_feedback_state_and_refresh(grid: Any) -> None:
    points = grid(16, 16, batch=2)
    inner = Importance(decay=0.0)
    mixture = Mixture([Stratified(), inner], num_queries=40)
    assert mixture.adaptive
    assert mixture.needs == (LocalityOrder(),)
    assert mixture.refresh_due(Progress(epoch=1))
    mixture.refresh(MadeUpProbe(points), Progress(epoch=1))
    assert not mixture.refresh_due(Progress(epoch=2))
    queries = mixture.sample(points, rng(), PROGRESS)
    error = torch.cat([torch.full((2, 20), 50.0), torch.full((2, 20), 70.0)], dim=1)
    mixture.observe(points, queries, error)
    value = mixture.state_dict()["1"]["value_SK"]
    assert torch.equal(value.gather(1, queries.parts[1].block_BQ), torch.full((2, 20), 70.0))
    assert not bool((value == 50).any())
    fresh = Mixture([Stratified(), Importance()], num_queries=40)
    fresh.load_state_dict(mixture.state_dict())
    assert torch.equal(
        fresh.sample(points, rng(), PROGRESS).index_BQ[:, :1], mixture.sample(points, rng(), PROGRESS).index_BQ[:, :1]
    )
    mixture.observe(points, queries.all(points), torch.full((2, 256), 90.0))
    assert float(mixture.state_dict()["1"]["value_SK"].min()) == 90
    with pytest.raises(ValueError, match="the saved mixture has samplers at places 1, this one has 1"):
        Mixture([Importance()]).load_state_dict(mixture.state_dict())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([],), "samplers needs at least 1 items; it has 0"),
        (([Uniform()], [0.5, 0.5]), "a mixture of 1 samplers needs as many shares; got 2"),
        (([Uniform()], [0.0]), r"shares must be ≥ 0 and not all 0; got \[0\.0\]"),
        (([Uniform(), Uniform()], [2, -1]), "shares must be at least 0.0; got -1"),
        (([Uniform()], None, 0), "num_queries must be at least 1; got 0"),
    ],
)
def test_mixture_refuses(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Mixture(*arguments)


@pytest.mark.parametrize(
    ("shape", "layers"), [((9,), (2,)), ((8, 6), (1, 2)), ((5, 6, 7), (1, 0, 3)), ((4, 3), (1, 2))]
)
def test_boxes_hold_every_point_once(shape: tuple[int, ...], layers: tuple[int, ...]) -> None:
    inner, cut = interior_and_layers(shape, layers)
    boxes = [box for box in (*cut, inner) if box.num_points]
    num_points = sum(box.num_points for box in boxes)
    index = points_in(boxes, torch.arange(num_points).unsqueeze(0), shape, 5)
    assert torch.equal(index[0].sort().values, torch.arange(torch.Size(shape).numel()))


def test_boundary_on_a_grid_draws_its_share_at_the_walls(grid: Any) -> None:
    """64 × 64, one layer of 3 points: 732 of 4096 near the wall; Q (0.5 + 0.5 · 732/4096) = 302 of 512."""
    points = grid(64, 64, batch=2)
    queries = Boundary(share=0.5).draw(points, 512, rng(), PROGRESS)
    place = torch.stack([queries.index_BQ // 64, queries.index_BQ % 64])
    near = ((place < 3) | (place > 60)).any(0)
    assert near.sum(1).tolist() == [302, 302]
    assert queries.weight_BQ[near].unique().tolist() == pytest.approx([512 * 732 / 4096 / 302])
    assert queries.weight_BQ[~near].unique().tolist() == pytest.approx([512 * 3364 / 4096 / 210])


def test_boundary_leaves_periodic_axes_alone(grid: Any) -> None:
    queries = Boundary(share=0.9).draw(grid(64, 64, periodic=(True, False)), 256, rng(), PROGRESS)
    rows, columns = queries.index_BQ // 64, queries.index_BQ % 64
    assert float(((columns < 3) | (columns > 60)).float().mean()) > 0.9
    assert 0.05 < float(((rows < 3) | (rows > 60)).float().mean()) < 0.2
    with pytest.raises(ValueError, match="every axis of this data set is periodic, so there is no boundary; use strat"):
        Boundary().draw(grid(8, 8, periodic=(True, True)), 10, rng(), PROGRESS)


def test_boundary_at_scattered_points(scattered: Any) -> None:
    points = scattered(2000)
    queries = Boundary(share=0.5).draw(points, 100, rng(), PROGRESS)
    place = points.coords_BNX[0][queries.index_BQ[0]]
    near = ((place < 0.05) | (place > 0.95)).any(1)
    assert 55 <= int(near.sum()) <= 65
    assert len(queries.weight_BQ[0][near].unique()) == 1


def test_boundary_lowers_the_variance_of_a_loss_at_the_wall(grid: Any, estimates: Any) -> None:
    points = grid(64, 64)
    value = torch.exp(-60 * points.coords_BNX.amin(-1)) * torch.rand(1, 4096, generator=rng())
    plain = estimates(Stratified(), points, value, 256, 400)
    walls = estimates(Boundary(share=0.6), points, value, 256, 400)
    assert float(plain.var() / walls.var()) > 1.5


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"share": 1.0}, r"share must be less than 1.0; got 1.0"),
        ({"width": 0.5}, r"width must be less than 0.5; got 0.5"),
        ({"num_queries": 0}, "num_queries must be at least 1; got 0"),
    ],
)
def test_boundary_refuses(keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Boundary(**keywords)
