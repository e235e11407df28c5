"""Uniform and stratified: all points, padding, variance, bounds."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from upt_core import Progress
from upt_samplers.stratified import Stratified
from upt_samplers.uniform import Uniform

PROGRESS = Progress()


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("kind", [Uniform, Stratified])
def test_all_points_without_a_gather_where_the_budget_reaches_them(kind: Any, grid: Any) -> None:
    for num_queries in (64, 65):
        queries = kind(num_queries=num_queries).sample(grid(8, 8), rng(), PROGRESS)
        assert queries.index_BQ is None
        assert queries.weight_BQ is None


@pytest.mark.parametrize("kind", [Uniform, Stratified])
def test_short_rows_take_all_points_and_weights_say_so(kind: Any, padded: Any) -> None:
    queries = kind(num_queries=4).sample(padded(9, 4, 3), rng(), PROGRESS)
    assert queries.weight_BQ[0].tolist() == [1] * 4
    assert queries.weight_BQ[1].tolist() == [1] * 4
    assert queries.weight_BQ[2].tolist() == pytest.approx([4 / 3] * 3 + [0])
    assert sorted(queries.index_BQ[1].tolist()) == [0, 1, 2, 3]
    assert sorted(queries.index_BQ[2, :3].tolist()) == [0, 1, 2]


@pytest.mark.parametrize("kind", [Uniform, Stratified])
def test_long_padded_rows_need_no_weights(kind: Any, padded: Any) -> None:
    queries = kind(num_queries=4).sample(padded(9, 6, 5), rng(), PROGRESS)
    assert queries.weight_BQ is None
    assert (queries.index_BQ < torch.tensor([[9], [6], [5]])).all()


@pytest.mark.parametrize("shape", [(4096,), (64, 64), (16, 16, 16), (1, 4096), (17, 241)])
def test_stratified_has_a_lower_variance_on_smooth_fields(shape: tuple[int, ...], grid: Any, estimates: Any) -> None:
    """256 points, a wave along every axis (600 draws: the ratio is known to 12 per cent). It is about 64 on a square,
    9 on the thin grid, whose cells span half its width, and 7 in 3-D, where there are 6 cells a side."""
    points = grid(*shape)
    value_1N = torch.sin(5 * points.coords_BNX).prod(-1)
    plain = estimates(Uniform(), points, value_1N, 256, 600)
    strata = estimates(Stratified(), points, value_1N, 256, 600)
    assert float(plain.var() / strata.var()) > (5 if shape in ((16, 16, 16), (17, 241)) else 10)


def test_stratified_has_a_lower_variance_at_scattered_points(scattered: Any, estimates: Any) -> None:
    points = scattered(4000)
    value_1N = torch.sin(5 * points.coords_BNX).prod(-1)
    plain = estimates(Uniform(), points, value_1N, 256, 600)
    strata = estimates(Stratified(), points, value_1N, 256, 600)
    assert float(plain.var() / strata.var()) > 10


def test_stratified_is_as_good_as_uniform_on_noise(grid: Any, estimates: Any) -> None:
    """600 draws of each: the ratio of variances is 1 within 0.3 (chance of failure 2e-4 at the fixed seed)."""
    points = grid(64, 64)
    value_1N = torch.rand(1, 4096, generator=rng())
    plain = estimates(Uniform(), points, value_1N, 256, 600)
    strata = estimates(Stratified(), points, value_1N, 256, 600)
    assert 0.7 < float(plain.var() / strata.var()) < 1.4


def test_latin_rows_have_a_lower_variance_together(grid: Any, estimates: Any) -> None:
    points = grid(64, 64, batch=8)
    value_8N = torch.sin(40 * points.coords_BNX).prod(-1)
    alone = estimates(Stratified(coupling="independent"), points, value_8N, 64, 600)
    together = estimates(Stratified(coupling="latin"), points, value_8N, 64, 600)
    assert float(alone.var() / together.var()) > 1.5


def test_large_grid_agrees_with_its_table(grid: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tabulated = Stratified().draw(grid(40, 50), 100, rng(), PROGRESS)
    monkeypatch.setattr("upt_samplers.mathematics.curve._TABLE_MAX", 0)
    assert torch.equal(tabulated.index_BQ, Stratified().draw(grid(40, 50), 100, rng(), PROGRESS).index_BQ)


@pytest.mark.parametrize("kind", [Uniform, Stratified])
@pytest.mark.parametrize("num_queries", [0, -3])
def test_refuses_no_query_points(kind: Any, num_queries: int) -> None:
    with pytest.raises(ValueError, match=f"num_queries must be at least 1; got {num_queries}"):
        kind(num_queries=num_queries)


def test_refuses_an_unknown_coupling() -> None:
    with pytest.raises(ValueError, match="coupling expected 'latin' or 'independent'; got 'cyclic'"):
        Stratified(coupling="cyclic")  # type: ignore[arg-type]


@pytest.mark.gpu
@pytest.mark.parametrize("kind", [Uniform, Stratified])
def test_a_draw_does_not_wait_for_the_device(kind: Any, grid: Any, cuda: torch.device) -> None:
    points = grid(256, 256, batch=4).to(cuda)
    generator = torch.Generator(cuda).manual_seed(0)
    kind().sample(points, generator, PROGRESS)
    torch.cuda.set_sync_debug_mode("error")
    try:
        kind().sample(points, generator, PROGRESS)
    finally:
        torch.cuda.set_sync_debug_mode("default")
